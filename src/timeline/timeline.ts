import { DEBUG } from '../isa/layout.ts';
import type { DebugPoint } from '../machine/engine/debug-points.ts';
import type { Engine, Limit, Stop } from '../machine/engine/engine.ts';
import { STOP } from '../machine/engine/engine.ts';
import type { HostRoom } from '../machine/session/host-room.ts';
import { stateHash } from '../machine/state/state-hash.ts';
import { formatInstant } from '../record/divergence.ts';
import type { HostEvent, Instant } from '../record/door.ts';
import type { EventLog } from '../record/recorder.ts';
import { ReplayDoor } from '../record/replay-door.ts';
import { type Checkpoint, Checkpoints, compareInstants } from './checkpoints.ts';

/** Somewhere to go: an instant, a number of instructions, a part of the recording, a guest time in seconds, an event by its index. */
export type Destination = Instant | number | `${number}%` | { readonly guestTime: number } | { readonly event: number };

/** What a search looks for; addresses are virtual, one or a range [start, end). */
export interface SearchFor {
  readonly execute?: bigint | readonly [bigint, bigint];
  readonly read?: bigint | readonly [bigint, bigint];
  readonly write?: bigint | readonly [bigint, bigint];
  /** Any of these as well. */
  readonly points?: readonly DebugPoint[];
  /** Only where this holds; the machine stands before the instruction and must not be changed. */
  readonly when?: (engine: Engine) => boolean;
  /** Only this hart. */
  readonly hart?: number;
}

/** What moves may be told. */
export interface MoveOptions {
  /** Ends the move where it is (a seek, a search forward) or back where it began (a search backward). */
  readonly signal?: AbortSignal;
  /** Called now and then with the part that is done, 0 to 1. */
  readonly onProgress?: (done: number) => void;
}

/** A point that was met: the machine stands before the instruction. */
export interface Hit {
  readonly at: Instant;
  readonly hart: number;
  readonly pc: bigint;
  /** Index among the points: execute, read, write, then {@link SearchFor.points}, as far as given. */
  readonly point: number;
  /** Address touched, for reads and writes. */
  readonly address?: bigint;
}

/** How a move ended. */
export interface MoveResult {
  readonly reason: 'there' | 'hit' | 'begin' | 'end' | 'interrupted';
  readonly at: Instant;
  readonly hit?: Hit;
}

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
/** Hits between such looks. */
const HITS_PER_BREATH = 2_000;
/** Milliseconds between breaths. */
const BREATH = 12;
const EVERYWHERE: DebugPoint = { kind: DEBUG.EXECUTE, start: 0n, end: 0xffff_ffff_ffff_ffffn };
const TICKS_PER_SECOND = 1e9;

class Interrupted extends Error {}

const ended = (result: MoveResult, reason: 'begin' | 'end'): MoveResult =>
  result.reason === 'there' ? { ...result, reason } : result;

const range = (kind: number, at: bigint | readonly [bigint, bigint] | undefined): DebugPoint[] => {
  if (at === undefined) return [];
  return typeof at === 'bigint' ? [{ kind, start: at, end: at + 1n }] : [{ kind, start: at[0], end: at[1] }];
};

/**
 * A machine and its past: any instant of a recording can be gone to. Moves are made by restoring the nearest checkpoint before and replaying from
 * there; checkpoints are taken on the way. One move at a time.
 */
export class Timeline {
  /** The machine where the timeline stands. Look, but move it only through the timeline. */
  readonly engine: Engine;
  readonly log: EventLog;
  readonly checkpoints: Checkpoints;
  protected readonly room: HostRoom;
  private readonly spacing: number;
  private readonly door: ReplayDoor;
  private breathed = 0;

  /**
   * @param engine a machine of the log's configuration at its beginning, or wherever `checkpoints` says
   * @param checkpoints those taken while it ran, for a live machine's timeline
   */
  constructor(engine: Engine, log: EventLog, room: HostRoom, options: TimelineOptions = {}, checkpoints?: Checkpoints) {
    this.engine = engine;
    this.log = log;
    this.room = room;
    this.spacing = options.spacing ?? DEFAULT_SPACING;
    this.door = new ReplayDoor(log.events, checkpoints === undefined ? 0 : log.events.length);
    engine.door = this.door;
    this.checkpoints = checkpoints ?? new Checkpoints(engine, options.budget ?? DEFAULT_BUDGET, 0, true);
  }

  /** Where the timeline stands. */
  get at(): Instant {
    return this.engine.instant;
  }

  /** The first instant. */
  get begin(): Instant {
    return this.checkpoints.all[0].at;
  }

  /** The last instant that was recorded. */
  get end(): Instant {
    return this.log.end;
  }

