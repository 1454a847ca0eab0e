import type { HostRoom } from '../machine/host-room.ts';
import type { Machine } from '../machine/machine.ts';
import { type Checkpoint, Checkpoints } from './checkpoints.ts';
import { Timeline, type TimelineOptions } from './timeline.ts';

/** Instructions between checkpoints of a machine that runs, at least. */
const DEFAULT_SPACING = 50_000_000;
/** Milliseconds between them, at least: what a capture costs is little beside that, and so is what lies between to replay. */
const INTERVAL = 500;
const DEFAULT_BUDGET = 256 * 2 ** 20;
/** Pages compressed after a slice. */
const REST = 16;

export interface LiveOptions extends TimelineOptions {
  /** Milliseconds between checkpoints at least; default 500. */
  readonly interval?: number;
}

/**
 * Keeps checkpoints of a machine while it runs, so that its past can be gone to at any time. Attach before the first run. It costs a capture
 * every spacing, and a budget of memory.
 */
export class LivePast {
  /** Put every checkpoint into the recording as well, so that it opens anywhere at once. */
  store = false;
  private readonly machine: Machine;
  private readonly room: HostRoom;
  private readonly options: LiveOptions;
  private readonly checkpoints: Checkpoints;
  private nextAt: number;
  private notBefore = 0;
  private lastStored: Checkpoint | undefined;
  private readonly output: Machine['engine']['output'];

  constructor(machine: Machine, room: HostRoom, options: LiveOptions = {}) {
    this.machine = machine;
    this.room = room;
    this.options = { ...options, spacing: options.spacing ?? DEFAULT_SPACING };
    this.checkpoints = new Checkpoints(machine.engine, options.budget ?? DEFAULT_BUDGET, machine.recording.events.length);
    this.nextAt = machine.engine.instructions + this.options.spacing!;
    this.output = machine.engine.output;
    machine.onSlice = () => this.afterSlice();
  }

  /** Bytes that checkpoints take. */
  get size(): number {
    return this.checkpoints.size;
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
    const checkpoint = this.checkpoints.capture(recording.events.length);
    if (this.store && checkpoint !== this.lastStored) this.machine.storeCheckpoint(this.checkpoints.pack(checkpoint));
    this.lastStored = checkpoint;
    this.notBefore = this.room.now() + (this.options.interval ?? INTERVAL);
    this.nextAt = engine.instructions + this.options.spacing!;
  }

  private afterSlice(): void {
    const { engine } = this.machine;
    if ((engine.instructions >= this.nextAt && this.room.now() >= this.notBefore) || (this.store && engine.halt !== undefined)) this.capture();
    else this.checkpoints.rest(REST);
  }
}
