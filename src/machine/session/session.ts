import { concat } from '../../bytes/concat.ts';
import { toHex } from '../../bytes/hex.ts';
import { formatInstant } from '../../record/divergence.ts';
import { compareInstants, EVENT, type HostEvent, type Input, type Instant } from '../../record/door.ts';
import { DoorSwitch } from '../../record/door-switch.ts';
import type { NotedInstant, RecordSink, SnapshotStart } from '../../record/format.ts';
import { LiveDoor } from '../../record/live-door.ts';
import { type EventLog, Recorder, recordingHeader } from '../../record/recorder.ts';
import { ReplayDoor } from '../../record/replay-door.ts';
import type { Sources } from '../../record/sources.ts';
import { type CoreFactory, Engine } from '../engine/engine.ts';
import { type Limit, STOP, type Stop } from '../engine/stop.ts';
import { copyState } from '../state/copy.ts';
import { restoreMachine } from '../state/save.ts';
import type { Snapshot } from '../state/snapshot.ts';
import { SessionBusyError, SessionStateError } from './errors.ts';
import type { HostRoom } from './host-room.ts';
import type { Hardware } from './options.ts';

/**
 * `live`: what happens is new, and recorded · `past`: what was recorded is replayed · `branch`: live again on a recording's past, with a recording of
 * its own in memory
 */
export type SessionState = 'live' | 'past' | 'branch';

/** What a session is made of, whatever its state. */
export interface SessionParts {
  readonly hardware: Pick<Hardware, 'config' | 'plan' | 'backends'>;
  readonly core: CoreFactory;
  readonly room: HostRoom;
  /** Answers to devices' questions while it is live. */
  readonly sources: Sources;
  /** Gets the output of devices; `replayed` tells that it came out before. */
  readonly output?: (port: number, bytes: Uint8Array, replayed: boolean) => void;
  /** Where it starts; power-on if not given. */
  readonly start?: StartSnapshot;
  /** What enters is not kept in memory: nobody goes back. */
  readonly forgets?: boolean;
}

/** Where a live session begins other than at power-on: where another machine is, whose past it shares. */
export interface BranchOrigin {
  readonly engine: Engine;
  /** What entered that machine so far. */
  readonly past: readonly HostEvent[];
  readonly parent: { readonly id: string; readonly at: Instant };
  /** The snapshot that machine started from. */
  readonly start?: SnapshotStart;
}

/** A snapshot that a machine starts from. */
export interface StartSnapshot {
  readonly name: SnapshotStart;
  readonly snapshot: Snapshot;
}

/** The right to move a machine while an operation is under way, see {@link Session.exclusively}. */
export interface Hold {
  readonly operation: string;
}

/**
 * The one owner of who drives a machine: of its engine, its doors and its recorder. It is in exactly one state and changes it by the transitions below
 * only; one operation at a time moves the machine.
 */
export class Session {
  readonly engine: Engine;
  /** What the machine was built from. */
  readonly hardware: SessionParts['hardware'];
  /** Where the host puts inputs. They enter while the session is not in the past. */
  readonly inputs: LiveDoor;
  /** Called for each event that entered a live machine, after it was recorded. */
  onEvent: ((event: HostEvent) => void) | undefined;
  /** Called after the machine was reset while it was not in the past. */
  onReset: (() => void) | undefined;
  /** Called before the session leaves the present: what came out of the machine is complete. */
  onLeave: (() => void) | undefined;
  /** Called when the machine goes on live from another state than it had; the engine's connections are those of there. */
  onRestart: (() => void) | undefined;
  /** Somebody keeps checkpoints of it, which a state from elsewhere would make wrong. */
  keepsPast = false;
  private readonly room: HostRoom;
  private readonly door: DoorSwitch;
  /** State when not in the past; undefined for a recording that was not branched from. */
  private present: Exclude<SessionState, 'past'> | undefined;
  /** There in the past only. */
  private replay: ReplayDoor | undefined;
  private events: EventLog;
  private ownRecorder: Recorder | undefined;
  private operation: Hold | undefined;