  /** Guest time in seconds. */
  get guestTime(): number {
    return this.engine.time / TICKS_PER_SECOND;
  }

  /** What entered the machine. */
  get events(): readonly HostEvent[] {
    return this.log.events;
  }

  /** Index of the event that enters next; the number of events behind the last. */
  get nextEvent(): number {
    return this.door.position;
  }

  /** Hash of the state here. */
  hash(): string {
    return stateHash(this.engine);
  }

  /** Goes somewhere; what lies outside the recording is its begin or end. */
  async seek(to: Destination, options: MoveOptions = {}): Promise<MoveResult> {
    return this.move(async () => {
      if (typeof to === 'object' && 'guestTime' in to)
        await this.goToTime(Math.round(to.guestTime * TICKS_PER_SECOND), options);
      else await this.goTo(this.locate(to), options);
      return { reason: 'there', at: this.at };
    });
  }

  /** The instant that a destination means, within the recording. */
  locate(to: Exclude<Destination, { readonly guestTime: number }>): Instant {
    return this.clamp(this.instantOf(to));
  }

  /** Forward by instructions, over all harts. */
  async step(count = 1, options: MoveOptions = {}): Promise<MoveResult> {
    const { instructions } = this.at;
    if (instructions + count > this.end.instructions) return ended(await this.seek(this.end, options), 'end');
    return this.seek({ instructions: instructions + count, sequence: 0 }, options);
  }

  /** Back by instructions, over all harts. */
  async reverseStep(count = 1, options: MoveOptions = {}): Promise<MoveResult> {
    const { instructions } = this.at;
    if (instructions - count < this.begin.instructions) return ended(await this.seek(this.begin, options), 'begin');
    return this.seek({ instructions: instructions - count, sequence: 0 }, options);
  }

  /** Forward to the next point that is met, or to the end. A point at the instruction where it begins is passed over. */
  async continue(search: SearchFor, options: MoveOptions = {}): Promise<MoveResult> {
    return this.move(async () => {
      let found: Hit | undefined;
      await this.scan(search, this.end, true, options, (hit) => {
        found = hit;
        return true;
      });
      return found === undefined ? { reason: 'end', at: this.at } : { reason: 'hit', at: this.at, hit: found };
    });
  }

  /** Back to the last point that was met before, or to the beginning. */
  async reverseContinue(search: SearchFor, options: MoveOptions = {}): Promise<MoveResult> {
    const from = this.at;
    return this.move(async () => {
      const hit = await this.scanBack(search, from, options);
      await this.goTo(hit?.at ?? this.begin, {});
      return hit === undefined ? { reason: 'begin', at: this.at } : { reason: 'hit', at: this.at, hit };
    }, from);
  }

  /** The last store to [address, address + length) (virtual) before here. Does not move. */
  async lastWrite(address: bigint, length = 1, options: MoveOptions = {}): Promise<Hit | undefined> {
    const from = this.at;
    const result = await this.reverseContinue({ write: [address, address + BigInt(length)] }, options);
    await this.goTo(from, {});
    return result.hit;
  }

  /** To the next event that entered, or the end. */
  nextInput(options: MoveOptions = {}): Promise<MoveResult> {
    const event = this.events.findIndex(({ at }, i) => i >= this.door.position && compareInstants(at, this.at) > 0);
    return event < 0 ? this.seek(this.end, options) : this.seek({ event }, options);
  }

  /** To the last event that entered before here, or the beginning. */
  previousInput(options: MoveOptions = {}): Promise<MoveResult> {
    const event = this.events.findLastIndex(({ at }) => compareInstants(at, this.at) < 0);
    return event < 0 ? this.seek(this.begin, options) : this.seek({ event }, options);
  }

  /**
   * Replays all of it, or as far as is wanted, and compares the state hashes of the recording.
   * @returns how many were compared @throws DivergenceError at the first that differs
   */
  async verify(
    options: MoveOptions & { readonly until?: Exclude<Destination, { readonly guestTime: number }> } = {},
  ): Promise<number> {
    const { until = this.end } = options;
    const end = this.locate(until);
    let compared = 0;
    for (const { at, hash } of this.log.hashes) {
      if (compareInstants(at, end) > 0) break;
      await this.goTo(at, options);
      const found = this.hash();
      if (found !== hash) throw this.engine.diverged(`state hash at ${formatInstant(at)}`, hash, found);
      compared++;
      options.onProgress?.(at.instructions / Math.max(1, end.instructions));
    }
    await this.goTo(end, options);
    return compared;
  }

  /** Takes a checkpoint here. */
  mark(): void {
    this.checkpoints.capture(this.door.position);
  }

  // ---- going

