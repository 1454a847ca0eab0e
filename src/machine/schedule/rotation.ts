import type { StateReader, StateWriter } from '../../bytes/state-stream.ts';

/** How harts take turns: part of a machine's configuration. */
export interface RotationOptions {
  /** Seed of the lengths of turns, u32. */
  readonly seed: number;
  /** Mean length of a turn in ticks, 2 … 2^30. */
  readonly quantum: number;
  /** Lengths vary over orders of magnitude, so that harts meet at odd places: for finding data races. */
  readonly chaos: boolean;
}

/** Longest turn: what `run` takes. */
const LONGEST = 2 ** 30;
/** With chaos, turns last from 2^CHAOS_LOW to about twice the quantum… */
const CHAOS_LOW = 2;
/** …and keep one scale for so many quanta, so that stretches of very short turns are long enough to meet something. */
const CHAOS_PHASE = 4;

/**
 * The seeded, instruction-counted rotation of the harts (contract 9): whose turn it is, how many ticks are left of it, and the
 * generator that draws the next turn's length. All of it is machine state.
 */
export class Rotation {
  /** Hart whose turn it is. */
  current = 0;
  /** Ticks left of its turn. */
  left = 0;
  private state: number;
  /** With chaos: the present scale of turns, and ticks until another is drawn. */
  private scale = 1;
  private phase = 0;
  private readonly options: RotationOptions;

  constructor(options: RotationOptions) {
    this.options = options;
    this.state = options.seed >>> 0;
  }

  /** Gives `hart` a new turn. */
  begin(hart: number): void {
    this.current = hart;
    this.left = this.draw();
  }

  /** Power-on: hart 0, a new turn. The generator goes on, so that no two boots of one session are alike. */
  reset(): void {
    this.begin(0);
  }

  save(w: StateWriter): void {
    w.u8(this.current);
    w.u32(this.left);
    w.u32(this.state);
    w.u32(this.scale);
    w.u32(this.phase);
  }

  restore(r: StateReader): void {
    this.current = r.u8();
    this.left = r.u32();
    this.state = r.u32();
    this.scale = r.u32();
    this.phase = r.u32();
  }

  private draw(): number {
    const { quantum, chaos } = this.options;
    if (!chaos) return Math.min(LONGEST, (quantum >>> 1) + 1 + (this.next() % quantum));
    if (this.phase === 0) {
      const octaves = Math.max(1, bitsToCount(quantum) + 1 - CHAOS_LOW);
      this.scale = 2 ** (CHAOS_LOW + (this.next() % octaves));
      this.phase = quantum * CHAOS_PHASE;
    }
    const turn = Math.min(LONGEST, this.scale + (this.next() % this.scale));
    this.phase = Math.max(0, this.phase - turn);
    return turn;
  }

  /** A Weyl sequence through a multiply-xor mixer: 32 bits of state, full period. */
  private next(): number {
    this.state = (this.state + 0x9e37_79b9) >>> 0;
    let z = this.state;
    z = Math.imul(z ^ (z >>> 16), 0x85eb_ca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2_ae35);
    return (z ^ (z >>> 16)) >>> 0;
  }
}

/** The least n with 2^n ≥ `count`, an integer from 1 to 2^31: exact everywhere, unlike Math.log2. */
const bitsToCount = (count: number): number => 32 - Math.clz32(count - 1);
