import { createServer } from 'node:http';
import { type RawData, type WebSocket, WebSocketServer } from 'ws';
import { type IpAddress, parseIp } from '../../../net/address.ts';
import type { HostDatagrams, HostStream, StreamFailure } from '../../../net/host.ts';
import { Policy } from '../../../net/policy.ts';
import { parseWisp, WISP_CLOSE, type WispPacket, wispMessage } from '../../../net/wisp.ts';
import { NodeNetwork } from './host-network.ts';

/** Data packets of a stream that may wait here: what clients are told (Wisp's CONTINUE). */
const PACKETS = 128;
/** Bytes of them; a client that sends larger packets than this allows for is cut off. */
const MOST_WAITING = 16 * 1024 * 1024;
const LARGEST_MESSAGE = 1024 * 1024;
const MOST_STREAMS = 1024;
/** Milliseconds that a connection may take to end after its stream. */
const LINGER = 10_000;
/** Bytes on their way to a client at which what comes for it is held back. */
const MOST_OUTGOING = 4 * 1024 * 1024;

const REASON: Readonly<Record<StreamFailure, number>> = {
  refused: WISP_CLOSE.refused,
  unreachable: WISP_CLOSE.unreachable,
  prohibited: WISP_CLOSE.blocked,
  timeout: WISP_CLOSE.timeout,
  reset: WISP_CLOSE.networkError,
};

/** Pages of this computer. */
const OWN_ORIGIN = /^https?:\/\/(localhost|127(\.\d+){3}|\[::1\])(:\d+)?$/;

export interface RelayOptions {
  readonly host: string;
  /** 0 for any that is free. */
  readonly port: number;
  /** The only destinations that may be reached; patterns as for {@link NetworkOptions.allow}. */
  readonly allow?: readonly string[];
  /** This computer's loopback and its own addresses may be reached. */
  readonly allowHost?: boolean;
  /** Origins of pages that may come besides those of this computer: `https://example.org`, or `*` for all. */
  readonly origins?: readonly string[];
}

/** A relay that listens. */
export interface Relay {
  readonly port: number;
  /** Ends it and all that goes through it. */
  close(): void;
}

/** Serves the Wisp protocol, version 1, so that pages reach a network through this process. @throws NetworkOptionError, and what listening throws */
export async function serveRelay(options: RelayOptions): Promise<Relay> {
  const { host, port, origins = [] } = options;
  // Reads the patterns before anything listens.
  new Policy(options);
  const http = createServer((_request, response) => {
    response
      .writeHead(426, { 'content-type': 'text/plain', upgrade: 'websocket' })
      .end('a WebSocket is expected here\n');
  });
  const sockets = new WebSocketServer({
    server: http,
    maxPayload: LARGEST_MESSAGE,
    // Programs that are no browsers send no origin; a page cannot leave it away.
    verifyClient: ({ origin }: { readonly origin: string | undefined }) =>
      origin === undefined || OWN_ORIGIN.test(origin) || origins.includes('*') || origins.includes(origin),
  });
  const network = new NodeNetwork();
  sockets.on('connection', (socket) => new Client(socket, network, new Policy(options)));
  await new Promise<void>((resolve, reject) => {
    // What happens to the server is reported by the sockets on it.
    sockets.once('error', reject);
    http.listen(port, host, resolve);
  });
  const address = http.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : port,
    close() {
      for (const socket of sockets.clients) socket.terminate();
      sockets.close();
      http.close();
    },
  };
}

/** A stream of a client's. */
interface RelayedStream {
  write(data: Uint8Array): void;
  close(): void;
  hold(held: boolean): void;
}

/** One WebSocket, and the streams in it. */
class Client {
  private readonly socket: WebSocket;
  private readonly network: NodeNetwork;
  private readonly policy: Policy;
  private readonly streams = new Map<number, RelayedStream>();
  private held = false;

  constructor(socket: WebSocket, network: NodeNetwork, policy: Policy) {
    this.socket = socket;
    this.network = network;
    this.policy = policy;
    socket.binaryType = 'nodebuffer';
    socket.on('message', (message: RawData, isBinary: boolean) => {
      const packet = isBinary ? parseWisp(message as Buffer) : undefined;
      if (packet === undefined) socket.close(1002, 'no packet of the Wisp protocol');
      else this.take(packet);
    });
    // A message that is too long, or is none.
    socket.on('error', () => socket.terminate());
    socket.on('close', () => {
      for (const stream of this.streams.values()) stream.close();
      this.streams.clear();
    });
    this.send({ type: 'continue', stream: 0, room: PACKETS });
  }

