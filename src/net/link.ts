import type { TurnClock } from './turns.ts';

/**
 * What a machine's network device is wired to. Times are the guest's, in milliseconds. Frames are those of {@link ./frame.ts} and belong
 * to whom they are given to.
 */
export interface Link {
  /** Takes a frame from the machine. */
  receive(frame: Uint8Array, now: number): void;
  /** The next frame for the machine, when there is one. What is not taken waits here, or is dropped as a wire would. */
  pull(now: number): Uint8Array | undefined;
  /** When {@link pull} may have something although nothing was reported by {@link onReady}; Infinity for never. */
  readonly deadline: number;
  /** Whether something may come from outside: then guest time passes as on the wall. */
  readonly awaiting: boolean;
  /** Orders what this machine does among those on the same wire, if there are others. */
  readonly turns?: TurnClock;
  /** Called, when set, as soon as {@link pull} may have something. */
  onReady: (() => void) | undefined;
  /** The machine is somewhere else in time than its peers: forgets what it had with them. */
  restart(): void;
  /** Ends everything that leads outside. */
  close(): void;
}

/** Frames that wait for the machine, few enough to forget about: beyond the limit new ones are dropped. */
export class FrameQueue {
  private readonly frames: Uint8Array[] = [];
  private readonly limit: number;
  private bytes = 0;

  /** @param limit most bytes that wait */
  constructor(limit: number) {
    this.limit = limit;
  }

  get length(): number {
    return this.frames.length;
  }

  /** @returns false when the frame was dropped */
  push(frame: Uint8Array): boolean {
    if (this.bytes + frame.length > this.limit) return false;
    this.frames.push(frame);
    this.bytes += frame.length;
    return true;
  }

  shift(): Uint8Array | undefined {
    const frame = this.frames.shift();
    if (frame !== undefined) this.bytes -= frame.length;
    return frame;
  }
}
