import type { Engine, Limit, Stop } from '../machine/engine/engine.ts';
import { STOP } from '../machine/engine/engine.ts';
import type { HostRoom } from '../machine/session/host-room.ts';
import type { Machine } from '../machine/session/machine.ts';
import { compareInstants, type HostEvent, type Instant } from '../record/door.ts';
import type { EngineDriver, MoveOptions } from '../timeline/driver.ts';
import type { LivePast } from '../timeline/live.ts';
import type { Timeline } from '../timeline/timeline.ts';
import { go } from './branch.ts';
import { type DebugDriver, DebugTarget } from './target.ts';

/** Instructions that are run without the machine's own care for time and inputs: steps. */
const SHORT = 1000;

/** A machine that lives, and its past, as debuggers move it. Without a debugger it runs by itself. */
export class LiveBase implements DebugDriver {
  readonly title: string;
  readonly engine: Engine;
  readonly begin: Instant;
  /** Told when the guest ended while no debugger held it. */
  onHalt: (() => void) | undefined;
  private readonly machine: Machine;
  private readonly past: LivePast;
  private readonly room: HostRoom;
  /** There while it stands in the past. */
  private timeline: Timeline | undefined;
  private writable = false;
  /** The guest ended: the present is the last instant. */
  private ended = false;
  private free: Promise<void> | undefined;

  /** @param machine stands, and is moved only by this from now on @param past of it, attached before its first run */
  constructor(machine: Machine, past: LivePast, room: HostRoom, title: string) {
    this.machine = machine;
    this.engine = machine.engine;
    this.past = past;
    this.room = room;
    this.title = title;
    this.begin = machine.instant;
  }

  get living(): boolean {
    return this.timeline === undefined;
  }

  get readOnly(): boolean {
    return !this.writable || this.timeline !== undefined;
  }

  get endless(): boolean {
    return !this.ended;
  }

  get reached(): Instant {
    return this.timeline?.end ?? this.engine.instant;
  }

  get events(): readonly HostEvent[] {
    return this.machine.recording.events;
  }

  async seek(to: Instant, options?: MoveOptions): Promise<void> {
    if (this.timeline === undefined && compareInstants(to, this.engine.instant) >= 0) return;
    const timeline = (this.timeline ??= this.past.timeline());
    await timeline.drivenBy.seek(to, options);
    if (compareInstants(to, timeline.end) >= 0) this.live();
  }

  async run(limit: Limit, signal?: AbortSignal): Promise<Stop> {
    const { engine, timeline } = this;
    if (timeline !== undefined) {
      const { instructions, sequence } = timeline.end;
      if (limit.instructions < instructions) return timeline.drivenBy.run(limit);
      const stop = await timeline.drivenBy.run({ instructions, sequence });
      if (stop !== STOP.LIMIT || compareInstants(engine.instant, timeline.end) < 0) return stop;
      this.live();
    }
    if (limit.instructions - engine.instructions < SHORT) return this.noted(await go(engine, limit));
    const { reason } = await this.machine.run({
      ...(limit.instructions !== Infinity && { instructions: limit.instructions }),
      ...(signal && { signal }),
    });
    return this.noted(reason === 'halt' ? STOP.HALT : reason === 'debug' ? STOP.DEBUG : STOP.LIMIT);
  }

  checkpoints(): ReturnType<EngineDriver['checkpoints']> {
    // Those of the present are known once it is left.
    const all = this.timeline?.checkpoints.all ?? this.past.all;
    return all.map(({ at, bytes }) => ({ at, bytes }));
  }

  /** From the past: what came after is forgotten. */
  async branch(): Promise<void> {
    if (this.timeline !== undefined) {
      this.live();
      this.ended = this.engine.halt !== undefined;
    }
    this.writable = true;
  }

  async hold(): Promise<void> {
    await this.machine.pause();
    await this.free;
  }

  release(): void {
    this.free ??= this.runFree().finally(() => {
      this.free = undefined;
    });
  }

  pause(): Promise<void> {
    return this.room.breathe();
  }

  private async runFree(): Promise<void> {
    if (this.timeline !== undefined) await this.seek(this.timeline.end);
    if (this.engine.halt !== undefined) return;
    const { reason } = await this.machine.run();
    if (reason !== 'halt') return;
    this.ended = true;
    this.onHalt?.();
  }

  private noted(stop: Stop): Stop {
    if (stop === STOP.HALT) this.ended = true;
    return stop;
  }

  /** Lives on where the timeline stands. */
  private live(): void {
    this.past.resume(this.timeline!);
    this.timeline = undefined;
  }
}

/** A live machine for gdb and DAP. @param title what is debugged, for people */
export const liveTarget = (base: LiveBase): DebugTarget => new DebugTarget(base);
