import { type Endpoint, formatIp, type IpAddress, keyOf } from './address.ts';
import type { HostDatagrams, HostNetwork, HostStream, StreamFailure, StreamHandler } from './host.ts';
import { SyntheticNames } from './synthetic-names.ts';
import { parseWisp, WISP_CLOSE, type WispPacket, wispMessage } from './wisp.ts';

/** Bytes that may wait for a guest that does not read: the protocol cannot hold a server back, so the stream is closed beyond. */
const MOST_HELD = 16 * 1024 * 1024;
/** Milliseconds without data after which a stream ends whose guest has nothing more to send: the protocol has no half-closed streams. */
const LINGER = 5000;
/** Destinations of one port of the guest's that are remembered. */
const MOST_PEERS = 64;

const FAILURE: Readonly<Record<number, StreamFailure>> = {
  [WISP_CLOSE.invalid]: 'unreachable',
  [WISP_CLOSE.unreachable]: 'unreachable',
  [WISP_CLOSE.timeout]: 'timeout',
  [WISP_CLOSE.refused]: 'refused',
  [WISP_CLOSE.blocked]: 'prohibited',
};

/** A WebSocket, as far as it is needed. */
export interface MessageSocket {
  /** Sends a binary message; only once the socket is open. */
  send(message: Uint8Array): void;
}

/** What a WebSocket reports. */
export interface MessageSocketHandler {
  message(bytes: Uint8Array): void;
  /** It ended, or never came about. */
  closed(): void;
}

export interface WispClientOptions {
  /** Opens the WebSocket to the relay. What it reports, it reports later. */
  open(handler: MessageSocketHandler): MessageSocket;
  /** Calls back after so many milliseconds. */
  after(milliseconds: number, callback: () => void): void;
}

/** What takes a stream's packets. */
interface WispStream {
  data(bytes: Uint8Array): void;
  /** May send so many data packets. */
  credit(packets: number): void;
  closed(reason: number): void;
}

/** The network behind a relay that speaks the Wisp protocol. Names are resolved there: here each gets an address that only means it. */
export class WispClient implements HostNetwork {
  private readonly options: WispClientOptions;
  private readonly names = new SyntheticNames();
  private readonly streams = new Map<number, WispStream>();
  private socket: MessageSocket | undefined;
  /** Data packets that a new stream may send; known once the relay has said so. Streams are opened after that. */
  private room: number | undefined;
  private waiting: (() => void)[] = [];
  private nextStream = 1;

  constructor(options: WispClientOptions) {
    this.options = options;
  }

  connect(to: Endpoint, handler: StreamHandler): HostStream {
    return new TcpStream(this, this.hostOf(to), to.port, handler, this.options.after);
  }

  datagrams(_version: 4 | 6, received: (from: Endpoint, data: Uint8Array) => void): HostDatagrams {
    const peers = new Map<string, { readonly send: (data: Uint8Array) => void; readonly close: () => void }>();
    return {
      send: (to, data) => {
        const key = `${keyOf(to.address)}${to.port}`;
        let peer = peers.get(key);
        if (peer === undefined) {
          const close = (): void => void peers.delete(key);
          peer = this.datagramsTo(to, (bytes) => received(to, bytes), close);
          if (peers.size >= MOST_PEERS) {
            const [oldest] = peers.values();
            oldest.close();
          }
          peers.set(key, peer);
        }
        peer.send(data);
      },
      close: () => {
        for (const peer of [...peers.values()]) peer.close();
      },
    };
  }

  lookup(name: string): Promise<readonly IpAddress[]> {
    return Promise.resolve([this.names.addressOf(name)]);
  }

  query(): Promise<Uint8Array> {
    return Promise.reject(new Error('a relay answers no questions about names but for their addresses'));
  }

  isOwn(): boolean {
    return false;
  }

  /** Opens a stream as soon as the relay is there. @returns its number @internal */
  openStream(protocol: 'tcp' | 'udp', host: string, port: number, stream: WispStream): number {
    const id = this.nextStream;
    this.nextStream = (this.nextStream % 0xffff_ffff) + 1;
    this.streams.set(id, stream);
    const begin = (): void => {
      if (this.streams.get(id) !== stream) return;
      this.send({ type: 'connect', stream: id, protocol, host, port });
      stream.credit(this.room!);
    };
    if (this.room !== undefined) begin();
    else {
      this.waiting.push(begin);
      this.socket ??= this.openSocket();
    }
    return id;
  }

  /** @internal */
  send(packet: WispPacket): void {
    this.socket?.send(wispMessage(packet));
  }

  /** Closes a stream, of which nothing more is reported. @internal */
  closeStream(id: number, reason: number): void {
    if (this.streams.delete(id) && this.room !== undefined) this.send({ type: 'close', stream: id, reason });
  }

  private hostOf({ address }: Endpoint): string {
    return this.names.nameOf(address) ?? formatIp(address);
  }

  private openSocket(): MessageSocket {
    return this.options.open({
      message: (bytes) => this.take(bytes),
      closed: () => {
        const opened = this.room !== undefined;
        this.socket = undefined;
        this.room = undefined;
        this.waiting = [];
        const streams = [...this.streams.values()];
        this.streams.clear();
        for (const stream of streams) stream.closed(opened ? WISP_CLOSE.networkError : WISP_CLOSE.unreachable);
      },
    });
  }

