import { type MachineView, PRV, type RegisterId } from '../machine/view/machine-view.ts';
import type { Breakpoint, Hit } from '../timeline/breakpoints.ts';
import type { MoveOptions } from '../timeline/driver.ts';
import type { MoveResult } from '../timeline/mover.ts';
import type { StackFrame } from './backtrace.ts';
import type { ClientSettings, Monitor } from './monitor/monitor.ts';
import { DebugError, type DebugTarget } from './target.ts';

/** A thread as clients list it. */
export interface ThreadNote {
  readonly id: number;
  /** The hart that runs it, if one does. */
  readonly core?: number;
  readonly name: string;
  readonly note: string;
}

/** Options of an inferior's moves. */
export interface InferiorMove extends MoveOptions {
  readonly points: readonly Breakpoint[];
  /** See {@link MoveOptions} of the mover: the side of an instruction to stop that meets a watchpoint. */
  readonly watch?: 'before' | 'after';
  /** Forward: a watchpoint at the very first instruction is met. */
  readonly fromHere?: boolean;
  /** Steps: on until the pc has left [start, end). */
  readonly range?: readonly [bigint, bigint];
}

/** How a move of an inferior ended. */
export interface InferiorStop {
  /** As of the mover's moves; of a process also: a `signal` that it gets from a fault or that ends it, `exec` of a new program, `fork` followed. */
  readonly reason: MoveResult['reason'] | 'signal' | 'exec' | 'fork';
  readonly thread: number;
  /** The breakpoint among {@link InferiorMove.points} that was met. */
  readonly hit?: Hit;
  /** Number of the signal. */
  readonly signal?: number;
  /** The program that was executed. */
  readonly path?: string;
}

/** What a client debugs, as gdb calls it: the whole machine, whose threads are its harts, or one process of the guest. */
export interface Inferior {
  /** Number of the process; undefined for the machine. */
  readonly pid: number | undefined;
  threads(): readonly ThreadNote[];
  /** The thread that is to execute next, or that the last move was about. */
  activeThread(): number;
  /** The hart to look at for a thread. */
  hartOf(thread: number): number;
  /** What a thread sees: its registers and memory are those of hart `hart` of the view. */
  view(thread: number): { readonly view: MachineView; readonly hart: number };
  backtrace(thread: number, limit?: number): StackFrame[];
  /** Points as they are set for its moves: met by nobody else. */
  restricted(points: readonly Breakpoint[]): readonly Breakpoint[];
  /** A breakpoint that only this thread meets. */
  onlyOn(point: Breakpoint, thread: number): Breakpoint;
  readRegister(thread: number, id: RegisterId): bigint | undefined;
  /** @throws DebugError when it cannot be written */
  writeRegister(thread: number, id: RegisterId, value: bigint): void;
  /** Shorter than asked for where nothing more is mapped. */
  readMemory(thread: number, address: bigint, length: number): Uint8Array;
  /** @returns bytes written @throws DebugError when nothing may be */
  writeMemory(thread: number, address: bigint, bytes: Uint8Array): number;
  step(thread: number, move: InferiorMove): Promise<InferiorStop>;
  reverseStep(thread: number, move: InferiorMove): Promise<InferiorStop>;
  continue(move: InferiorMove): Promise<InferiorStop>;
  reverseContinue(move: InferiorMove): Promise<InferiorStop>;
}

/** The whole machine. Thread n is hart n − 1. */
export class WholeMachine implements Inferior {
  readonly pid = undefined;
  private readonly target: DebugTarget;
  private readonly monitor: Monitor;
  private readonly settings: ClientSettings;

  constructor(target: DebugTarget, monitor: Monitor, settings: ClientSettings) {
    this.target = target;
    this.monitor = monitor;
    this.settings = settings;
  }

  threads(): ThreadNote[] {
    return Array.from({ length: this.target.harts }, (_, hart) => {
      const prv = this.target.readRegister(hart, PRV);
      const note = this.monitor.hartNote(hart);
      const level = prv === 0n ? 'U' : prv === 1n ? 'S' : 'M';
      return { id: hart + 1, core: hart, name: `hart ${hart}`, note: note === '' ? level : `${level} ${note}` };
    });
  }

  activeThread(): number {
    return this.target.activeHart() + 1;
  }

  hartOf(thread: number): number {
    if (!(Number.isInteger(thread) && thread >= 1 && thread <= this.target.harts))
      throw new DebugError(`there is no thread ${thread}`);
    return thread - 1;
  }

  view(thread: number): { readonly view: MachineView; readonly hart: number } {
    return { view: this.target, hart: this.hartOf(thread) };
  }

  backtrace(thread: number, limit?: number): StackFrame[] {
    return this.monitor.guestInfo.backtrace(this.hartOf(thread), limit);
  }

  restricted(points: readonly Breakpoint[]): readonly Breakpoint[] {
    return this.monitor.restricted(points, this.settings);
  }

  onlyOn(point: Breakpoint, thread: number): Breakpoint {
    return { ...point, hart: this.hartOf(thread) };
  }

  readRegister(thread: number, id: RegisterId): bigint | undefined {
    return this.target.readRegister(this.hartOf(thread), id);
  }

  writeRegister(thread: number, id: RegisterId, value: bigint): void {
    this.target.writeRegister(this.hartOf(thread), id, value);
  }

  readMemory(thread: number, address: bigint, length: number): Uint8Array {
    return this.monitor.readVirtual(this.hartOf(thread), address, length, this.settings);
  }

  writeMemory(thread: number, address: bigint, bytes: Uint8Array): number {
    return this.target.writeVirtual(this.hartOf(thread), address, bytes);
  }

  step(thread: number, move: InferiorMove): Promise<InferiorStop> {
    const hart = this.hartOf(thread);
    const { overInterrupts } = this.settings;
    return this.move(move, (o) => this.target.mover.step(1, { ...o, hart, overInterrupts }));
  }

  reverseStep(thread: number, move: InferiorMove): Promise<InferiorStop> {
    const hart = this.hartOf(thread);
    const { overInterrupts } = this.settings;
    return this.move(move, (o) => this.target.mover.reverseStep(1, { ...o, hart, overInterrupts }));
  }

  continue(move: InferiorMove): Promise<InferiorStop> {
    return this.move(move, (o) => this.target.mover.continue(o.points, o));
  }

  reverseContinue(move: InferiorMove): Promise<InferiorStop> {
    return this.move(move, (o) => this.target.mover.reverseContinue(o.points, o));
  }

  private async move(move: InferiorMove, go: (o: InferiorMove) => Promise<MoveResult>): Promise<InferiorStop> {
    const points = this.restricted(move.points);
    const { reason, hart, hit } = await go({ ...move, points });
    return { reason, thread: hart + 1, ...(hit && { hit: original(hit, points, move.points) }) };
  }
}

/** A hit of a restricted point as one of the point it was made from. */
export function original(hit: Hit, set: readonly Breakpoint[], own: readonly Breakpoint[]): Hit {
  const index = set.indexOf(hit.point);
  return index < 0 || index >= own.length ? hit : { ...hit, point: own[index] };
}
