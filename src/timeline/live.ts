import type { HostRoom } from '../machine/session/host-room.ts';
import type { Machine } from '../machine/session/machine.ts';
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
  private readonly machine: Machine;
  private readonly room: HostRoom;
  private readonly options: LiveOptions;
  private readonly checkpoints: Checkpoints;
  private readonly store: boolean;
  private nextAt: number;
  private capturedAt: number;
  /** Milliseconds that the last capture took so far. */
  private cost = FIRST_COST;
  private lastStored: Checkpoint | undefined;
  private readonly output: Machine['engine']['output'];

  constructor(machine: Machine, room: HostRoom, options: LiveOptions = {}) {
    const { engine, recording } = machine;
    this.machine = machine;
    this.room = room;
    this.options = { ...options, spacing: options.spacing ?? DEFAULT_SPACING };
    this.store = options.store ?? false;
    this.checkpoints = new Checkpoints(
      engine,
      options.budget ?? DEFAULT_BUDGET,
      recording.events.length,
      engine.instructions === 0,
    );
    this.nextAt = engine.instructions + this.options.spacing!;
    this.capturedAt = room.now();
    this.output = engine.output;
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

  /**
   * The machine's timeline, which takes the machine over: it must stand, and run no more until {@link resume}.
   */
  timeline(): Timeline {
    if (this.machine.isRunning) throw new Error('the machine is running: pause it first');
    const { engine } = this.machine;
    this.checkpoints.capture(this.machine.recording.events.length);
    this.machine.noteEnd();
    // What is replayed was shown before.
    engine.output = () => undefined;
    return new Timeline(engine, this.machine.recording, this.room, this.options, this.checkpoints);
  }

  /** Gives the machine back to live at the instant where the timeline stands; what came after is forgotten. */
  resume(timeline: Timeline): void {
    this.checkpoints.forget(timeline.at);
    this.machine.engine.output = this.output;
    this.machine.takeBack(timeline.nextEvent);
    this.nextAt = this.machine.engine.instructions + this.options.spacing!;
  }

  /** Takes a checkpoint where the machine stands, and puts it into the recording if that is wanted: before closing, for a quick way to the end. */
  capture(): void {
    const { engine, recording } = this.machine;
    this.capturedAt = this.room.now();
    const checkpoint = this.checkpoints.capture(recording.events.length);
    if (this.store && checkpoint !== this.lastStored) this.machine.storeCheckpoint(this.checkpoints.pack(checkpoint));
    this.lastStored = checkpoint;
    this.nextAt = engine.instructions + this.options.spacing!;
    this.cost = this.room.now() - this.capturedAt;
  }

  private afterSlice(): void {
    const { engine } = this.machine;
    if (this.isDue() || (this.store && engine.halt !== undefined)) {
      this.capture();
      return;
    }
    const before = this.room.now();
    this.checkpoints.rest(REST);
    this.cost += this.room.now() - before;
  }

  private isDue(): boolean {
    if (this.machine.engine.instructions < this.nextAt) return false;
    const { interval = this.store ? STORED_INTERVAL : INTERVAL } = this.options;
    const wait = interval === 0 || this.store ? interval : Math.max(interval, this.cost / SHARE);
    return this.room.now() >= this.capturedAt + wait;
  }
}
