/** Two ends of TCP on a wire that loses, doubles, delays and reorders, in simulated time. */
import { ethernetOf } from '../../src/net/frame.ts';
import type { HostStream, StreamHandler } from '../../src/net/host.ts';
import { parseIpv4 } from '../../src/net/ip.ts';
import { segmentFrame } from '../../src/net/segmentation.ts';
import { BufferBudget } from '../../src/net/tcp/budget.ts';
import { Connection, type ConnectionOwner } from '../../src/net/tcp/connection.ts';
import { type Path, parseTcp, TCP_FLAG, type TcpSegment } from '../../src/net/tcp/segment.ts';

export const A = { address: Uint8Array.of(10, 0, 2, 2), port: 5000 };
export const B = { address: Uint8Array.of(10, 0, 2, 15), port: 6000 };
const MAC = new Uint8Array(6);
export const pathFrom = (source: typeof A, destination: typeof A): Path => ({
  sourceMac: MAC,
  destinationMac: MAC,
  source,
  destination,
});

/** The segment in a frame; its checksums were right. */
export function segmentIn(frame: Uint8Array): TcpSegment {
  const packet = parseIpv4(ethernetOf(frame).subarray(14));
  if (packet === undefined) throw new Error('a bad IP packet was sent');
  const segment = parseTcp(packet, false);
  if (segment === undefined) throw new Error('a bad segment was sent');
  return segment;
}

/** The program on one side: takes what comes, at most so fast, and knows what ended. */
export class Program implements HostStream {
  private chunks: Uint8Array[] = [];
  ended = false;
  wasReset = false;
  paused = false;
  /** Bytes taken that have not been drained. */
  held = 0;
  most = 0;

  /** All that was taken. */
  get received(): Uint8Array {
    const all = Buffer.concat(this.chunks);
    this.chunks = [all];
    return all;
  }

  write(bytes: Uint8Array): void {
    this.chunks.push(bytes);
    this.held += bytes.length;
    this.most = Math.max(this.most, this.held);
  }
  end(): void {
    this.ended = true;
  }
  reset(): void {
    this.wasReset = true;
  }
  pause(): void {
    this.paused = true;
  }
  resume(): void {
    this.paused = false;
  }
}

export interface WireOptions {
  /** Called for each segment: when it arrives, in milliseconds from now, each time it does. */
  readonly arrivals: () => readonly number[];
  /** Bytes that a program takes in a millisecond. */
  readonly drain?: number;
}

export class Side implements ConnectionOwner {
  readonly budget = new BufferBudget();
  readonly program = new Program();
  connection!: Connection;
  over = false;
  dirty = false;
  clock = { now: 0 };
  refusedWith: string | undefined;

  ready(): void {
    this.dirty = true;
  }
  closed(): void {
    this.over = true;
  }
  refused(_: Connection, why: string): void {
    this.refusedWith = why;
  }
  now(): number {
    return this.clock.now;
  }
}

/** Runs a connection from `client` to `server` until both are done or `until` milliseconds have passed. */
export class Pair {
  readonly clock = { now: 0 };
  readonly client = new Side();
  readonly server = new Side();
  sent = 0;
  private readonly wire: { at: number; to: Side; segment: TcpSegment }[] = [];
  private readonly options: WireOptions;

  constructor(options: WireOptions, mtu = 1500) {
    this.options = options;
    this.client.clock = this.clock;
    this.server.clock = this.clock;
    const { client } = this;
    client.connection = new Connection(client, { path: pathFrom(A, B), iss: 0xffff_f000, mtu });
    client.connection.attach(client.program);
    this.serverMtu = mtu;
  }
  private readonly serverMtu: number;

  /** The handler a program writes to. */
  get clientEnd(): StreamHandler {
    return this.client.connection;
  }

  run(until: number, each: () => void = () => undefined): void {
    const { clock } = this;
    const end = clock.now + until;
    while (clock.now < end) {
      each();
      this.flush(this.client);
      if (this.server.connection !== undefined) this.flush(this.server);
      if (this.client.over && this.server.over) return;
      this.advance(end);
    }
  }

  private flush(side: Side): void {
    if (!side.dirty) return;
    side.dirty = false;
    for (
      let frame = side.connection.next(this.clock.now);
      frame !== undefined;
      frame = side.connection.next(this.clock.now)
    ) {
      for (const piece of segmentFrame(frame)) {
        this.sent++;
        const segment = segmentIn(piece);
        const to = side === this.client ? this.server : this.client;
        for (const delay of this.options.arrivals()) this.put({ at: this.clock.now + delay, to, segment });
      }
    }
  }

  /** In order of arrival; what arrives at the same time in order of sending. */
  private put(item: (typeof this.wire)[number]): void {
    let at = this.wire.length;
    while (at > 0 && this.wire[at - 1].at > item.at) at--;
    this.wire.splice(at, 0, item);
  }

  private advance(end: number): void {
    const deadlines = [this.client, this.server]
      .filter((s) => s.connection && !s.over)
      .map((s) => s.connection.deadline);
    const holding = [this.client, this.server].some((s) => s.program.held > 0);
    const next = Math.min(end, this.wire[0]?.at ?? Infinity, holding ? this.clock.now + 1 : Infinity, ...deadlines);
    const passed = Math.max(0, next - this.clock.now);
    this.clock.now = Math.max(this.clock.now, next);
    for (const side of [this.client, this.server]) this.drain(side, passed);
    while (this.wire.length > 0 && this.wire[0].at <= this.clock.now) {
      const { to, segment } = this.wire.shift()!;
      if (to.over) continue;
      if (to === this.server && to.connection === undefined) {
        if ((segment.flags & TCP_FLAG.syn) === 0) continue;
        to.connection = new Connection(to, { path: pathFrom(B, A), iss: 0x7fff_ff00, mtu: this.serverMtu }, segment);
        to.connection.attach(to.program);
        to.connection.opened();
      } else to.connection.receive(segment);
    }
    for (const side of [this.client, this.server])
      if (side.connection && !side.over && side.connection.deadline <= this.clock.now)
        side.connection.expired(this.clock.now);
  }

  private drain(side: Side, passed: number): void {
    const bytes = Math.min(side.program.held, Math.floor((this.options.drain ?? Infinity) * Math.max(passed, 0)) || 0);
    const all = this.options.drain === undefined ? side.program.held : bytes;
    if (all === 0) return;
    side.program.held -= all;
    if (!side.over) side.connection.drained(all);
  }
}