  /** @param back where to return to when it is interrupted */
  private async move(act: () => Promise<MoveResult>, back?: Instant): Promise<MoveResult> {
    try {
      return await act();
    } catch (error) {
      if (!(error instanceof Interrupted)) throw error;
      this.engine.setDebugPoints([]);
      if (back !== undefined) await this.goTo(back, {});
      return { reason: 'interrupted', at: this.at };
    }
  }

  private instantOf(to: Exclude<Destination, { guestTime: number }>): Instant {
    if (typeof to === 'number') return { instructions: Math.floor(to), sequence: 0 };
    if (typeof to === 'string') {
      const part = Number(to.slice(0, -1)) / 100;
      if (!to.endsWith('%') || Number.isNaN(part))
        throw new RangeError(`"${to}" is no place in a recording: expected a percentage such as 50%`);
      return {
        instructions: Math.round(this.begin.instructions + (this.end.instructions - this.begin.instructions) * part),
        sequence: 0,
      };
    }
    if (!('event' in to)) return to;
    const event = this.events[to.event];
    if (event === undefined)
      throw new RangeError(`there is no event ${to.event}: the recording has ${this.events.length}, from 0 on`);
    return event.at;
  }

  private clamp(at: Instant): Instant {
    if (compareInstants(at, this.begin) < 0) return this.begin;
    return compareInstants(at, this.end) > 0 ? this.end : at;
  }

  private async goTo(at: Instant, options: MoveOptions): Promise<void> {
    this.engine.setDebugPoints([]);
    this.approach(this.checkpoints.before(at), (now) => compareInstants(now, at) <= 0);
    await this.forward({ instructions: at.instructions, sequence: at.sequence }, options, at.instructions);
  }

  private async goToTime(time: number, options: MoveOptions): Promise<void> {
    this.engine.setDebugPoints([]);
    const from = this.checkpoints.all.findLast((c) => c.time <= time) ?? this.checkpoints.all[0];
    this.approach(from, () => this.engine.time <= time);
    await this.forward({ ...this.end, time: Math.max(time, 0) }, options, Infinity);
  }

  /** Restores a checkpoint, unless the way from where the machine stands is shorter. */
  private approach(checkpoint: Checkpoint, notBehind: (now: Instant) => boolean): void {
    const now = this.at;
    if (notBehind(now) && compareInstants(checkpoint.at, now) <= 0 && !this.broken) return;
    this.restore(checkpoint);
  }

  private restore(checkpoint: Checkpoint): void {
    this.checkpoints.restore(checkpoint);
    this.door.seek(checkpoint.events);
    this.broken = false;
  }

  /** A run was ended by an error: the state is nowhere. */
  private broken = false;

  /** Runs to a limit, taking checkpoints on the way: at the spacing, and closer and closer before `target`. */
  private async forward(limit: Limit, options: MoveOptions, target: number): Promise<void> {
    const { engine } = this;
    for (;;) {
      const now = engine.instructions;
      const stop = await this.advance(
        { ...limit, instructions: Math.min(limit.instructions, now + SLICE, this.nextMark(now, target)) },
        limit,
      );
      const behind = engine.instructions < limit.instructions || engine.instant.sequence < (limit.sequence ?? 0);
      if (!behind) return;
      if (stop === STOP.LIMIT) {
        if (engine.instructions === now && this.doneByTime(limit)) return;
        if (limit.time !== undefined && engine.time >= limit.time) return;
        this.maybeMark(target);
      } else if (stop === STOP.HALT || stop === STOP.IDLE) {
        if (this.door.next !== undefined)
          throw engine.diverged(
            'the next event',
            `at ${formatInstant(this.door.next.at)}`,
            `the machine ${stop === STOP.HALT ? 'ended' : 'waits for ever'}`,
          );
        return;
      }
      await this.breathe(options);
    }
  }

  /** Guest time will skip beyond the limit. */
  private doneByTime(limit: Limit): boolean {
    return limit.time !== undefined && this.engine.idleUntil > limit.time;
  }

  /** {@link Engine.run}, waiting for data that is late. `whole` is where the way ends. */
  private async advance(limit: Limit, whole: Limit): Promise<Stop> {
    const exact = limit.instructions === whole.instructions ? limit : { ...limit, sequence: 0 };
    for (;;) {
      let stop: Stop;
      try {
        stop = this.engine.run(exact);
      } catch (error) {
        this.broken = true;
        throw error;
      }
      if (stop === STOP.LATE) await this.engine.late.arrived();
      else if (stop !== STOP.LEFT) return stop;
    }
  }

  private nextMark(now: number, target: number): number {
    if (this.spacing === Infinity) return Infinity;
    const last = this.checkpoints.before({ instructions: now, sequence: Infinity }).at.instructions;
    return Math.max(now + 1, Math.min(last + this.spacing, now + Math.max(FINEST, Math.floor((target - now) / 2))));
  }

