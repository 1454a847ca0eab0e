import type { HostRoom } from '../machine/session/host-room.ts';
import type { Machine } from '../machine/session/machine.ts';
import type { Hold, Session } from '../machine/session/session.ts';
import { type Checkpoint, Checkpoints } from './checkpoints.ts';
import type { TimelineOptions } from './past.ts';
import { Timeline } from './timeline.ts';

/** Instructions between checkpoints of a machine that runs, at least: less is replayed in no time. */
const DEFAULT_SPACING = 20_000_000;
/** Milliseconds between them, at least, and as long as a capture's cost is below its share of them. */
const INTERVAL = 250;
/** What part of the time captures may take… */
const SHARE = 0.01;
/** …but where they are put into the file, which was asked for, so many milliseconds lie between them, whatever they cost. */
const STORED_INTERVAL = 120;
/** Milliseconds that the first capture is taken to cost: short runs do without. */
const FIRST_COST = 15;
const DEFAULT_BUDGET = 256 * 2 ** 20;
/** Pages looked at or compressed after a slice. */
const REST = 64;

export interface LiveOptions extends TimelineOptions {
  /** Milliseconds between checkpoints at least; default 250, or 120 where they are stored. */
  readonly interval?: number;
  /** Put every checkpoint into the recording as well, so that it opens anywhere at once. */
  readonly store?: boolean;
}

/**
 * Keeps checkpoints of a machine while it runs, so that its past can be gone to at any time. Attach before the first run. They are as far apart as it
 * takes for their cost to be a hundredth of the time, and are thinned out within a budget of memory.
 */
export class LivePast {
  /** Moves the machine while its session is in the past. */
  readonly timeline: Timeline;
  private readonly session: Session;
  private readonly room: HostRoom;
  private readonly spacing: number;
  private readonly interval: number | undefined;
  private readonly checkpoints: Checkpoints;
  private readonly store: boolean;
  private nextAt: number;
  private capturedAt: number;
  /** Milliseconds that the last capture took so far. */
  private cost = FIRST_COST;
  private lastStored: Checkpoint | undefined;

  constructor(machine: Machine, room: HostRoom, options: LiveOptions = {}) {
    const session = machine.internals;
    const { engine } = session;
    this.session = session;
    this.room = room;
    this.spacing = options.spacing ?? DEFAULT_SPACING;
    this.interval = options.interval;
    this.store = options.store ?? false;
    this.checkpoints = new Checkpoints(
      engine,
      options.budget ?? DEFAULT_BUDGET,
      session.position,
      engine.instructions === (session.log.header.start?.at.instructions ?? 0),
    );
    this.timeline = new Timeline(session, room, { ...options, spacing: this.spacing }, this.checkpoints);
    this.nextAt = engine.instructions + this.spacing;
    this.capturedAt = room.now();
    session.keepsPast = true;
    machine.onSlice = () => this.afterSlice();
  }

  /** Bytes that checkpoints take. */
  get size(): number {
    return this.checkpoints.size;
  }

  /** How many there are. */
  get count(): number {
    return this.checkpoints.all.length;
  }

  /** They themselves, in order of time. */
  get all(): readonly Checkpoint[] {
    return this.checkpoints.all;
  }

  /** Puts the machine's session into the past, at its end: {@link timeline} moves it from then on. The machine must not be running. */
  goBack(hold?: Hold): void {
    const { session } = this;
    session.mustBeIdle('go to the past', hold);
    this.checkpoints.capture(session.position);
    session.goToPast(hold);
  }

  /** The machine goes on live from where the timeline is; what came after is forgotten. */
  resume(hold?: Hold): void {
    const { session } = this;
    session.resume(hold);
    this.checkpoints.forget(session.engine.instant);
    this.nextAt = session.engine.instructions + this.spacing;
  }

  /** Takes a checkpoint where the machine is, and puts it into the recording if that is wanted: before closing, for a quick way to the end. */
  capture(): void {
    const { session } = this;
    this.capturedAt = this.room.now();
    const checkpoint = this.checkpoints.capture(session.position);
    if (this.store && checkpoint !== this.lastStored) {
      session.noteEnd();
      session.recorder?.store(this.checkpoints.pack(checkpoint));
    }
    this.lastStored = checkpoint;
    this.nextAt = session.engine.instructions + this.spacing;
    this.cost = this.room.now() - this.capturedAt;
  }

  private afterSlice(): void {
    const { engine } = this.session;
    if (this.isDue() || (this.store && engine.halt !== undefined)) {
      this.capture();
      return;
    }
    const before = this.room.now();
    this.checkpoints.rest(REST);
    this.cost += this.room.now() - before;
  }

  private isDue(): boolean {
    if (this.session.engine.instructions < this.nextAt) return false;
    const { interval = this.store ? STORED_INTERVAL : INTERVAL } = this;
    const wait = interval === 0 || this.store ? interval : Math.max(interval, this.cost / SHARE);
    return this.room.now() >= this.capturedAt + wait;
  }
}
