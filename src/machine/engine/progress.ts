import type { StateReader, StateWriter } from '../../bytes/state-stream.ts';
import type { SysconRequest } from '../../devices/syscon.ts';
import { COMMAND, type Command, type Instant } from '../../record/door.ts';
import type { MachineMemory } from '../memory/memory.ts';

/** How a machine ended. */
export interface Halt {
  readonly kind: 'poweroff' | 'fail';
  /** What the guest said with it, 0–65535. */
  readonly status: number;
}

/** How far a machine has come, and what it has been asked to do between two instructions. */
export class Progress {
  /** Guest ticks that no instruction took. */
  skipped = 0;
  /** Boundary steps since the last instruction. */
  steps = 0;
  /** A core is executing. */
  inCore = false;
  /** Somebody wants the run to come back. */
  leaving = false;
  resetAsked = false;
  ended: Halt | undefined;
  private readonly memory: MachineMemory;

  constructor(memory: MachineMemory) {
    this.memory = memory;
  }

  /** Instructions attempted over all harts. */
  get instructions(): number {
    return this.memory.time - this.skipped;
  }

  get instant(): Instant {
    return { instructions: this.instructions, sequence: this.inCore ? 0 : this.steps };
  }

  /** Guest time moves on without an instruction. */
  skip(ticks: number): void {
    this.memory.time = this.memory.time + ticks;
    this.skipped += ticks;
  }

  /** Has the core come back after the instruction it is at. */
  attention(): void {
    if (this.inCore) this.memory.setMachine32('attention', 1);
  }

  /** The guest wants the power switch. */
  request(kind: SysconRequest, status: number): void {
    if (kind === 'reboot') this.resetAsked = true;
    else this.ended = { kind, status };
    this.attention();
  }

  /** The user uses the power switch. */
  obey(command: Command): void {
    if (command === COMMAND.POWER_OFF) this.ended = { kind: 'poweroff', status: 0 };
    else {
      this.ended = undefined;
      this.resetAsked = true;
    }
  }

  /** Guest time and what of it no instruction took. */
  saveTime(w: StateWriter): void {
    w.f64(this.memory.time);
    w.f64(this.skipped);
  }

  restoreTime(r: StateReader): void {
    this.memory.time = r.f64();
    this.skipped = r.f64();
  }

  /** What it was asked to do. */
  saveAsked(w: StateWriter): void {
    w.bool(this.resetAsked);
    w.u8(this.ended === undefined ? 0 : this.ended.kind === 'poweroff' ? 1 : 2);
    w.u16(this.ended?.status ?? 0);
  }

  restoreAsked(r: StateReader): void {
    this.resetAsked = r.bool();
    const ended = r.u8();
    const status = r.u16();
    this.ended = ended === 0 ? undefined : { kind: ended === 1 ? 'poweroff' : 'fail', status };
  }
}
