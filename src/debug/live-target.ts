import type { Limit, Stop } from '../machine/engine/stop.ts';
import { STOP } from '../machine/engine/stop.ts';
import type { HostRoom } from '../machine/session/host-room.ts';
import type { Machine } from '../machine/session/machine.ts';
import { compareInstants, type Input, type Instant } from '../record/door.ts';
import type { NotedInstant } from '../record/format.ts';
import type { EngineDriver, MoveOptions } from '../timeline/driver.ts';
import type { LivePast } from '../timeline/live.ts';
import { SessionDriver } from './session-driver.ts';
import { type DebugDriver, DebugTarget } from './target.ts';

/** Instructions that are run without the machine's own care for time and inputs: steps. */
const SHORT = 1000;

/** A machine that lives, and its past, as debuggers move it. Without a debugger it runs by itself. */
export class LiveBase extends SessionDriver implements DebugDriver {
  readonly title: string;
  readonly begin: Instant;
  /** Told when the guest ended while no debugger held it. */
  onHalt: (() => void) | undefined;
  private readonly machine: Machine;
  private readonly past: LivePast;
  private readonly room: HostRoom;
  private writable = false;
  /** The guest ended: the present is the last instant. */
  private ended = false;
  private free: Promise<void> | undefined;

  /** @param machine is not running, and is moved only by this from now on @param past of it, attached before its first run */
  constructor(machine: Machine, past: LivePast, room: HostRoom, title: string) {
    super(machine.internals);
    this.machine = machine;
    this.past = past;
    this.room = room;
    this.title = title;
    this.begin = machine.instant;
  }

  async keepMarks(marks: readonly NotedInstant[]): Promise<void> {
    this.session.keepMarks(marks);
  }

  get readOnly(): boolean {
    return !this.writable || !this.live;
  }

  get endless(): boolean {
    return !this.ended;
  }

  async seek(to: Instant, options?: MoveOptions): Promise<void> {
    const { session, past } = this;
    if (this.live) {
      if (compareInstants(to, session.end) >= 0) return;
      past.goBack(this.moving);
    }
    await past.timeline.drivenBy.seek(to, options);
    if (compareInstants(to, session.end) >= 0) session.goLive(this.moving);
  }

  async run(limit: Limit, signal?: AbortSignal): Promise<Stop> {
    const { engine, session, past } = this;
    if (!this.live) {
      const { end } = session;
      if (limit.instructions < end.instructions) return past.timeline.drivenBy.run(limit);
      const stop = await past.timeline.drivenBy.run({ instructions: end.instructions, sequence: end.sequence });
      if (stop !== STOP.LIMIT || compareInstants(engine.instant, end) < 0) return stop;
      session.goLive(this.moving);
    }
    if (limit.instructions - engine.instructions < SHORT) return this.noted(await session.advance(limit));
    const { reason } = await this.machine.run(
      {
        whenIdle: 'wait',
        ...(limit.instructions !== Infinity && { instructions: limit.instructions }),
        ...(signal && { signal }),
      },
      this.moving,
    );
    return this.noted(reason === 'halt' ? STOP.HALT : reason === 'debug' ? STOP.DEBUG : STOP.LIMIT);
  }

  checkpoints(): ReturnType<EngineDriver['checkpoints']> {
    return this.past.all.map(({ at, bytes }) => ({ at, bytes }));
  }

  /** From the past: what came after is forgotten. */
  async branch(): Promise<void> {
    if (!this.live) {
      this.past.resume();
      this.ended = this.engine.halt !== undefined;
    }
    this.writable = true;
  }

  write(input: Input): boolean {
    this.session.mustBeIdle('write');
    return this.session.enter(input) === undefined;
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
    return this.room.yieldToHost();
  }

  private async runFree(): Promise<void> {
    if (!this.live) await this.exclusively(() => this.seek(this.reached));
    if (this.engine.halt !== undefined) return;
    const { reason } = await this.machine.run({ whenIdle: 'wait' });
    if (reason !== 'halt') return;
    this.ended = true;
    this.onHalt?.();
  }

  private noted(stop: Stop): Stop {
    if (stop === STOP.HALT) this.ended = true;
    return stop;
  }
}

/** A live machine for gdb and DAP. @param title what is debugged, for people */
export const liveTarget = (base: LiveBase): DebugTarget => new DebugTarget(base);
