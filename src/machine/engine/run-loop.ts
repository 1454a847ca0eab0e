import type { Core } from '../../core/core.ts';
import { handleSbiCall, type SbiHost } from '../../firmware/index.ts';
import { EXIT } from '../../isa/layout.ts';
import type { Door, Witness } from '../../record/door.ts';
import type { Slot } from '../board/board.ts';
import type { HartState } from '../memory/hart-state.ts';
import type { MachineMemory } from '../memory/memory.ts';
import { type DeadlineQueue, NONE_DUE } from '../schedule/deadlines.ts';
import type { HartTimers } from '../schedule/hart-timers.ts';
import type { LateData } from '../schedule/late-data.ts';
import type { Rotation } from '../schedule/rotation.ts';
import { Turns } from '../schedule/turns.ts';
import type { Admission } from './admission.ts';
import type { InstalledPoints } from './debug-points.ts';
import type { Progress } from './progress.ts';
import { type Limit, STOP, type Stop } from './stop.ts';

const LONGEST_RUN = 2 ** 31 - 1;

/** What the loop moves, and what it looks at between two instructions. */
export interface RunLoopParts {
  readonly machine: Witness;
  readonly memory: MachineMemory;
  readonly harts: readonly HartState[];
  readonly slots: readonly Slot[];
  readonly door: Door;
  readonly progress: Progress;
  readonly sbi: SbiHost;
  readonly rotation: Rotation;
  readonly timers: HartTimers;
  readonly deadlines: DeadlineQueue;
  readonly late: LateData;
  readonly admission: Admission;
  readonly points: InstalledPoints;
  /** The core that is attached now. */
  readonly core: () => Core;
  /** Power-on and reset. */
  readonly powerOn: () => void;
}

/**
 * The loop everything hangs on: as many instructions as nothing can happen in, then boundary steps, one at a time and always in the same order: an
 * input of the door, a reset asked for, one due deadline, one turn of the rotation, one idle skip.
 */
export class RunLoop {
  private readonly parts: RunLoopParts;
  private readonly turns: Turns;
  /** Guest time at which the core was entered, and whether the hart waited then. */
  private entered = 0;
  private waiting = false;

  constructor(parts: RunLoopParts) {
    this.parts = parts;
    this.turns = new Turns(parts.harts, parts.rotation);
  }

  /** Guest time of the next thing that happens by itself while all harts wait; Infinity when nothing will. */
  get idleUntil(): number {
    const { timers, memory, deadlines } = this.parts;
    return timers.nextWake(memory.time, deadlines.next());
  }

  /** Whether a device emitted a request that the host has not answered. */
  get awaitsAnswer(): boolean {
    return this.parts.slots.some(({ device }) => device.awaitsAnswer === true);
  }

  /** Makes the current hart take an interrupt that is due, if there is one, and executes nothing: a boundary step. */
  takeInterrupt(): void {
    const { points, rotation, core, progress } = this.parts;
    points.stopBeforeNext(rotation.current, core());
    progress.steps++;
  }

  /** Runs until the limit or until there is a reason to stop. @throws DivergenceError; what a device throws */
  run(limit: Limit): Stop {
    const { memory, harts, progress, rotation, points, timers, deadlines, door, sbi } = this.parts;
    const single = harts.length === 1;
    for (;;) {
      const now = memory.time;
      const at = now - progress.skipped;
      const stop = this.boundary(limit, now, at);
      if (stop === 'again') continue;
      if (stop !== 'run') return stop;

      const current = harts[rotation.current];
      let ticks = Math.min(LONGEST_RUN, limit.instructions - at, deadlines.next() - now, door.nextAt - at);
      if (limit.time !== undefined) ticks = Math.min(ticks, limit.time - now);
      if (!single) ticks = Math.min(ticks, rotation.left);
      ticks = timers.within(current, now, ticks);
      if (ticks <= 0) {
        // An instant between this instruction and the next that only a debugger made: an event came in there, or someone seeks it.
        this.takeInterrupt();
        continue;
      }
      const watched = points.any;
      const waiting = watched && current.get32('waiting') !== 0;
      this.entered = now;
      this.waiting = waiting;
      if (watched) memory.setMachine32('lastTrap', 0);
      memory.setMachine32('attention', 0);
      progress.inCore = true;
      const exit = this.parts.core().run(current.index, ticks);
      progress.inCore = false;
      const executed = memory.time - now;
      if (executed > 0) {
        progress.steps = 0;
        if (!single) rotation.left -= executed;
      }
      if (exit === EXIT.SBI) handleSbiCall(sbi, current.index);
      else if (exit === EXIT.DEBUG) {
        if (this.tookStep(executed)) progress.steps++;
        return STOP.DEBUG;
      }
    }
  }

