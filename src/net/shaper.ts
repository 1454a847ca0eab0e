import { OFFLOAD_SIZE } from './frame.ts';
import type { Link } from './link.ts';
import { segmentFrame } from './segmentation.ts';
import type { TurnClock } from './turns.ts';

/** How a wire is worse than it need be. */
export interface ShaperOptions {
  /** Bits per second in each direction. */
  readonly rate?: number;
  /** Milliseconds that a frame takes one way, besides what its bits take. */
  readonly delay?: number;
  /** Share of frames that get lost, 0 to 1. */
  readonly loss?: number;
  /** Of what is lost; u32, default 0. The same frames at the same times lose the same of them. */
  readonly seed?: number;
}

/** Milliseconds of frames that may wait for a slow wire, and bytes at least; what comes on top is dropped. */
const QUEUE_TIME = 100;
const QUEUE_LEAST = 64 * 1024;
/** Bytes that may be on their way altogether. */
const QUEUE_MOST = 64 * 1024 * 1024;

interface Travelling {
  readonly at: number;
  readonly frame: Uint8Array;
}

/** One direction of a wire. */
class Lane {
  private readonly options: ShaperOptions;
  private readonly random: () => number;
  private readonly frames: Travelling[] = [];
  /** When the wire has sent what it was given. */
  private free = 0;
  private bytes = 0;

  constructor(options: ShaperOptions, random: () => number) {
    this.options = options;
    this.random = random;
  }

  /** When the next frame arrives. */
  get deadline(): number {
    return this.frames[0]?.at ?? Infinity;
  }

  put(frame: Uint8Array, now: number): void {
    const { rate, delay = 0, loss = 0 } = this.options;
    for (const piece of segmentFrame(frame)) {
      if (loss > 0 && this.random() < loss) continue;
      const time = rate === undefined ? 0 : ((piece.length - OFFLOAD_SIZE) * 8000) / rate;
      const limit = rate === undefined ? QUEUE_MOST : Math.max(QUEUE_LEAST, (rate * (QUEUE_TIME + delay)) / 8000);
      if (this.bytes + piece.length > Math.min(limit, QUEUE_MOST)) continue;
      this.free = Math.max(this.free, now) + time;
      this.frames.push({ at: this.free + delay, frame: piece });
      this.bytes += piece.length;
    }
  }

  clear(): void {
    this.frames.length = 0;
    this.bytes = 0;
    this.free = 0;
  }

  take(now: number): Travelling | undefined {
    if (this.deadline > now) return undefined;
    const first = this.frames.shift();
    if (first !== undefined) this.bytes -= first.frame.length;
    return first;
  }
}

/** A wire with a rate, a delay and losses, for trying how programs bear it. Everything follows from its options, the frames and guest time. */
export class Shaper implements Link {
  private readonly inner: Link;
  private readonly up: Lane;
  private readonly down: Lane;

  constructor(inner: Link, options: ShaperOptions) {
    this.inner = inner;
    let state = ((options.seed ?? 0) ^ 0x9e37_79b9) >>> 0 || 1;
    const random = (): number => {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      return (state >>> 0) / 2 ** 32;
    };
    this.up = new Lane(options, random);
    this.down = new Lane(options, random);
  }

  get onReady(): (() => void) | undefined {
    return this.inner.onReady;
  }

  set onReady(ready: (() => void) | undefined) {
    this.inner.onReady = ready;
  }

  get turns(): TurnClock | undefined {
    return this.inner.turns;
  }

  get deadline(): number {
    return Math.min(this.inner.deadline, this.up.deadline, this.down.deadline);
  }

  get awaiting(): boolean {
    return this.inner.awaiting || this.up.deadline !== Infinity || this.down.deadline !== Infinity;
  }

  receive(frame: Uint8Array, now: number): void {
    this.up.put(frame, now);
    this.deliver(now);
  }

  pull(now: number): Uint8Array | undefined {
    this.deliver(now);
    for (let frame = this.inner.pull(now); frame !== undefined; frame = this.inner.pull(now)) this.down.put(frame, now);
    return this.down.take(now)?.frame;
  }

  restart(): void {
    this.inner.restart();
    this.up.clear();
    this.down.clear();
  }

  close(): void {
    this.inner.close();
  }

  private deliver(now: number): void {
    for (let next = this.up.take(now); next !== undefined; next = this.up.take(now))
      this.inner.receive(next.frame, next.at);
  }
}