  private take(packet: WispPacket): void {
    const stream = this.streams.get(packet.stream);
    switch (packet.type) {
      case 'connect':
        if (stream !== undefined || packet.stream === 0) return this.close(packet.stream, WISP_CLOSE.invalid);
        if (this.streams.size >= MOST_STREAMS) return this.close(packet.stream, WISP_CLOSE.throttled);
        return this.open(packet);
      case 'data':
        return stream?.write(packet.data);
      case 'close':
        this.streams.delete(packet.stream);
        return stream?.close();
    }
  }

  private send(packet: WispPacket): void {
    if (this.socket.readyState !== this.socket.OPEN) return;
    this.socket.send(wispMessage(packet), () => this.hold(this.socket.bufferedAmount > MOST_OUTGOING));
    if (this.socket.bufferedAmount > MOST_OUTGOING) this.hold(true);
  }

  /** Says that a stream is over. */
  private close(stream: number, reason: number): void {
    this.streams.delete(stream);
    this.send({ type: 'close', stream, reason });
  }

  private hold(held: boolean): void {
    if (held === this.held) return;
    this.held = held;
    for (const stream of this.streams.values()) stream.hold(held);
  }

  private open(packet: WispPacket & { readonly type: 'connect' }): void {
    const { stream: id, protocol, port } = packet;
    // What is sent before the name is resolved waits; a stream that was closed meanwhile is not opened.
    const early: Uint8Array[] = [];
    let waiting = 0;
    const beginning: RelayedStream = {
      write: (data) => {
        early.push(data);
        waiting += data.length;
        if (waiting > MOST_WAITING || early.length > PACKETS) this.close(id, WISP_CLOSE.throttled);
      },
      close: () => undefined,
      hold: () => undefined,
    };
    this.streams.set(id, beginning);
    void this.resolve(packet).then((address) => {
      if (this.streams.get(id) !== beginning) return;
      if (typeof address === 'number') return this.close(id, address);
      const stream = protocol === 'tcp' ? this.tcp(id, address, port) : this.udp(id, address, port);
      this.streams.set(id, stream);
      if (this.held) stream.hold(true);
      for (const data of early) stream.write(data);
    });
  }

  /** The address to connect to, or why there is none. */
  private async resolve({ host, port }: { readonly host: string; readonly port: number }): Promise<IpAddress | number> {
    const literal = parseIp(host.replace(/^\[|\]$/g, ''));
    const name = host.toLowerCase().replace(/\.$/, '');
    if (literal === undefined && !this.policy.allowsName(name)) return WISP_CLOSE.blocked;
    const found = literal === undefined ? await this.network.lookup(name).catch(() => []) : [literal];
    if (found.length === 0 || port === 0) return WISP_CLOSE.unreachable;
    if (literal === undefined) this.policy.named(name, found);
    const isOwn = (address: IpAddress): boolean => this.network.isOwn(address);
    return found.find((address) => this.policy.allows({ address, port }, isOwn)) ?? WISP_CLOSE.blocked;
  }

  private tcp(id: number, address: IpAddress, port: number): RelayedStream {
    let packets = 0;
    let bytes = 0;
    let taken = 0;
    const lengths: number[] = [];
    const over = (reason: number): void => {
      if (this.streams.get(id) === relayed) this.close(id, reason);
    };
    const stream: HostStream = this.network.connect(
      { address, port },
      {
        opened: () => undefined,
        data: (data) => this.streams.get(id) === relayed && this.send({ type: 'data', stream: id, data }),
        drained: () => {
          bytes -= lengths.shift() ?? 0;
          packets--;
          // As often as is needed for a client never to run out while it is served.
          if (++taken % (PACKETS / 2) === 0) this.send({ type: 'continue', stream: id, room: PACKETS - packets });
        },
        ended: () => {
          over(WISP_CLOSE.voluntary);
          stream.end();
        },
        failed: (why) => over(REASON[why]),
      },
    );
    const relayed: RelayedStream = {
      write: (data) => {
        packets++;
        bytes += data.length;
        lengths.push(data.length);
        if (packets > 2 * PACKETS || bytes > MOST_WAITING) {
          stream.reset();
          over(WISP_CLOSE.throttled);
        } else stream.write(data);
      },
      close: () => {
        // What was sent still leaves, if it is taken soon.
        stream.end();
        setTimeout(() => stream.reset(), LINGER).unref();
      },
      hold: (held) => (held ? stream.pause() : stream.resume()),
    };
    return relayed;
  }

  private udp(id: number, address: IpAddress, port: number): RelayedStream {
    const to = { address, port };
    const datagrams: HostDatagrams = this.network.datagrams(address.length === 4 ? 4 : 6, (from, data) => {
      const isPeer = from.port === port && Buffer.compare(from.address, address) === 0;
      // Datagrams that cannot be sent on now are lost, as on any network.
      if (isPeer && !this.held) this.send({ type: 'data', stream: id, data });
    });
    return { write: (data) => datagrams.send(to, data), close: () => datagrams.close(), hold: () => undefined };
  }
}