  private constructor(
    parts: SessionParts,
    start: { readonly recording: EventLog } | { readonly origin?: BranchOrigin; readonly sink?: RecordSink },
  ) {
    const { output } = parts;
    const { config, plan, backends } = parts.hardware;
    this.hardware = parts.hardware;
    this.room = parts.room;
    this.inputs = new LiveDoor(parts.sources, (event) => this.entered(event));
    const recording = 'recording' in start ? start.recording : undefined;
    this.replay = recording && new ReplayDoor(recording.events);
    this.door = new DoorSwitch(this.replay ?? this.inputs);
    this.engine = new Engine({
      config,
      plan,
      backends,
      door: this.door,
      core: parts.core,
      wasReset: () => {
        if (this.replay === undefined) this.onReset?.();
      },
      output: (port, bytes) => {
        const replayed = this.replay !== undefined;
        output?.(port, bytes, replayed);
        // A request is passed on at once, so that its answer need not wait for the end of a slice.
        if (!replayed && this.engine?.board.slots[port]?.device.awaitsAnswer === true) this.engine.leave();
      },
    });
    if (parts.start !== undefined) {
      restoreMachine(this.engine, parts.start.snapshot);
      this.engine.repeatRequests();
    }
    if (recording !== undefined) {
      this.events = recording;
      return;
    }
    const { origin, sink } = start as { readonly origin?: BranchOrigin; readonly sink?: RecordSink };
    if (origin !== undefined) {
      copyState(origin.engine, this.engine);
      this.engine.repeatRequests();
    }
    const ports = this.engine.board.ports.map(({ name }) => name);
    const overlays = backends.map(({ overlay }) => overlay ?? null);
    const header = recordingHeader(config, ports, newId(parts.room), {
      ...(parts.start && { start: parts.start.name }),
      ...(overlays.some((overlay) => overlay !== null) && { overlays }),
      ...origin,
    });
    this.present = 'live';
    this.ownRecorder = new Recorder(header, sink, origin?.past, parts.forgets);
    this.events = this.ownRecorder;
  }

  /** A live machine, at power-on or where another one is. @param sink where its recording goes, besides memory */
  static live(parts: SessionParts, origin?: BranchOrigin, sink?: RecordSink): Session {
    return new Session(parts, { ...(origin && { origin }), ...(sink && { sink }) });
  }

  /** The past of a recording, at its beginning. */
  static replaying(parts: SessionParts, recording: EventLog): Session {
    return new Session(parts, { recording });
  }

  get state(): SessionState {
    return this.replay === undefined ? this.present! : 'past';
  }

  /** What entered so far, or all that the recording holds. */
  get log(): EventLog {
    return this.events;
  }

  /** Keeps what enters; undefined while a recording is replayed that was not branched from. */
  get recorder(): Recorder | undefined {
    return this.ownRecorder;
  }

  /** Whether the session was live before, or became so: {@link goLive} and {@link resume} are possible in the past. */
  get hasPresent(): boolean {
    return this.present !== undefined;
  }

  /** The last instant that was reached or recorded. */
  get end(): Instant {
    return this.replay === undefined ? this.engine.instant : this.events.end;
  }

  /** Index of the event that enters next; the number of events at the end. */
  get position(): number {
    return this.replay?.position ?? this.events.events.length;
  }

  /** The log as the past's door supplies it: where a mover says which event comes next. @throws SessionStateError unless in the past */
  get replaying(): ReplayDoor {
    if (this.replay === undefined)
      throw new SessionStateError(`the session is ${this.state}, expected it to be in the past`);
    return this.replay;
  }

  // ---- transitions

  /** live or branch → past, at its end: what was recorded can be gone to. */
  goToPast(hold?: Hold): void {
    this.mustBeIdle('go to the past', hold);
    if (this.replay !== undefined) throw new SessionStateError('the session is in the past already');
    this.mustRemember();
    this.onLeave?.();
    this.noteEnd();
    this.replay = new ReplayDoor(this.events.events, this.events.events.length);
    this.door.current = this.replay;
  }

  /** @throws SessionStateError when what entered was not kept in memory */
  mustRemember(): void {
    if (this.ownRecorder?.forgets)
      throw new SessionStateError("what entered this machine is not kept in memory: create it without 'forget'");
  }

  /** past → live or branch, where that was left; the machine must be there. Nothing is forgotten. */
  goLive(hold?: Hold): void {
    this.mustBeIdle('go live', hold);
    this.mustHavePresent();
    const { instant } = this.engine;
    if (compareInstants(instant, this.events.end) !== 0)
      throw new SessionStateError(
        `the machine is at ${formatInstant(instant)}, its present at ${formatInstant(this.events.end)}: go there first, or resume here`,
      );
    this.leavePast();
  }

  /** past → live or branch, here: what came after is forgotten. */
  resume(hold?: Hold): void {
    this.mustBeIdle('resume', hold);
    this.mustHavePresent();
    const { instant, time } = this.engine;
    this.ownRecorder!.rewind(this.replaying.position, instant, time);
    this.leavePast();
    this.restarted();
  }

  /** past of a recording → branch, here: live again, with a recording of its own that shares the past so far. */
  branch(hold?: Hold): void {
    this.mustBeIdle('branch', hold);
    if (this.hasPresent)
      throw new SessionStateError('the session has a present of its own: resume from the past instead');
    const { header, events } = this.events;
    const { instant, time } = this.engine;
    const own = recordingHeader(header.config, header.ports, newId(this.room), {
      ...header,
      parent: { id: header.id, at: instant },
      marks: this.marks.filter((mark) => compareInstants(mark.at, instant) <= 0),
    });
    this.ownRecorder = new Recorder(own, undefined, events.slice(0, this.replaying.position));
    this.ownRecorder.flush(instant, time);
    this.events = this.ownRecorder;
    this.present = 'branch';
    this.leavePast();
    this.restarted();
  }

  // ---- moving

