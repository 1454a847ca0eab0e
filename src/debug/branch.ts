import { toHex } from '../bytes/hex.ts';
import type { Engine, Limit, Stop } from '../machine/engine/engine.ts';
import { STOP } from '../machine/engine/engine.ts';
import type { HostRoom } from '../machine/session/host-room.ts';
import { compareInstants, type HostEvent, type Instant, LiveDoor } from '../record/door.ts';
import { Recorder, recordingHeader } from '../record/recorder.ts';
import { ReplayDoor } from '../record/replay-door.ts';
import type { Checkpoints } from '../timeline/checkpoints.ts';
import type { Timeline } from '../timeline/timeline.ts';

/** Instructions between checkpoints that living leaves behind. */
const SPACING = 20_000_000;

/** Makes the engine go on. A promise only when data is late: stops at debug points are many. */
export function go(engine: Engine, limit: Limit): Stop | Promise<Stop> {
  for (;;) {
    const stop = engine.run(limit);
    if (stop === STOP.LATE) return engine.late.arrived().then(() => go(engine, limit));
    if (stop !== STOP.LEFT) return stop;
  }
}

/**
 * The live machine that a recording becomes where it is branched from. It has the recording's past up to there; what enters it from then on, writes by
 * the debugger too, is an event like any other, so that it can be gone back in and saved as a recording of its own.
 */
export class Branch {
  /** Checkpoints of it and of the past it shares. */
  readonly checkpoints: Checkpoints;
  /** What entered, from power-on. */
  readonly events: HostEvent[];
  private readonly engine: Engine;
  private readonly room: HostRoom;
  private readonly timeline: Timeline;
  private readonly from: Instant;
  private readonly live: LiveDoor;
  /** As far as it has lived. */
  private front: Instant;

  /** Begins where the timeline stands, which must not be moved any more. */
  constructor(timeline: Timeline, room: HostRoom) {
    const { engine } = timeline;
    this.engine = engine;
    this.room = room;
    this.timeline = timeline;
    this.from = engine.instant;
    this.front = this.from;
    this.events = timeline.events.slice(0, timeline.nextEvent);
    this.checkpoints = timeline.checkpoints;
    this.checkpoints.forget(this.from);
    this.live = new LiveDoor({ clock: () => room.wallClock(), entropy: (n) => room.entropy(n) }, (event) =>
      this.events.push(event),
    );
    engine.door = this.live;
    this.mark();
  }

  /** Whether it stands where nothing is given yet. */
  get living(): boolean {
    return this.engine.door === this.live;
  }

  get reached(): Instant {
    return this.noteFront();
  }

  async seek(to: Instant): Promise<void> {
    const { engine } = this;
    const front = this.noteFront();
    const { events } = await this.checkpoints.restore(this.checkpoints.before(to));
    engine.door = new ReplayDoor(this.events, events);
    await go(engine, { instructions: to.instructions, sequence: to.sequence });
    if (compareInstants(to, front) >= 0) engine.door = this.live;
  }

  run(limit: Limit): Stop | Promise<Stop> {
    const { engine, front } = this;
    if (this.living) return this.after(go(engine, limit));
    if (limit.instructions < front.instructions) return go(engine, limit);
    const reached = go(engine, { instructions: front.instructions, sequence: front.sequence });
    const onward = (stop: Stop): Stop | Promise<Stop> => {
      if (stop !== STOP.LIMIT) return stop;
      engine.door = this.live;
      return this.after(go(engine, limit));
    };
    return typeof reached === 'string' ? onward(reached) : reached.then(onward);
  }

  /** What came after this instant is forgotten: it lives on from here. */
  forget(): void {
    const { engine } = this;
    if (this.living) return;
    this.events.length = (engine.door as ReplayDoor).position;
    this.front = engine.instant;
    this.checkpoints.forget(this.front);
    engine.door = this.live;
  }

  /** The branch as a recording. */
  save(): Uint8Array {
    const { log } = this.timeline;
    const parts: Uint8Array[] = [];
    const id = toHex(this.room.entropy(8));
    const recorder = new Recorder(
      recordingHeader(log.header.config, log.header.ports, id, { id: log.header.id, at: this.from }),
      { write: (bytes) => parts.push(bytes.slice()) },
      this.events,
    );
    const front = this.noteFront();
    recorder.close(front, this.frontTime);
    const all = new Uint8Array(parts.reduce((n, part) => n + part.length, 0));
    let at = 0;
    for (const part of parts) {
      all.set(part, at);
      at += part.length;
    }
    return all;
  }

  private frontTime = 0;

  private noteFront(): Instant {
    if (this.living && compareInstants(this.engine.instant, this.front) >= 0) {
      this.front = this.engine.instant;
      this.frontTime = this.engine.time;
    }
    return this.front;
  }

  private after(stop: Stop | Promise<Stop>): Stop | Promise<Stop> {
    const noted = (s: Stop): Stop => {
      this.noteFront();
      if (s === STOP.LIMIT && this.engine.instant.sequence === 0) {
        const last = this.checkpoints.before(this.engine.instant).at.instructions;
        if (this.engine.instructions - last >= SPACING) this.mark();
      }
      return s;
    };
    return typeof stop === 'string' ? noted(stop) : stop.then(noted);
  }

  private mark(): void {
    this.checkpoints.capture(this.events.length);
  }
}
