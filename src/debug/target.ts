import type { Access } from '../core/core.ts';

/**
 * What debuggers need of a machine that can go back in time. Everything in {@link MachineView} is synchronous and disturbs nothing;
 * what moves in time is in {@link DebugTarget}.
 */

/**
 * A point between two instructions, as a debugger counts: instructions attempted by all harts since power-on. Harts that wait move guest
 * time, not this.
 */
export type Instant = number;

/** A register: x0–x31, f0–f31 (64 raw bits), pc, privilege (0, 1, 3) or a CSR by number. */
export type RegisterId =
  | { readonly kind: 'x' | 'f' | 'csr'; readonly number: number }
  | { readonly kind: 'pc' | 'prv' };

export const PC: RegisterId = { kind: 'pc' };
export const PRV: RegisterId = { kind: 'prv' };
export const X = (number: number): RegisterId => ({ kind: 'x', number });
export const F = (number: number): RegisterId => ({ kind: 'f', number });
export const CSR = (number: number): RegisterId => ({ kind: 'csr', number });

/** The machine at the present instant. Addresses and registers are unsigned 64-bit. */
export interface MachineView {
  /** Number of harts. */
  readonly harts: number;
  /** Physical address of the first byte of RAM, and its size in bytes. */
  readonly ram: { readonly base: bigint; readonly size: number };
  now(): Instant;
  /** The hart that is to execute next. */
  activeHart(): number;
  /** Undefined when the machine has no such register. */
  readRegister(hart: number, id: RegisterId): bigint | undefined;
  /** Where a virtual address leads for a hart, −1 when nowhere. */
  translate(hart: number, address: bigint, access: Access): bigint;
  /** A little-endian number of 1, 2, 4 or 8 bytes of RAM, unsigned; undefined elsewhere. */
  readNumber(physical: bigint, length: number): bigint | undefined;
  /** Reads what is there, without effect on devices; shorter than asked for where nothing more is. */
  readPhysical(address: bigint, length: number): Uint8Array;
}

/** What a debug point watches for. `access` is read or write. */
export type PointKind = 'execute' | 'read' | 'write' | 'access';

/** A breakpoint or watchpoint on virtual addresses [start, end). */
export interface DebugPoint {
  readonly kind: PointKind;
  readonly start: bigint;
  readonly end: bigint;
  /** Only this hart. */
  readonly hart?: number;
  /** Asked when the point is met, with the machine before the instruction; false passes it over. Must not throw or change anything. */
  readonly when?: (view: MachineView, hart: number) => boolean;
}

export interface MoveOptions {
  readonly signal?: AbortSignal;
  /** Called now and then with 0 … 1, the part of the way that is done. */
  readonly onProgress?: (done: number) => void;
  /**
   * On which side of the instruction to stop that meets a watchpoint. By default where its effect shows: behind it going forward, before it
   * going back.
   */
  readonly watch?: 'before' | 'behind';
  /** Steps go over the handler of an interrupt that is taken between two instructions: to where it returns, or from there back. */
  readonly overInterrupts?: boolean;
}

/** Why a move ended. The machine is at {@link MachineView.now}. */
export interface Stop {
  /**
   * `step` the steps were made · `point` a point was met · `begin`/`end` of the recording · `interrupted` by the signal · `halted` the
   * guest powered off.
   */
  readonly reason: 'step' | 'point' | 'begin' | 'end' | 'interrupted' | 'halted';
  /** The hart that met the point or made the step; else the active one. */
  readonly hart: number;
  readonly point?: DebugPoint;
  /** For watchpoints: the first address touched. */
  readonly address?: bigint;
}

/** A host input of the recording. */
export interface EventNote {
  readonly index: number;
  readonly instant: Instant;
  readonly port: string;
  readonly kind: string;
  /** One line for people. */
  readonly text: string;
}

/** A store that changed memory. */
export interface WriteNote {
  /** Before the store. */
  readonly instant: Instant;
  readonly hart: number;
  readonly pc: bigint;
}

/** Refusals a user can cause. The message says what to do. */
export class DebugError extends Error {
  override readonly name = 'DebugError';
}

/** A machine that can be moved in time. One move at a time; views are only asked between moves (and from `when`). */
export interface DebugTarget extends MachineView {
  /** What is debugged, for people. */
  readonly title: string;
  /** Writes are refused: the past cannot be changed, only branched from. */
  readonly readOnly: boolean;
  /** First and last instant that can be reached. */
  readonly begin: Instant;
  end(): Instant;

  /** @throws DebugError when {@link readOnly}, or when there is no such register */
  writeRegister(hart: number, id: RegisterId, value: bigint): void;
  /** Bytes written: all of them, or those before the first that is not RAM. @throws DebugError when {@link readOnly} */
  writePhysical(address: bigint, bytes: Uint8Array): number;

  /** Replaces all debug points. */
  setPoints(points: readonly DebugPoint[]): void;
  /**
   * Goes on to the next point or the end. An execute point stops before its instruction and is passed over where the move begins.
   */
  continue(options?: MoveOptions): Promise<Stop>;
  /** Goes back to the last point that was met before now; an execute point stops before its instruction. */
  reverseContinue(options?: MoveOptions): Promise<Stop>;
  /** Until `hart` has executed `count` instructions; execute points are not met, watchpoints are. */
  step(hart: number, count: number, options?: MoveOptions): Promise<Stop>;
  /** Back until `hart` has un-executed `count` instructions. Watchpoints are met by a single step only. */
  reverseStep(hart: number, count: number, options?: MoveOptions): Promise<Stop>;
  /** Goes to an instant, clamped to what is there. */
  seek(instant: Instant, options?: MoveOptions): Promise<void>;

  events(): readonly EventNote[];
  checkpoints(): readonly { readonly instant: Instant; readonly bytes: number }[];
  /** The last store to [address, address + length) (virtual for `hart`) before now. Does not move. */
  lastWrite(hart: number, address: bigint, length: number, options?: MoveOptions): Promise<WriteNote | undefined>;
  /** From here on a live machine of its own: writable, with no future. @throws DebugError when it cannot be done */
  branch(): Promise<void>;
  /** The last instant that was lived. */
  reached(): Instant;
  /** A debugger takes over a machine that ran by itself; resolves when it stands. */
  hold(): Promise<void>;
  /** The debugger is gone: no points, and a machine that lived goes on. */
  release(): void;
  /** The branch as a recording, for `hindsight replay` and `debug`. @throws DebugError when there is none */
  save(): Uint8Array;
}
