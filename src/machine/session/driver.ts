import type { Instant } from '../../record/door.ts';
import { timeWarp } from '../../record/inputs.ts';
import type { Halt } from '../engine/progress.ts';
import { type Limit, STOP, type Stop } from '../engine/stop.ts';
import type { HostRoom } from './host-room.ts';
import { Pacer } from './pacer.ts';
import type { Session } from './session.ts';
import { SLICE_TARGET, SliceLength } from './slice-length.ts';
import type { Wires } from './wires.ts';

/** How far a run goes. */
export interface RunUntil {
  /** Instructions over all harts since power-on. */
  readonly instructions?: number;
  /** Guest time in seconds. */
  readonly guestTime?: number;
  /** Interrupts the run at an instant that changes nothing. */
  readonly signal?: AbortSignal;
  /** What happens when all harts wait and nothing will wake them but input: the run ends (default), or waits for input. */
  readonly whenIdle?: 'end' | 'wait';
}

/** Why a run ended. */
export interface RunResult {
  /**
   * `halt` powered off or failed · `limit` as asked · `paused` by pause() or the signal · `debug` a debug point of the engine was met · `idle` all harts
   * wait for input, and none is there; only with a virtual clock: with the host's, input may come at any time
   */
  readonly reason: 'halt' | 'limit' | 'paused' | 'debug' | 'idle';
  readonly halt?: Halt;
  readonly instant: Instant;
  /** Seconds. */
  readonly guestTime: number;
}

/** Somebody who looks at a machine while it runs, where its engine's debug points are and at instants. Must not change the machine. */
export interface Watcher {
  /** Slices end here: instructions, and guest time in ticks. */
  readonly due: { readonly instructions: number; readonly time: number };
  /** A run begins: debug points may have been others meanwhile. */
  begins(): void;
  /** A debug point was met: the machine is before the instruction. @returns whether the slice goes on */
  met(): boolean;
  /** Called after every slice. @param time guest time that has come, also where harts sleep beyond it @returns what is to be waited for */
  passed(time: number): Promise<void> | undefined;
}

/** What goes on around slices. */
export interface SliceCare {
  /** Instructions where a slice has to end. */
  readonly border: number;
  /** @param border as it was when the slice began */
  afterSlice(border: number): void;
  readonly watcher: Watcher | undefined;
  /** What has to be waited for before the next slice: somebody who cannot keep up with the output. */
  congested(): Promise<void> | undefined;
}

const NANOSECONDS = 1e9;
const NEVER: Watcher['due'] = { instructions: Infinity, time: Infinity };
/** Milliseconds that are not waited for: guest time may be ahead of the wall clock by as much. No timer of the host's is finer. */
const AHEAD = 1;
/** Milliseconds of waiting after which the recording's file is brought up to date. */
const NOTE_AFTER = 20;

/** Runs a live machine slice by slice, letting the host do other things between them. */
export class Driver {
  private readonly session: Session;
  private readonly room: HostRoom;
  private readonly pacer: Pacer;
  private readonly wires: Wires;
  /** Idle time is always waited for. */
  private readonly realTime: boolean;
  private readonly care: SliceCare;
  private readonly slice = new SliceLength();
  private pausing = false;
  /** What the watcher does after a slice. */
  private looked: Promise<void> | undefined;
  /** Guest time has gone ahead of the wall clock in the wait before. */
  private ahead = false;
  private wakeUp: (() => void) | undefined;

  /**
   * @param realTime keeps guest time with the wall clock; otherwise idle time is skipped, but while something of the outside is awaited: then it passes
   * as on the wall
   */
  constructor(session: Session, room: HostRoom, wires: Wires, realTime: boolean, care: SliceCare) {
    this.session = session;
    this.room = room;
    this.pacer = new Pacer(session, room);
    this.wires = wires;
    this.realTime = realTime;
    this.care = care;
  }

  /** Something is there to enter: ends waiting. */
  wake(): void {
    this.wakeUp?.();
  }

  /** Ends the run under way between two instructions, whatever it waits for. */
  pauseSoon(): void {
    this.pausing = true;
    this.wakeUp?.();
  }

  /** Runs until there is a reason to stop. One run at a time. */
  async run(until: RunUntil): Promise<RunResult> {
    const abort = (): void => this.pauseSoon();
    this.pausing = until.signal?.aborted === true;
    until.signal?.addEventListener('abort', abort);
    try {
      const reason = await this.drive(until);
      this.session.noteEnd();
      const { instant, time, halt } = this.session.engine;
      return { reason, instant, guestTime: time / NANOSECONDS, ...(halt && { halt }) };
    } finally {
      until.signal?.removeEventListener('abort', abort);
    }
  }