  private take(bytes: Uint8Array): void {
    const packet = parseWisp(bytes);
    if (packet === undefined) return;
    const { stream: id } = packet;
    const stream = this.streams.get(id);
    if (packet.type === 'continue') {
      if (id !== 0) return stream?.credit(packet.room);
      this.room = packet.room;
      for (const begin of this.waiting.splice(0)) begin();
    } else if (packet.type === 'data') stream?.data(packet.data);
    else if (packet.type === 'close' && this.streams.delete(id)) stream!.closed(packet.reason);
  }

  private datagramsTo(
    to: Endpoint,
    received: (data: Uint8Array) => void,
    over: () => void,
  ): { readonly send: (data: Uint8Array) => void; readonly close: () => void } {
    let open = false;
    // What is sent before the stream is open waits, up to a few datagrams: more are lost, as on any network.
    const early: Uint8Array[] = [];
    const id = this.openStream('udp', this.hostOf(to), to.port, {
      data: received,
      credit: () => {
        if (!open) for (const data of early.splice(0)) this.send({ type: 'data', stream: id, data });
        open = true;
      },
      closed: over,
    });
    return {
      send: (data) => {
        if (open) this.send({ type: 'data', stream: id, data });
        else if (early.length < 16) early.push(data);
      },
      close: () => {
        this.closeStream(id, WISP_CLOSE.voluntary);
        over();
      },
    };
  }
}

/** A TCP stream of a relay's. */
class TcpStream implements HostStream, WispStream {
  private readonly client: WispClient;
  private readonly handler: StreamHandler;
  private readonly id: number;
  private readonly after: WispClientOptions['after'];
  private readonly outgoing: Uint8Array[] = [];
  private packets = 0;
  private open = false;
  private over = false;
  /** The relay closed the stream: nobody takes what the guest may still send. */
  private peerGone = false;
  private ending = false;
  private paused = false;
  private readonly held: Uint8Array[] = [];
  private heldBytes = 0;
  private closing: number | undefined;
  /** Counts what the guest is sent: a stream that lingers ends when it stands still. */
  private arrivals = 0;

  constructor(
    client: WispClient,
    host: string,
    port: number,
    handler: StreamHandler,
    after: WispClientOptions['after'],
  ) {
    this.client = client;
    this.handler = handler;
    this.after = after;
    this.id = client.openStream('tcp', host, port, this);
  }

  write(bytes: Uint8Array): void {
    if (this.peerGone) {
      this.peerGone = false;
      void Promise.resolve().then(() => this.handler.failed('reset'));
    }
    if (this.over) return;
    this.outgoing.push(bytes);
    this.flush();
  }

  end(): void {
    this.ending = true;
    this.linger();
  }

  reset(): void {
    this.peerGone = false;
    if (this.over) return;
    this.over = true;
    this.client.closeStream(this.id, WISP_CLOSE.voluntary);
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
    void Promise.resolve().then(() => this.deliver());
  }

  data(bytes: Uint8Array): void {
    if (this.over) return;
    this.arrivals++;
    this.held.push(bytes);
    this.heldBytes += bytes.length;
    this.deliver();
    if (this.heldBytes <= MOST_HELD) return;
    this.client.closeStream(this.id, WISP_CLOSE.throttled);
    this.fail('reset');
  }

  credit(packets: number): void {
    this.packets = packets;
    if (!this.open) {
      // The protocol does not say when a connection is made, only when it was not.
      this.open = true;
      void Promise.resolve().then(() => this.over || this.handler.opened());
    }
    this.flush();
  }

  closed(reason: number): void {
    if (this.over) return;
    if (!this.open) return void Promise.resolve().then(() => this.fail(FAILURE[reason] ?? 'unreachable'));
    this.closing = reason;
    this.deliver();
  }

  private flush(): void {
    while (this.open && this.packets > 0 && this.outgoing.length > 0) {
      const data = this.outgoing.shift()!;
      this.packets--;
      this.client.send({ type: 'data', stream: this.id, data });
      void Promise.resolve().then(() => this.over || this.handler.drained(data.length));
    }
  }

  private deliver(): void {
    while (!this.paused && !this.over && this.held.length > 0) {
      const bytes = this.held.shift()!;
      this.heldBytes -= bytes.length;
      this.handler.data(bytes);
    }
    if (this.closing === undefined || this.held.length > 0 || this.over) return;
    if (this.closing !== WISP_CLOSE.voluntary) return this.fail(FAILURE[this.closing] ?? 'reset');
    this.over = true;
    this.peerGone = true;
    this.handler.ended();
  }

  private fail(why: StreamFailure): void {
    if (this.over) return;
    this.over = true;
    this.handler.failed(why);
  }

  /** Waits until nothing more comes, and closes. */
  private linger(): void {
    const { arrivals } = this;
    this.after(LINGER, () => {
      if (this.over || !this.ending) return;
      if (this.arrivals !== arrivals || this.outgoing.length > 0) return this.linger();
      this.over = true;
      this.client.closeStream(this.id, WISP_CLOSE.voluntary);
      this.handler.ended();
    });
  }
}
