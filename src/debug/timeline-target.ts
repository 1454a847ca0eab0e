import type { Engine, Limit, Stop } from '../machine/engine.ts';
import { STOP } from '../machine/engine.ts';
import type { HostRoom } from '../machine/host-room.ts';
import { type HostEvent, LiveDoor } from '../record/door.ts';
import { ReplayDoor } from '../record/replay-door.ts';
import { Checkpoints } from '../timeline/checkpoints.ts';
import type { Timeline } from '../timeline/timeline.ts';
import { EngineTarget, type TimeBase } from './engine-target.ts';
import { eventNote } from './event-note.ts';
import type { EventNote, Instant } from './target.ts';

/** Bytes for checkpoints of a branch. */
const BRANCH_BUDGET = 128 << 20;
/** Instructions between checkpoints that searches leave behind. */
const SPACING = 20_000_000;

/** Makes the engine go on. A promise only when data is late: stops at debug points are many. */
function go(engine: Engine, limit: Limit): Stop | Promise<Stop> {
  for (;;) {
    const stop = engine.run(limit);
    if (stop === STOP.LATE) return engine.late.settle().then(() => go(engine, limit));
    if (stop !== STOP.LEFT) return stop;
  }
}

/** The live machine that a branch becomes: it can be gone back in as far as it was last written to. */
class Branch {
  readonly begin: Instant;
  /** As far as it has lived. */
  private reached: Instant;
  private readonly engine: Engine;
  private readonly kept: Checkpoints;
  private readonly events: HostEvent[] = [];
  private readonly live: LiveDoor;

  constructor(engine: Engine, room: HostRoom) {
    this.engine = engine;
    this.begin = engine.instructions;
    this.reached = this.begin;
    this.kept = new Checkpoints(engine, BRANCH_BUDGET);
    this.live = new LiveDoor({ clock: () => room.wallClock(), entropy: (n) => room.entropy(n) }, (event) => this.events.push(event));
    engine.door = this.live;
  }

  get checkpoints(): Checkpoints {
    return this.kept;
  }

  get log(): readonly HostEvent[] {
    return this.events;
  }

  async seek(instant: Instant): Promise<void> {
    const { engine } = this;
    this.reached = Math.max(this.reached, engine.instructions);
    const checkpoint = this.kept.before({ instructions: instant, sequence: 0 });
    this.kept.restore(checkpoint);
    engine.door = new ReplayDoor(this.events, checkpoint.events);
    if (instant > engine.instructions) await this.run({ instructions: instant });
    this.atFront();
  }

  async run(limit: Limit): Promise<Stop> {
    const { engine } = this;
    if (engine.door !== this.live && limit.instructions > this.reached) {
      const stop = await go(engine, { ...limit, instructions: this.reached });
      if (stop !== STOP.LIMIT) return stop;
      this.atFront();
    }
    const stop = await go(engine, limit);
    this.reached = Math.max(this.reached, engine.instructions);
    if (stop === STOP.LIMIT && engine.door === this.live && engine.instant.sequence === 0) {
      const last = this.kept.before(engine.instant).at.instructions;
      if (engine.instructions - last >= SPACING) this.kept.capture(this.events.length);
    }
    return stop;
  }

  /** Lives on where all that was lived is replayed. */
  private atFront(): void {
    const { door } = this.engine;
    if (this.engine.instructions >= this.reached && door !== this.live && door.next === undefined) this.engine.door = this.live;
  }
}

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
    return this.branched?.begin ?? this.timeline.begin.instructions;
  }

  get readOnly(): boolean {
    return this.branched === undefined;
  }

  end(): Instant {
    return this.branched ? Infinity : this.timeline.end.instructions;
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

  checkpoints(): readonly { readonly instant: Instant; readonly bytes: number }[] {
    const { all } = this.branched?.checkpoints ?? this.timeline.checkpoints;
    return all.map(({ at, state }) => ({ instant: at.instructions, bytes: state.length }));
  }

  events(): readonly EventNote[] {
    const log = this.branched?.log ?? this.timeline.events;
    return log.map((event, i) => eventNote(event, i, (port) => this.engine.portName(port)));
  }

  async branch(): Promise<void> {
    this.branched ??= new Branch(this.engine, this.room);
  }

  /** The machine was written to: what came before cannot be replayed to here, so the branch begins anew. */
  written(): void {
    if (this.branched) this.branched = new Branch(this.engine, this.room);
  }

  pause(): Promise<void> {
    return this.room.breathe();
  }
}

/** A timeline for gdb and DAP. @param title what is debugged, for people: the recording's file name */
export const timelineTarget = (timeline: Timeline, room: HostRoom, title: string): EngineTarget => new EngineTarget(new TimelineBase(timeline, room, title));
