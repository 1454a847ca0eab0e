import type { Engine } from '../machine/engine/engine.ts';
import type { Limit, Stop } from '../machine/engine/stop.ts';
import { STOP } from '../machine/engine/stop.ts';
import type { HostRoom } from '../machine/session/host-room.ts';
import type { Session } from '../machine/session/session.ts';
import { formatInstant } from '../record/divergence.ts';
import { compareInstants, type HostEvent, type Instant } from '../record/door.ts';
import type { ReplayDoor } from '../record/replay-door.ts';
import { type Checkpoint, Checkpoints } from './checkpoints.ts';
import { type EngineDriver, Interrupted, type MoveOptions } from './driver.ts';

export interface TimelineOptions {
  /** Bytes for checkpoints; default 256 MiB. */
  readonly budget?: number;
  /** Instructions between checkpoints where time is first travelled; default 20 million. `Infinity` for none: to go forward once. */
  readonly spacing?: number;
}

const DEFAULT_BUDGET = 256 * 2 ** 20;
const DEFAULT_SPACING = 20_000_000;
/** Checkpoints close before a destination are this far apart at least: what a reverse-step replays. */
const FINEST = 500_000;
/** Instructions between looks at the signal and the event loop. */
const SLICE = 4_000_000;
/** Milliseconds between such looks at the event loop. */
const INTERVAL = 12;
/** Pages of checkpoints looked at or compressed in between. */
const REST = 64;

/**
 * The past that a recording holds: any instant is reached by restoring the nearest checkpoint before it and replaying from there. Checkpoints are
 * taken on the way.
 */
export class Past implements EngineDriver {
  readonly engine: Engine;
  readonly session: Session;
  readonly stored: Checkpoints;
  readonly endless = false;
  readonly live = false;
  private readonly room: HostRoom;
  private readonly spacing: number;
  private pausedAt = 0;
  /** A run was ended by an error: the state is none of the recording's. */
  private failed = false;

  /**
   * @param session moved only while it is in the past; at its beginning, or wherever `checkpoints` say
   * @param checkpoints those taken while it ran, for a live machine's past
   */
  constructor(session: Session, room: HostRoom, options: TimelineOptions = {}, checkpoints?: Checkpoints) {
    this.session = session;
    this.engine = session.engine;
    this.room = room;
    this.spacing = options.spacing ?? DEFAULT_SPACING;
    this.stored = checkpoints ?? new Checkpoints(this.engine, options.budget ?? DEFAULT_BUDGET, 0, true);
  }

  get begin(): Instant {
    return this.stored.all[0].at;
  }

  get reached(): Instant {
    return this.session.end;
  }

  get events(): readonly HostEvent[] {
    return this.session.log.events;
  }

  /** Index of the event that enters next; the number of events after the last. */
  get nextEvent(): number {
    return this.session.position;
  }

  private get door(): ReplayDoor {
    return this.session.replaying;
  }

  checkpoints(): readonly { readonly at: Instant; readonly bytes: number }[] {
    return this.stored.all.map(({ at, bytes }) => ({ at, bytes }));
  }

  untouched(from: Instant, to: Instant, pages: readonly number[]): boolean {
    return this.stored.untouched(from, to, pages);
  }

  /** Takes a checkpoint here. */
  mark(): void {
    this.stored.capture(this.session.position);
  }

  async seek(to: Instant, options: MoveOptions = {}): Promise<void> {
    this.engine.setDebugPoints([]);
    const from = this.stored.before(to);
    await this.approach(from, compareInstants(this.engine.instant, to) <= 0);
    await this.replay({ instructions: to.instructions, sequence: to.sequence }, options, to.instructions);
  }

  /** Goes to a guest time in ticks, or the last instant before it. */
  async seekTime(time: number, options: MoveOptions = {}): Promise<void> {
    this.engine.setDebugPoints([]);
    const from = this.stored.all.findLast((c) => c.time <= time) ?? this.stored.all[0];
    await this.approach(from, this.engine.time <= time);
    await this.replay({ ...this.reached, time: Math.max(time, 0) }, options, Infinity);
  }

