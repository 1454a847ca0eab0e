import type { Limit, Stop } from '../machine/engine/stop.ts';
import { STOP } from '../machine/engine/stop.ts';
import { compareInstants, type Input, type Instant } from '../record/door.ts';
import type { NotedInstant } from '../record/format.ts';
import type { EngineDriver, MoveOptions } from '../timeline/driver.ts';
import type { Past } from '../timeline/past.ts';
import type { Timeline } from '../timeline/timeline.ts';
import { SessionDriver } from './session-driver.ts';
import { type DebugDriver, DebugError, DebugTarget } from './target.ts';

/** Puts marks where a recording is kept, instead of those before. @throws DebugError when it takes none */
export type MarkStore = (marks: readonly NotedInstant[]) => Promise<void>;

/** Instructions that a branch runs at once. */
const SLICE = 4_000_000;
/** Instructions between checkpoints that a branch leaves behind as it runs. */
const SPACING = 20_000_000;

/**
 * A timeline as debuggers move it: read-only until it is branched from. The branch has the past up to there; what enters it from then on, writes by the
 * debugger too, is an event like any other, so that it can be gone back in and saved as a recording of its own.
 */
class TimelineBase extends SessionDriver implements DebugDriver {
  readonly title: string;
  private readonly timeline: Timeline;
  private readonly store: MarkStore | undefined;
  private branched = false;

  constructor(timeline: Timeline, title: string, store: MarkStore | undefined) {
    super(timeline.session);
    this.store = store;
    this.timeline = timeline;
    this.title = title;
  }

  get begin(): Instant {
    return this.timeline.begin;
  }

  async keepMarks(marks: readonly NotedInstant[]): Promise<void> {
    if (!this.branched) await this.store?.(marks);
    this.session.keepMarks(marks);
  }

  get readOnly(): boolean {
    return !this.branched;
  }

  get endless(): boolean {
    return this.branched;
  }

  async seek(to: Instant, options?: MoveOptions): Promise<void> {
    const { session, past } = this;
    if (this.live) {
      if (compareInstants(to, session.end) >= 0) return;
      session.goToPast(this.moving);
    }
    await past.seek(to, options);
    if (this.branched && compareInstants(to, session.end) >= 0) session.goLive(this.moving);
  }

  run(limit: Limit): Stop | Promise<Stop> {
    const { session, past } = this;
    if (this.live) return this.runLive(limit);
    const { end } = session;
    if (!this.branched || limit.instructions < end.instructions) return past.run(limit);
    const onward = (stop: Stop): Stop | Promise<Stop> => {
      if (stop !== STOP.LIMIT || compareInstants(this.engine.instant, end) < 0) return stop;
      session.goLive(this.moving);
      return this.runLive(limit);
    };
    const reached = past.run({ instructions: end.instructions, sequence: end.sequence });
    return typeof reached === 'string' ? onward(reached) : reached.then(onward);
  }

  checkpoints(): ReturnType<EngineDriver['checkpoints']> {
    return this.past.checkpoints();
  }

  async branch(): Promise<void> {
    const { session } = this;
    if (this.branched) return;
    if (session.hasPresent) session.resume();
    else session.branch();
    this.branched = true;
    this.timeline.checkpoints.forget(this.engine.instant);
    this.timeline.mark();
  }

  write(input: Input): boolean {
    this.session.mustBeIdle('write');
    if (!this.live) {
      this.session.resume();
      this.timeline.checkpoints.forget(this.engine.instant);
    }
    return this.session.enter(input) === undefined;
  }

  save(): Uint8Array {
    if (!this.branched) throw new DebugError('there is no branch to save: `monitor branch` begins one');
    return this.session.exportBranch();
  }

  pause(): Promise<void> {
    return this.past.pause();
  }

  private get past(): Past {
    return this.timeline.drivenBy;
  }

  /** Runs the branch on, leaving checkpoints behind. */
  private runLive(limit: Limit): Stop | Promise<Stop> {
    const { session, timeline } = this;
    const part = Math.min(limit.instructions, this.engine.instructions + SLICE);
    const noted = (stop: Stop): Stop => {
      const { instant } = this.engine;
      if (stop === STOP.LIMIT && instant.sequence === 0) {
        const last = timeline.checkpoints.before(instant).at.instructions;
        if (instant.instructions - last >= SPACING) timeline.mark();
      }
      return stop;
    };
    const stop = session.advance({ ...limit, instructions: part });
    return typeof stop === 'string' ? noted(stop) : stop.then(noted);
  }
}

/**
 * A timeline for gdb and DAP. @param title what is debugged, for people: the recording's file name @param store keeps marks with the recording; without
 * it they are gone with the timeline
 */
export const timelineTarget = (timeline: Timeline, title: string, store?: MarkStore): DebugTarget =>
  new DebugTarget(new TimelineBase(timeline, title, store));
