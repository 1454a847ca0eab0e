import { createSocket } from 'node:dgram';
import { promises as dns, getServers } from 'node:dns';
import { connect, isIPv6, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { performance } from 'node:perf_hooks';
import { type Endpoint, formatIp, type IpAddress, parseIp } from '../../../net/address.ts';
import type { HostDatagrams, HostNetwork, HostStream, StreamFailure, StreamHandler } from '../../../net/host.ts';

/** Milliseconds for which the list of the host's addresses is believed. */
const ADDRESSES_AGE = 2000;
/** Milliseconds that a resolver may take before the next one is asked. */
const RESOLVER_TIME = 3000;
const DNS_PORT = 53;
const TRUNCATED = 0x02;

const FAILURES: Readonly<Record<string, StreamFailure>> = {
  ECONNREFUSED: 'refused',
  ECONNRESET: 'reset',
  EPIPE: 'reset',
  ETIMEDOUT: 'timeout',
  EHOSTUNREACH: 'unreachable',
  ENETUNREACH: 'unreachable',
  EADDRNOTAVAIL: 'unreachable',
  EACCES: 'prohibited',
  EPERM: 'prohibited',
};

/** A socket as a stream of the network's. */
export function streamOf(socket: Socket, handler: StreamHandler): HostStream {
  let over = false;
  const fail = (why: StreamFailure): void => {
    if (over) return;
    over = true;
    handler.failed(why);
  };
  socket.setNoDelay(true);
  socket.on('data', (bytes) => over || handler.data(bytes));
  socket.on('end', () => over || handler.ended());
  socket.on('error', (error: NodeJS.ErrnoException) => fail(FAILURES[error.code ?? ''] ?? 'unreachable'));
  // Without an error it was closed on both sides, which both have reported.
  socket.on('close', () => (over = true));
  return {
    write(bytes) {
      socket.write(bytes, (error) => error || over || handler.drained(bytes.length));
    },
    end: () => void socket.end(),
    reset() {
      over = true;
      if (socket.connecting) socket.destroy();
      else socket.resetAndDestroy();
    },
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
  };
}

/** The network of this process's host. */
export class NodeNetwork implements HostNetwork {
  private own = new Set<string>();
  private ownAt = -Infinity;

  connect({ address, port }: Endpoint, handler: StreamHandler): HostStream {
    const socket = connect({ host: formatIp(address), port, allowHalfOpen: true });
    socket.on('connect', () => handler.opened());
    return streamOf(socket, handler);
  }

  datagrams(version: 4 | 6, received: (from: Endpoint, data: Uint8Array) => void): HostDatagrams {
    const socket = createSocket(version === 4 ? 'udp4' : 'udp6');
    let open = true;
    socket.on('message', (data, { address, port }) => {
      const from = parseIp(address.split('%')[0]);
      if (open && from !== undefined) received({ address: from, port }, data);
    });
    // What can't be sent is lost, as on any network.
    socket.on('error', () => undefined);
    return {
      send: ({ address, port }, data) => socket.send(data, port, formatIp(address), () => undefined),
      close() {
        open = false;
        socket.close();
      },
    };
  }

  async lookup(name: string): Promise<readonly IpAddress[]> {
    try {
      const found = await dns.lookup(name, { all: true, verbatim: true });
      return found.flatMap(({ address }) => parseIp(address.split('%')[0]) ?? []);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOTFOUND') return [];
      throw error;
    }
  }

  async query(message: Uint8Array): Promise<Uint8Array> {
    let failure: unknown = new Error('this host has no resolver');
    for (const server of getServers()) {
      const [, host, port = DNS_PORT] =
        /^\[?([^\]]*?)\]?(?::(\d+))?$/.exec(isIPv6(server) ? `[${server}]` : server) ?? [];
      try {
        const answer = await askResolver(host, Number(port), message);
        return (answer[2] & TRUNCATED) === 0 ? answer : await askOverTcp(host, Number(port), message);
      } catch (error) {
        failure = error;
      }
    }
    throw failure;
  }

  isOwn(address: IpAddress): boolean {
    const now = performance.now();
    if (now - this.ownAt > ADDRESSES_AGE) {
      this.ownAt = now;
      this.own = new Set(
        Object.values(networkInterfaces()).flatMap((list) =>
          (list ?? []).flatMap(({ address: text }) => {
            const known = parseIp(text);
            return known === undefined ? [] : [formatIp(known)];
          }),
        ),
      );
    }
    return this.own.has(formatIp(address));
  }
}

function askResolver(host: string, port: number, message: Uint8Array): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4');
    const end = (act: () => void): void => {
      clearTimeout(timer);
      socket.removeAllListeners();
      socket.close();
      act();
    };
    const timer = setTimeout(() => end(() => reject(new Error(`the resolver ${host} does not answer`))), RESOLVER_TIME);
    socket.on('error', (error) => end(() => reject(error)));
    // Connected: only the resolver itself is heard.
    socket.connect(port, host, () => socket.send(message));
    socket.on('message', (answer) => {
      if (answer[0] === message[0] && answer[1] === message[1]) end(() => resolve(answer));
    });
  });
}

function askOverTcp(host: string, port: number, message: Uint8Array): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, timeout: RESOLVER_TIME });
    let bytes = Buffer.alloc(0);
    socket.on('connect', () =>
      socket.write(Buffer.concat([Buffer.of(message.length >>> 8, message.length & 255), message])),
    );
    socket.on('data', (more) => {
      bytes = Buffer.concat([bytes, more]);
      if (bytes.length < 2 || bytes.length < 2 + bytes.readUInt16BE(0)) return;
      socket.destroy();
      resolve(bytes.subarray(2, 2 + bytes.readUInt16BE(0)));
    });
    socket.on('timeout', () => socket.destroy(new Error(`the resolver ${host} does not answer`)));
    socket.on('error', reject);
    socket.on('end', () => reject(new Error(`the resolver ${host} closed the connection`)));
  });
}