  run(limit: Limit): Stop | Promise<Stop> {
    const now = this.engine.instructions;
    const part = Math.min(limit.instructions, now + SLICE, this.nextMark(now, Infinity));
    const stop = this.advance({
      ...limit,
      instructions: part,
      sequence: part < limit.instructions ? 0 : limit.sequence,
    });
    return typeof stop === 'string' ? this.left(stop, Infinity) : stop.then((s) => this.left(s, Infinity));
  }

  exclusively<T>(move: () => Promise<T>): Promise<T> {
    return this.session.exclusively('move', move);
  }

  async pause(): Promise<void> {
    if (this.room.now() - this.pausedAt < INTERVAL) return;
    this.stored.rest(REST);
    await this.room.yieldToHost();
    this.pausedAt = this.room.now();
  }

  /** Restores a checkpoint, unless the way from where the machine is is shorter. */
  private async approach(checkpoint: Checkpoint, onTheWay: boolean): Promise<void> {
    if (onTheWay && compareInstants(checkpoint.at, this.engine.instant) <= 0 && !this.failed) return;
    const { events } = await this.stored.restore(checkpoint);
    this.door.seek(events);
    this.failed = false;
  }

  /** Runs to a limit, taking checkpoints on the way: at the spacing, and closer and closer before `target`. */
  private async replay(limit: Limit, options: MoveOptions, target: number): Promise<void> {
    const { engine } = this;
    const from = engine.instructions;
    for (;;) {
      const now = engine.instructions;
      const part = Math.min(limit.instructions, now + SLICE, this.nextMark(now, target));
      const stop = this.left(
        await this.advance({ ...limit, instructions: part, sequence: part < limit.instructions ? 0 : limit.sequence }),
        target,
      );
      const { instructions, sequence } = engine.instant;
      if (instructions >= limit.instructions && sequence >= (limit.sequence ?? 0)) return;
      if (stop === STOP.HALT || stop === STOP.IDLE) return;
      if (limit.time !== undefined) {
        if (engine.time >= limit.time || (instructions === now && engine.idleUntil > limit.time)) return;
      }
      if (options.signal?.aborted) throw new Interrupted();
      await this.pause();
      if (options.signal?.aborted) throw new Interrupted();
      options.onProgress?.((instructions - from) / Math.max(1, limit.instructions - from));
    }
  }

  private advance(limit: Limit): Stop | Promise<Stop> {
    const failed = (error: unknown): never => {
      this.failed = true;
      throw error;
    };
    try {
      const stop = this.session.advance(limit);
      return typeof stop === 'string' ? stop : stop.catch(failed);
    } catch (error) {
      return failed(error);
    }
  }

  /** What a run leaves: a checkpoint where one is worth it. @throws DivergenceError when the machine ended before the recording */
  private left(stop: Stop, target: number): Stop {
    if (stop === STOP.LIMIT) this.maybeMark(target);
    else if ((stop === STOP.HALT || stop === STOP.IDLE) && this.door.next !== undefined) {
      throw this.engine.diverged(
        'the next event',
        `at ${formatInstant(this.door.next.at)}`,
        `the machine ${stop === STOP.HALT ? 'ended' : 'waits for ever'}`,
      );
    }
    return stop;
  }

  private nextMark(now: number, target: number): number {
    if (this.spacing === Infinity) return Infinity;
    const last = this.stored.before({ instructions: now, sequence: Infinity }).at.instructions;
    return Math.max(now + 1, Math.min(last + this.spacing, now + Math.max(FINEST, Math.floor((target - now) / 2))));
  }

  private maybeMark(target: number): void {
    const { instructions, sequence } = this.engine.instant;
    if (sequence !== 0 || this.spacing === Infinity) return;
    const last = this.stored.before({ instructions, sequence }).at.instructions;
    const near =
      target - instructions < this.spacing && instructions - last >= Math.max(FINEST, (target - instructions) / 2);
    if (instructions - last >= this.spacing || near) this.mark();
  }
}