  private async drive(until: RunUntil): Promise<RunResult['reason']> {
    const { room, care } = this;
    const { engine } = this.session;
    const instructions = until.instructions ?? Infinity;
    const time = until.guestTime === undefined ? undefined : Math.round(until.guestTime * NANOSECONDS);
    this.pacer.start();
    care.watcher?.begins();
    let rested = room.now();
    for (;;) {
      if (this.pausing) return engine.halt === undefined ? 'paused' : 'halt';
      const { border } = care;
      const stop = this.runSlice(instructions, time, border);
      care.afterSlice(border);
      await this.looked;
      if (stop === STOP.HALT) return 'halt';
      if (this.pausing) return 'paused';
      if (stop === STOP.DEBUG) return 'debug';
      if (engine.instructions >= instructions) return 'limit';
      if (time !== undefined && (engine.time >= time || this.idleBeyond(stop, time))) return 'limit';
      if (stop === STOP.LATE) await this.unlessWoken(engine.late.arrived());
      else if (stop === STOP.IDLE) {
        if (this.nothingWillHappen && until.whenIdle !== 'wait') return 'idle';
        await this.idle(time);
        if (time !== undefined && engine.idleUntil > time && this.allWait() && !engine.awaitsAnswer) return 'limit';
      }
      const congested = care.congested();
      if (congested !== undefined) await this.unlessWoken(congested);
      if (room.now() - rested >= SLICE_TARGET) {
        await room.yieldToHost();
        rested = room.now();
      }
    }
  }

  private runSlice(instructions: number, time: number | undefined, border: number): Stop {
    const { room, slice } = this;
    const { engine } = this.session;
    const before = engine.instructions;
    this.wires.poll();
    const { watcher } = this.care;
    const due = watcher?.due ?? NEVER;
    const until = Math.min(time ?? Infinity, this.waits ? this.wires.deadline : Infinity, due.time);
    const limit: Limit = {
      instructions: Math.min(instructions, before + slice.current, border, due.instructions),
      ...(until !== Infinity && { time: until }),
      stopWhenIdle: this.realTime,
      awaits: () => this.wires.awaiting,
      stopWhenAwaiting: true,
    };
    const started = room.now();
    let stop = engine.run(limit);
    if (watcher !== undefined) {
      while (stop === STOP.DEBUG) {
        const goesOn = watcher.met();
        engine.skipDebugPoint(true);
        if (!goesOn) break;
        stop = engine.run(limit);
      }
      if (stop === STOP.DEBUG) stop = STOP.LIMIT;
      this.looked = watcher.passed(stop === STOP.LIMIT && until === due.time ? due.time : engine.time);
    }
    slice.adapt(engine.instructions - before, room.now() - started);
    return stop;
  }

  /** Whether idle time is waited for at present. */
  private get waits(): boolean {
    return this.realTime || this.wires.awaiting;
  }

  /** All harts wait for input that is not there; guest time is the machine's own. */
  private get nothingWillHappen(): boolean {
    const { engine, inputs } = this.session;
    return !this.waits && engine.idleUntil === Infinity && !engine.awaitsAnswer && inputs.nextAt === Infinity;
  }

  /** The next deadline is after the end of the run. */
  private idleBeyond(stop: Stop, time: number): boolean {
    const { engine } = this.session;
    if (stop === STOP.LIMIT) return engine.idleUntil > time && this.allWait();
    return (
      stop === STOP.IDLE &&
      !this.waits &&
      engine.idleUntil > time &&
      engine.idleUntil !== Infinity &&
      !engine.awaitsAnswer
    );
  }

  private allWait(): boolean {
    const { harts, time } = this.session.engine;
    return harts.every((hart) => hart.get32('hsm') !== 0 || (hart.get32('waiting') !== 0 && !hart.wakes(time)));
  }

  /** All harts wait: for the next deadline or for input. */
  private async idle(time: number | undefined): Promise<void> {
    const { pacer, wires } = this;
    const { engine } = this.session;
    const until = Math.min(engine.idleUntil, time ?? Infinity);
    if (!this.waits) {
      // What was awaited may have come, or ended, just now: then idle time is skipped by the next slice.
      if (engine.idleUntil === Infinity || engine.awaitsAnswer) await this.sleep(undefined);
      return;
    }
    // Only this wait passes as on the wall where guest time is otherwise the machine's own.
    if (!this.realTime && !this.ahead) pacer.start();
    const next = Math.min(until, wires.deadline);
    const wait = pacer.waitFor(next);
    this.ahead = wait > 0 && wait <= AHEAD;
    if (this.ahead) {
      if (this.session.inputs.nextAt !== Infinity) return;
      if (next === until) engine.run({ instructions: engine.instructions + 1, time: until });
      else this.session.inputs.command(timeWarp(next - engine.time));
      return;
    }
    if (wait > 0) await this.sleep(wait === Infinity ? undefined : wait);
    wires.beginTurn();
    if (pacer.catchUp(until)) engine.run({ instructions: engine.instructions + 1, time: until });
  }

  /** Resolves after that many milliseconds, or when input comes. */
  private async sleep(milliseconds: number | undefined): Promise<void> {
    if (this.session.inputs.nextAt !== Infinity) return;
    // Short waits, of which a network makes thousands a second, leave the recording's file alone.
    const cancelNote = this.room.after(NOTE_AFTER, () => this.session.noteEnd());
    let cancel: (() => void) | undefined;
    await this.unlessWoken(
      new Promise((resolve) => {
        if (milliseconds !== undefined) cancel = this.room.after(milliseconds, resolve);
      }),
    );
    cancelNote();
    cancel?.();
  }

  /** Resolves with `promise`, or as soon as there is input or a wish to pause. */
  private async unlessWoken(promise: Promise<void>): Promise<void> {
    if (this.pausing) return;
    try {
      await Promise.race([promise, new Promise<void>((resolve) => (this.wakeUp = resolve))]);
    } finally {
      this.wakeUp = undefined;
    }
  }
}
