import { createSocket } from 'node:dgram';
import { createServer, isIP } from 'node:net';
import { parseIp } from '../../../net/address.ts';
import type { Nat } from '../../../net/nat.ts';
import { NetworkOptionError } from '../../../net/policy.ts';
import { streamOf } from './host-network.ts';

/** Where nobody says otherwise, only programs on the host reach a published port. */
const DEFAULT_HOST = '127.0.0.1';

/** A port of the host that leads to one of the guest's. */
export interface Published {
  /** Address of the host to listen at. */
  readonly host: string;
  /** 0 for any that is free. */
  readonly port: number;
  readonly guestPort: number;
  readonly protocol: 'tcp' | 'udp';
}

/** Reads `[HOST:]PORT:PORT[/udp]`. @throws NetworkOptionError */
export function parsePublished(text: string): Published {
  const match = /^(?:(\[[^\]]+\]|[^:[\]]+):)?(\d+):(\d+)(?:\/(tcp|udp))?$/.exec(text);
  const host = match?.[1]?.replace(/^\[|\]$/g, '') ?? DEFAULT_HOST;
  const [port, guestPort] = [Number(match?.[2]), Number(match?.[3])];
  if (match === null || isIP(host) === 0 || port > 65_535 || guestPort < 1 || guestPort > 65_535)
    throw new NetworkOptionError(
      `--publish ${text}: expected [ADDRESS:]PORT:PORT[/udp], the host's port (0 for any) before the guest's, such as 8080:80 or [::1]:5353:53/udp`,
    );
  return { host, port, guestPort, protocol: match[4] === 'udp' ? 'udp' : 'tcp' };
}

function explain(published: Published, error: NodeJS.ErrnoException): Error {
  const { host, port, guestPort, protocol } = published;
  const what = `--publish ${host}:${port}:${guestPort}${protocol === 'udp' ? '/udp' : ''}`;
  if (error.code === 'EADDRINUSE')
    return new NetworkOptionError(`${what}: port ${port} is taken; choose another, or 0 for any that is free`);
  if (error.code === 'EACCES')
    return new NetworkOptionError(`${what}: this user may not listen at port ${port}; choose one from 1024 on`);
  if (error.code === 'EADDRNOTAVAIL') return new NetworkOptionError(`${what}: this host has no address ${host}`);
  return new NetworkOptionError(`${what}: ${error.message}`);
}

/** Listens for the guest until its network is closed. @returns the host's port @throws NetworkOptionError when it is not to be had */
export function publish(nat: Nat, published: Published): Promise<number> {
  return published.protocol === 'udp' ? publishUdp(nat, published) : publishTcp(nat, published);
}

function publishTcp(nat: Nat, published: Published): Promise<number> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    if (!nat.accept(published.guestPort, (handler) => streamOf(socket, handler))) socket.resetAndDestroy();
  });
  return new Promise((resolve, reject) => {
    server.once('error', (error) => reject(explain(published, error)));
    server.listen(published.port, published.host, () => {
      const address = server.address();
      nat.publish(server);
      resolve(typeof address === 'object' && address !== null ? address.port : published.port);
    });
  });
}

function publishUdp(nat: Nat, published: Published): Promise<number> {
  const socket = createSocket(isIP(published.host) === 6 ? 'udp6' : 'udp4');
  socket.on('message', (data, { address, port }) => {
    const client = parseIp(address.split('%')[0]);
    if (client === undefined) return;
    nat.acceptDatagram(published.guestPort, { address: client, port }, data, (answer) =>
      socket.send(answer, port, address, () => undefined),
    );
  });
  return new Promise((resolve, reject) => {
    socket.once('error', (error) => reject(explain(published, error)));
    socket.bind(published.port, published.host, () => {
      socket.on('error', () => undefined);
      nat.publish(socket);
      resolve(socket.address().port);
    });
  });
}
