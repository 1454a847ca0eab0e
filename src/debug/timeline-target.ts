import type { Engine, Limit, Stop } from '../machine/engine/engine.ts';
import { STOP } from '../machine/engine/engine.ts';
import type { HostRoom } from '../machine/session/host-room.ts';
import type { Timeline } from '../timeline/timeline.ts';
import { Branch, go } from './branch.ts';
import { EngineTarget, type TimeBase } from './engine-target.ts';
import { eventNote } from './event-note.ts';
import { DebugError, type EventNote, type Instant } from './target.ts';

/** Instructions between checkpoints that searches leave behind. */
const SPACING = 20_000_000;

/** A timeline as debuggers move it: read-only until it is branched from. */
export class TimelineBase implements TimeBase {
  readonly title: string;
  readonly engine: Engine;
  private readonly timeline: Timeline;
  private readonly room: HostRoom;
  private branched: Branch | undefined;

  constructor(timeline: Timeline, room: HostRoom, title: string) {
    this.timeline = timeline;
    this.engine = timeline.engine;
    this.room = room;
    this.title = title;
  }

  get begin(): Instant {
    return this.timeline.begin.instructions;
  }

  get readOnly(): boolean {
    return this.branched === undefined;
  }

  get living(): boolean {
    return this.branched?.living ?? false;
  }

  end(): Instant {
    return this.branched ? Infinity : this.timeline.end.instructions;
  }

  reached(): Instant {
    return this.branched?.reached() ?? this.timeline.end.instructions;
  }

  async seek(instant: Instant): Promise<void> {
    if (this.branched) await this.branched.seek(instant);
    else await this.timeline.seek({ instructions: instant, sequence: 0 });
  }

  run(limit: Limit): Stop | Promise<Stop> {
    if (this.branched) return this.branched.run(limit);
    const stop = go(this.engine, limit);
    return typeof stop === 'string' ? this.mark(stop) : stop.then((s) => this.mark(s));
  }

  checkpoints(): readonly { readonly instant: Instant; readonly bytes: number }[] {
    const { all } = this.timeline.checkpoints;
    return all.map(({ at, state }) => ({ instant: at.instructions, bytes: state.length }));
  }

  events(): readonly EventNote[] {
    const log = this.branched?.events ?? this.timeline.events;
    return log.map((event, i) => eventNote(event, i, (port) => this.engine.portName(port)));
  }

  async branch(): Promise<void> {
    this.branched ??= new Branch(this.timeline, this.room);
  }

  beforeWrite(): void {
    this.branched?.forget();
  }

  save(): Uint8Array {
    if (!this.branched) throw new DebugError('there is no branch to save: `monitor branch` begins one');
    return this.branched.save();
  }

  pause(): Promise<void> {
    return this.room.breathe();
  }

  /** Leaves a checkpoint behind where one is worth it. */
  private mark(stop: Stop): Stop {
    if (stop !== STOP.LIMIT) return stop;
    const { instant } = this.engine;
    if (instant.sequence === 0) {
      const last = this.timeline.checkpoints.before(instant).at.instructions;
      if (instant.instructions - last >= SPACING) this.timeline.mark();
    }
    return stop;
  }
}

/** A timeline for gdb and DAP. @param title what is debugged, for people: the recording's file name */
export const timelineTarget = (timeline: Timeline, room: HostRoom, title: string): EngineTarget =>
  new EngineTarget(new TimelineBase(timeline, room, title));