  /** At a debug point, after so many ticks in the core: whether an interrupt or a waking came before, which is the step {@link takeInterrupt} makes. */
  private tookStep(executed: number): boolean {
    const { points, harts, rotation } = this.parts;
    return (this.waiting && executed === 0) || points.atInterruptHandler(harts[rotation.current]);
  }

  /**
   * The core met an execute point and asks whether to go on. Whoever looks finds the instant that it would find had the run ended here.
   * @param place among the addresses at POINTS_AT
   */
  pointMet(place: number): boolean {
    const { progress, points, memory } = this.parts;
    const { steps } = progress;
    const executed = memory.time - this.entered;
    progress.steps = (executed > 0 ? 0 : steps) + Number(this.tookStep(executed));
    progress.inCore = false;
    try {
      return points.asked(place);
    } finally {
      progress.steps = steps;
      progress.inCore = true;
    }
  }

  /** Makes one boundary step, or says why not. */
  private boundary(limit: Limit, now: number, at: number): Stop | 'again' | 'run' {
    const { machine, progress, door, admission, deadlines, timers } = this.parts;
    if (at >= limit.instructions && (at > limit.instructions || progress.steps >= (limit.sequence ?? 0)))
      return STOP.LIMIT;
    if (limit.time !== undefined && now >= limit.time) return STOP.LIMIT;
    if (door.nextAt <= at && admission.one(machine)) return 'again';
    if (progress.resetAsked) {
      this.parts.powerOn();
      return this.stepped();
    }
    if (progress.ended !== undefined) return STOP.HALT;
    if (progress.leaving) {
      progress.leaving = false;
      return STOP.LEFT;
    }
    if (deadlines.next() <= now) return this.fireDeadline(now);
    if (timers.fire(now)) return this.stepped();
    const turn = this.turns.next(now);
    if (turn === 'run') return 'run';
    return turn === 'step' ? this.stepped() : this.skipIdleTime(limit, now);
  }

  private stepped(): 'again' {
    this.parts.progress.steps++;
    return 'again';
  }

  private fireDeadline(now: number): 'again' | typeof STOP.LATE {
    const { deadlines, late, slots } = this.parts;
    const time = deadlines.next();
    const id = deadlines.takeDue(now);
    if (id === NONE_DUE) return 'again';
    if (late.has(id, now)) {
      deadlines.arm(id, time);
      return STOP.LATE;
    }
    slots[id].device.deadline?.();
    return this.stepped();
  }

  /** All harts wait: guest time moves on to what happens next, unless the limit says otherwise. */
  private skipIdleTime(limit: Limit, now: number): Stop | 'again' {
    const until = this.idleUntil;
    if (until === Infinity || limit.stopWhenIdle === true || limit.awaits?.() === true) return STOP.IDLE;
    if (limit.stopWhenAwaiting === true && this.awaitsAnswer) return STOP.IDLE;
    if (limit.time !== undefined && until > limit.time) return STOP.LIMIT;
    this.parts.progress.skip(until - now);
    return this.stepped();
  }
}