  /** Takes a checkpoint where one is worth it. */
  private maybeMark(target: number): void {
    const { instructions, sequence } = this.at;
    if (sequence !== 0 || this.spacing === Infinity) return;
    const last = this.checkpoints.before(this.at).at.instructions;
    const near =
      target - instructions < this.spacing && instructions - last >= Math.max(FINEST, (target - instructions) / 2);
    if (instructions - last >= this.spacing || near) this.mark();
  }

  /** Lets the host do other things now and then. @throws Interrupted when the signal says so */
  private async breathe({ signal }: MoveOptions): Promise<void> {
    const look = (): void => {
      if (signal?.aborted === true) throw new Interrupted();
    };
    look();
    if (this.room.now() - this.breathed < BREATH) return;
    this.checkpoints.rest(64);
    await this.room.breathe();
    this.breathed = this.room.now();
    look();
  }

  // ---- searching

  /**
   * Runs forward from here and tells of each point met before `until`; `found` ends it by true.
   * @param pass whether points at the very first instruction are passed over
   */
  private async scan(
    search: SearchFor,
    until: Instant,
    pass: boolean,
    options: MoveOptions,
    found: (hit: Hit) => boolean,
  ): Promise<void> {
    const { engine } = this;
    const points = [
      ...range(DEBUG.EXECUTE, search.execute),
      ...range(DEBUG.READ, search.read),
      ...range(DEBUG.WRITE, search.write),
      ...(search.points ?? []),
    ];
    if (points.length === 0 && search.when !== undefined) points.push(EVERYWHERE);
    const whole: Limit = { instructions: until.instructions, sequence: until.sequence };
    let skip = false;
    if (pass && compareInstants(this.at, until) < 0) {
      // What is due before the instruction comes first: an interrupt's handler is not the instruction that is passed over.
      const { at } = this;
      const { currentHart: hart } = engine;
      const pc = engine.harts[hart].get('pc');
      engine.setDebugPoints([EVERYWHERE]);
      engine.skipDebugPoint(false);
      await this.advance(
        { instructions: Math.min(at.instructions + 1, until.instructions) },
        { instructions: Infinity },
      );
      skip =
        engine.currentHart === hart && engine.harts[hart].get('pc') === pc && engine.instructions === at.instructions;
    }
    engine.setDebugPoints(points);
    engine.skipDebugPoint(skip);
    let hits = 0;
    try {
      while (compareInstants(this.at, until) < 0) {
        const now = engine.instructions;
        const stop = await this.advance(
          { ...whole, instructions: Math.min(whole.instructions, now + SLICE, this.nextMark(now, Infinity)) },
          whole,
        );
        if (stop === STOP.DEBUG) {
          const hit = this.hitHere(points);
          if (compareInstants(hit.at, until) >= 0) return;
          const wanted =
            (search.hart === undefined || search.hart === hit.hart) &&
            (search.when === undefined || search.when(engine));
          if (wanted && found(hit)) return;
          engine.skipDebugPoint(true);
          if (++hits % HITS_PER_BREATH === 0) await this.breathe(options);
        } else if (stop === STOP.HALT || stop === STOP.IDLE) {
          return;
        } else {
          // A checkpoint changes nothing, the debug points' skip flag included: it is clear here.
          this.maybeMark(Infinity);
          await this.breathe(options);
        }
      }
    } finally {
      engine.skipDebugPoint(false);
      engine.setDebugPoints([]);
    }
  }

  private hitHere(points: readonly DebugPoint[]): Hit {
    const { engine } = this;
    const { index, address } = engine.debugHit;
    const hart = engine.currentHart;
    const touched = (points[index].kind & DEBUG.EXECUTE) === 0;
    return { at: this.at, hart, pc: engine.harts[hart].get('pc'), point: index, ...(touched && { address }) };
  }

  /** The last hit before an instant, segment by segment backwards, each replayed once. */
  private async scanBack(search: SearchFor, before: Instant, options: MoveOptions): Promise<Hit | undefined> {
    let to = before;
    while (compareInstants(to, this.begin) > 0) {
      const from = this.checkpoints.all.findLast(({ at }) => compareInstants(at, to) < 0) ?? this.checkpoints.all[0];
      await this.breathe(options);
      this.engine.setDebugPoints([]);
      this.restore(from);
      let last: Hit | undefined;
      await this.scan(search, to, false, options, (hit) => {
        last = hit;
        return false;
      });
      if (last !== undefined) return last;
      to = from.at;
      options.onProgress?.(
        1 - (to.instructions - this.begin.instructions) / Math.max(1, before.instructions - this.begin.instructions),
      );
    }
    return undefined;
  }
}
