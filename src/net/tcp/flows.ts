import { type Endpoint, type IpAddress, keyOf } from '../address.ts';
import type { HostStream, StreamFailure, StreamHandler } from '../host.ts';
import { BufferBudget } from './budget.ts';
import { beginsConnection, Connection, type ConnectionOwner } from './connection.ts';
import { type Path, resetFor, TCP_FLAG, type TcpSegment, tcpFrame } from './segment.ts';

/** Most connections at a time: memory stays bounded, others are reset. */
const MAX_CONNECTIONS = 8192;
/** Ports for connections to the guest (RFC 6335, 6). */
const FIRST_PORT = 49_152;
const PORTS = 16_384;
const NOTHING = new Uint8Array(0);

/** What the flows need of the network around them. */
export interface TcpFlowsOptions {
  readonly mtu: number;
  /** A random u32: initial sequence numbers and ports that nobody guesses. */
  random(): number;
  /** Guest time in milliseconds. */
  now(): number;
  /** The host's end of a connection that the guest asks for, or why there is none. */
  connect(to: Endpoint, handler: StreamHandler): HostStream | StreamFailure;
  /** Sends a frame that belongs to no connection. */
  send(frame: Uint8Array): void;
  /** Something can be sent. */
  ready(): void;
  /** Tells the guest that the destination of its SYN can't be reached. */
  unreachable(path: Path, syn: { readonly seq: number }, why: StreamFailure): void;
}

/** The connections of a network. */
export class TcpFlows implements ConnectionOwner {
  readonly budget = new BufferBudget();
  private readonly options: TcpFlowsOptions;
  /** By the guest's end and the other. */
  private readonly connections = new Map<string, Connection>();
  /** Those that may have something to send, in the order of their turns. */
  private readonly sending = new Set<Connection>();
  /** No connection's deadline is before this. */
  private earliest = Infinity;
  private nextPort: number;

  constructor(options: TcpFlowsOptions) {
    this.options = options;
    this.nextPort = options.random() % PORTS;
  }

  get size(): number {
    return this.connections.size;
  }

  /** When {@link tick} is due. */
  get deadline(): number {
    return this.earliest;
  }

  now(): number {
    return this.options.now();
  }

  /** Takes a segment from the guest. @param path from us to the guest */
  receive(path: Path, segment: TcpSegment): void {
    const key = keyFor(path);
    let connection = this.connections.get(key);
    if (connection?.over === true && beginsConnection(segment)) {
      connection.abort();
      connection = undefined;
    }
    if (connection !== undefined) {
      connection.receive(segment);
      this.follow(connection);
    } else if (beginsConnection(segment) && this.connections.size < MAX_CONNECTIONS) this.begin(key, path, segment);
    else this.reset(path, segment);
  }

  /** Makes a connection to the guest. @param from whom the guest is to see @param stream makes the host's end @returns false when there are too many */
  connectTo(
    path: Omit<Path, 'source'> & { readonly source: IpAddress },
    stream: (handler: StreamHandler) => HostStream,
  ): boolean {
    if (this.connections.size >= MAX_CONNECTIONS) return false;
    // One after the other, so that none is used again soon: the guest remembers connections that it has ended for a minute.
    for (let i = 0; i < PORTS; i++) {
      const source = { address: path.source, port: FIRST_PORT + (this.nextPort++ % PORTS) };
      const whole: Path = { ...path, source };
      const key = keyFor(whole);
      if (this.connections.has(key)) continue;
      const { mtu } = this.options;
      const connection = new Connection(this, { path: whole, iss: this.options.random(), mtu });
      this.connections.set(key, connection);
      connection.attach(stream(connection));
      this.follow(connection);
      return true;
    }
    return false;
  }

  /** The next frame of any connection, each in its turn. */
  next(now: number): Uint8Array | undefined {
    for (const connection of this.sending) {
      this.sending.delete(connection);
      const frame = connection.next(now);
      if (frame === undefined) continue;
      if (this.connections.get(keyFor(connection.path)) === connection) this.sending.add(connection);
      this.follow(connection);
      return frame;
    }
    return undefined;
  }

  /** Lets timers run out. */
  tick(now: number): void {
    if (now < this.earliest) return;
    this.earliest = Infinity;
    for (const connection of [...this.connections.values()]) {
      if (connection.deadline <= now) connection.expired(now);
      this.follow(connection);
    }
  }

  /** Breaks off all connections of a guest that has begun from nothing. */
  forget(guest: (address: IpAddress) => boolean): void {
    for (const connection of [...this.connections.values()])
      if (guest(connection.path.destination.address)) connection.abort();
  }

  ready(connection: Connection): void {
    this.sending.add(connection);
    this.follow(connection);
    this.options.ready();
  }

  closed(connection: Connection): void {
    this.sending.delete(connection);
    this.connections.delete(keyFor(connection.path));
  }

  refused({ path, guestSeq }: Connection, why: StreamFailure): void {
    this.refuse(path, guestSeq, why);
  }

  private begin(key: string, path: Path, segment: TcpSegment): void {
    const connection = new Connection(this, { path, iss: this.options.random(), mtu: this.options.mtu }, segment);
    const stream = this.options.connect(path.source, connection);
    if (typeof stream === 'string') return this.refuse(path, segment.seq, stream);
    this.connections.set(key, connection);
    connection.attach(stream);
    this.follow(connection);
  }

  private refuse(path: Path, seq: number, why: StreamFailure): void {
    if (why === 'refused' || why === 'reset') this.reset(path, { seq, ack: 0, flags: TCP_FLAG.syn, data: NOTHING });
    else this.options.unreachable(path, { seq }, why);
  }

  private reset(path: Path, segment: Pick<TcpSegment, 'seq' | 'ack' | 'flags' | 'data'>): void {
    const head = resetFor(segment);
    if (head !== undefined) this.options.send(tcpFrame(path, head));
  }

  private follow(connection: Connection): void {
    if (connection.deadline < this.earliest) this.earliest = connection.deadline;
  }
}

const keyFor = ({ source, destination }: Path): string =>
  `${keyOf(destination.address)}${destination.port}>${keyOf(source.address)}${source.port}`;