  /**
   * {@link Engine.run}, waiting for data that is late. A promise only then: stops at debug points are many.
   * @throws as Engine.run does
   */
  advance(limit: Limit): Stop | Promise<Stop> {
    for (;;) {
      const stop = this.engine.run(limit);
      if (stop === STOP.LATE) return this.engine.late.arrived().then(() => this.advance(limit));
      if (stop !== STOP.LEFT) return stop;
    }
  }

  /**
   * Has an input enter here and now, between two instructions.
   * @returns why it was refused, if it was @throws SessionStateError in the past, which cannot be changed
   */
  enter(input: Input): string | undefined {
    if (this.replay !== undefined) throw new SessionStateError('the past cannot be changed: resume or branch first');
    let refusal: string | undefined;
    this.inputs.command(input, (reason) => (refusal = reason));
    this.engine.admit();
    return refusal;
  }

  /** Puts a saved state in place. @throws StateError, SessionStateError while a recording could not follow */
  restore(state: Uint8Array): void {
    this.mustBeIdle('restore a state');
    if (this.replay !== undefined || this.present === 'branch')
      throw new SessionStateError('only a live machine that is not in its past takes a saved state');
    if (this.ownRecorder!.recordsToFile)
      throw new SessionStateError(
        'a recording cannot go on from a saved state that it does not lead to: restore into a machine without record',
      );
    if (this.keepsPast)
      throw new SessionStateError('checkpoints are kept of this machine: restore into one whose past is not kept');
    restoreMachine(this.engine, state);
    const { instant, time } = this.engine;
    this.ownRecorder!.beginAt(instant, time);
    this.becomeLive();
    this.onRestart?.();
  }

  /**
   * One operation at a time moves the machine.
   * @param act gets the right to do so, for what it asks of the session @param hold of the operation that this one is part of
   * @throws SessionBusyError naming the one that is under way
   */
  async exclusively<T>(operation: string, act: (hold: Hold) => Promise<T>, hold?: Hold): Promise<T> {
    this.mustBeIdle(operation, hold);
    if (hold !== undefined) return act(hold);
    const own = { operation };
    this.operation = own;
    try {
      return await act(own);
    } finally {
      this.operation = undefined;
    }
  }

  /** @param hold of who asks @throws SessionBusyError while another operation is under way */
  mustBeIdle(operation: string, hold?: Hold): void {
    if (this.operation !== hold) throw new SessionBusyError(operation, this.operation?.operation ?? 'move');
  }

  // ---- the recording

  /** Notes in the recording how far the machine came, and hands everything over to its file. */
  noteEnd(): void {
    const { instant, time } = this.engine;
    if (this.replay === undefined) this.ownRecorder?.flush(instant, time);
  }

  /** Places in time that the user named. */
  get marks(): readonly NotedInstant[] {
    return this.events.marks;
  }

  /** Keeps other marks than before: in the machine's own recording, or, of a recording that is replayed, here only. */
  keepMarks(marks: readonly NotedInstant[]): void {
    if (this.ownRecorder !== undefined) this.ownRecorder.keepMarks(marks);
    else this.events = { ...this.events, marks };
  }

  /** Notes in the recording that the machine goes on in a turn of its own among others. */
  noteTurn(turn: number): void {
    const { instant, time } = this.engine;
    if (this.replay === undefined) this.ownRecorder?.turn(instant, time, turn);
  }

  /** A branch's recording so far, as a file. @throws SessionStateError when there is none */
  exportBranch(): Uint8Array {
    if (this.present !== 'branch') throw new SessionStateError('there is no branch to save');
    this.noteEnd();
    const parts: Uint8Array[] = [];
    const { header, events, marks, end, endTime } = this.events;
    const recorder = new Recorder({ ...header, marks }, { write: (bytes) => parts.push(bytes.slice()) }, events);
    recorder.close(end, endTime);
    return concat(parts);
  }

  private entered(event: HostEvent): void {
    this.ownRecorder!.keep(event);
    this.noteFrame(event);
    this.onEvent?.(event);
  }

  /** Frames tell whom the guest talks to. */
  private noteFrame({ kind, port, payload }: HostEvent): void {
    const { board, connections } = this.engine;
    if (kind === EVENT.INPUT && board.slots[port]?.device.kind === 'virtio-net') connections.of(port).note(payload);
  }

  /** The machine goes on live from its past. */
  private restarted(): void {
    this.engine.connections.restart();
    for (const event of this.events.events) this.noteFrame(event);
    this.onRestart?.();
  }

  private leavePast(): void {
    this.replay = undefined;
    this.door.current = this.inputs;
    this.becomeLive();
  }

  /** The state is not the one that the host's side has seen last. */
  private becomeLive(): void {
    this.inputs.offerAgain();
    this.engine.repeatRequests();
  }

  private mustHavePresent(): void {
    if (this.replay === undefined) throw new SessionStateError(`the session is ${this.state} already`);
    if (this.present === undefined)
      throw new SessionStateError('a recording has no present to go to: branch from it instead');
  }
}

/** 16 hexadecimal digits that name a recording. */
const newId = (room: HostRoom): string => toHex(room.entropy(8));
