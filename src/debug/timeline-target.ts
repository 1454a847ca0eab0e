import type { Engine, Limit, Stop } from '../machine/engine/engine.ts';
import type { HostRoom } from '../machine/session/host-room.ts';
import type { HostEvent, Instant } from '../record/door.ts';
import type { EngineDriver, MoveOptions } from '../timeline/driver.ts';
import type { Timeline } from '../timeline/timeline.ts';
import { Branch } from './branch.ts';
import { type DebugDriver, DebugError, DebugTarget } from './target.ts';

/** A timeline as debuggers move it: read-only until it is branched from. */
class TimelineBase implements DebugDriver {
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
    return this.timeline.begin;
  }

  get readOnly(): boolean {
    return this.branched === undefined;
  }

  get living(): boolean {
    return this.branched?.living ?? false;
  }

  get endless(): boolean {
    return this.branched !== undefined;
  }

  get reached(): Instant {
    return this.branched?.reached ?? this.timeline.end;
  }

  get events(): readonly HostEvent[] {
    return this.branched?.events ?? this.timeline.events;
  }

  async seek(to: Instant, options?: MoveOptions): Promise<void> {
    if (this.branched) await this.branched.seek(to);
    else await this.timeline.drivenBy.seek(to, options);
  }

  run(limit: Limit): Stop | Promise<Stop> {
    return this.branched ? this.branched.run(limit) : this.timeline.drivenBy.run(limit);
  }

  checkpoints(): ReturnType<EngineDriver['checkpoints']> {
    return this.timeline.drivenBy.checkpoints();
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
    return this.timeline.drivenBy.pause();
  }
}

/** A timeline for gdb and DAP. @param title what is debugged, for people: the recording's file name */
export const timelineTarget = (timeline: Timeline, room: HostRoom, title: string): DebugTarget =>
  new DebugTarget(new TimelineBase(timeline, room, title));
