import { copyOf } from '../../bytes/source.ts';
import type { JitOptions } from '../../jit/core.ts';
import type { Link } from '../../net/link.ts';
import { COMMAND, EVENT, type HostEvent, type Input, type Instant, TERMINAL_PORT } from '../../record/door.ts';
import type { RecordSink } from '../../record/format.ts';
import { deviceCommand, userCommand } from '../../record/inputs.ts';
import type { EventLog } from '../../record/recorder.ts';
import { answer, fixedSources, type Sources } from '../../record/sources.ts';
import type { MachineConfig } from '../board/config.ts';
import { type CoreKind, coreFactory } from '../engine/cores.ts';
import type { Halt } from '../engine/progress.ts';
import { mustHoldDisks, saveMachine } from '../state/save.ts';
import { Snapshot } from '../state/snapshot.ts';
import { stateHash } from '../state/state-hash.ts';
import { RecordingCadence } from './cadence.ts';
import { Console, type ExpectOptions } from './console.ts';
import { Driver, type RunResult, type RunUntil, type Watcher } from './driver.ts';
import { SessionStateError } from './errors.ts';
import type { ExpectResult } from './expectation.ts';
import type { HostRoom } from './host-room.ts';
import { imagesOf } from './images.ts';
import { type ListenerFailure, Listeners } from './listeners.ts';
import {
  type Hardware,
  type HardwareOptions,
  type ImageFiles,
  type NamedBytes,
  nameImage,
  planHardware,
  RNG_SEED_BYTES,
  rebuildHardware,
} from './options.ts';
import { isTerminal, Outputs } from './outputs.ts';
import { type BranchOrigin, type Hold, Session, type StartSnapshot } from './session.ts';
import { Wires } from './wires.ts';

/** How a machine is run; none of it is part of the machine. */
export interface RunOptions {
  /** `jit` (default) translates, `wasm` and `ts` interpret. */
  readonly core?: CoreKind;
  /** How eagerly the translator of `jit` works, and who looks on. */
  readonly translator?: JitOptions;
  /**
   * `virtual` (default): idle time is skipped, the wall clock is a fixed date and randomness is seeded, so that every run is the same.
   * `host`: idle time is waited for, clock and randomness are the host's.
   */
  readonly clock?: 'virtual' | 'host';
  /** A snapshot to start from instead of power-on; of a machine of the same configuration. */
  readonly from?: NamedBytes | StartSnapshot;
  /** Keep what enters in a file; it is kept in memory in any case. */
  readonly record?: RecordSink;
  /**
   * Don't keep what enters in memory, which grows with it, once it is in the recording's file, if there is one: the machine can't go back or be
   * copied then.
   */
  readonly forget?: boolean;
  /** Put kernel, initrd, firmware and disks (each up to 512 MiB) into the recording, so that it replays without them. */
  readonly embed?: boolean;
  /** Put a state hash into the recording every so many instructions, for `replay --verify`; 0 for none; and one at the end. Default 2^28. */
  readonly hashEvery?: number;
}

export type MachineOptions = HardwareOptions & RunOptions;

/** What a machine tells its listeners. */
export interface MachineEvents {
  /** Bytes for the terminal. */
  readonly console: Uint8Array;
  /** Output of any device: its port's name and the bytes. */
  readonly output: { readonly port: string; readonly bytes: Uint8Array };
  /** The guest ended. */
  readonly halt: Halt;
  /** The guest restarted the machine, or the reset button was pushed; at this instant or a little before. What waited to be read by it may wait still. */
  readonly reset: Instant;
  /** Something entered the machine. */
  readonly event: HostEvent;
  /** A listener threw that said nothing of its own about errors. */
  readonly error: ListenerFailure;
}

/** Everything a machine is made of. */
export interface MachineParts {
  readonly hardware: Hardware;
  readonly options: RunOptions;
  readonly room: HostRoom;
  /** For one that goes on where another machine is. */
  readonly origin?: BranchOrigin;
  /** For one that starts from a snapshot. */
  readonly start?: StartSnapshot;
  /** What was opened for this machine alone and is closed with it. */
  readonly resources?: readonly Closeable[];
}

/** A file or another thing of the host's that is held open. */
export interface Closeable {
  close(): void | Promise<void>;
}

/** A class of machines: {@link Machine} or one made from it. */
export type MachineClass<M extends Machine> = new (parts: MachineParts) => M;

const NANOSECONDS = 1e9;
const DEFAULT_HASH_EVERY = 2 ** 28;

/** Where a machine's devices get their answers. @param past events whose answers were drawn from the same sources before */
function sourcesFor(clock: RunOptions['clock'], seed: number, room: HostRoom, past: readonly HostEvent[]): Sources {
  if (clock === 'host') return { clock: () => room.wallClock(), entropy: (length) => room.entropy(length) };
  const sources = fixedSources(seed);
  for (const { kind, payload } of past)
    if (kind === EVENT.ANSWER && payload[0] === 1) answer(sources, 'entropy', payload.length - 1);
  return sources;
}

/** A computer: create it, talk to its console, run it. One run at a time. */
export class Machine {
  /** Engine, doors and recorder. For debuggers and tools; not covered by promises of stability. */
  readonly internals: Session;
  /** Called after every slice of a run, between two instructions; must not change the machine. */
  onSlice: (() => void) | undefined;
  /**
   * Called while the machine executes, for each piece of a device's output as it comes out: {@link instant} is where. Must not change the machine or
   * keep the bytes. Not called for what is replayed.
   */
  onOutput: ((port: number, bytes: Uint8Array) => void) | undefined;
  /** Looks at the machine while it runs. */
  watcher: Watcher | undefined;
  private readonly resources: readonly Closeable[];
  private wasReset = false;
  private readonly driver: Driver;
  private readonly cadence: RecordingCadence;
  private readonly outputs = new Outputs(
    (port) => this.internals.engine.board.ports[port].host?.output === 'stream',
    (port, bytes) => this.emit(port, bytes),
  );
  private readonly wires: Wires;
  private readonly listeners = new Listeners<MachineEvents>();
  private readonly terminal: Console;
  private running: Promise<RunResult> | undefined;
  private closed = false;
  /** What is written to its disks is kept where they were opened for that. */
  private keepsWrites = false;

  /** Use `create`. */
  constructor({ hardware, options, room, origin, start, resources = [] }: MachineParts) {
    this.resources = resources;
    const { seed } = hardware.config.rotation;
    this.internals = Session.live(
      {
        hardware,
        room,
        core: coreFactory(options.core ?? 'jit', options.translator),
        sources: sourcesFor(options.clock, seed, room, origin?.past ?? []),
        output: (port, bytes, replayed) => {
          if (replayed) return;
          // Devices emit while they are powered on, before anything can be wired to them.
          this.wires?.output(port, bytes);
          this.outputs.collect(port, bytes);
          this.onOutput?.(port, bytes);
        },
        ...(start && { start }),
        ...(options.forget && { forgets: true }),
      },
      origin,
      options.record,
    );
    const session = this.internals;
    const recorder = session.recorder!;
    this.wires = new Wires(session, () => this.driver.wake());
    session.onRestart = () => this.wires.restart();
    session.onEvent = (event) => this.listeners.tell('event', event);
    session.onReset = () => {
      this.wasReset = true;
    };
    session.onLeave = () => this.outputs.flush();
    for (const { hash, bytes, unfiled } of hardware.images)
      if (options.embed === true || unfiled === true) recorder.embed(hash, bytes);
    if (options.embed === true) {
      if (start !== undefined) for (const { hash, bytes } of snapshotFiles(start)) recorder.embed(hash, bytes);
    }
    const isOver = (): boolean => this.halt !== undefined || this.closed;
    const isRunning = (): boolean => this.isRunning;
    this.terminal = new Console(
      {
        get isRunning() {
          return isRunning();
        },
        get isOver() {
          return isOver();
        },
        run: (until) => this.run(until),
      },
      room,
    );
    const watcher = (): Watcher | undefined => this.watcher;
    const cadence = new RecordingCadence(session.engine, recorder, room, options.hashEvery ?? DEFAULT_HASH_EVERY);
    this.cadence = cadence;
    this.driver = new Driver(session, room, this.wires, options.clock === 'host', {
      get border() {
        return cadence.nextHash;
      },
      get watcher() {
        return watcher();
      },
      afterSlice: (border) => this.afterSlice(border),
      congested: () => this.terminal.congested(),
    });
    // Whom the guest talked to in the machine that was copied or saved is not there any more.
    if (origin !== undefined || session.engine.connections.any) this.wires.restart();
    // What a copy of a machine writes is its own.
    if (origin === undefined) this.keepWrites();
  }

  /**
   * Builds a machine and powers it on; nothing is executed yet.
   * @throws ConfigError, LoadError saying what is wrong and what to do
   */
  static create(options: MachineOptions, room: HostRoom): Promise<Machine> {
    return createMachine(Machine, options, room);
  }

  get config(): MachineConfig {
    return this.internals.engine.config;
  }

  /** What entered so far. */
  get recording(): EventLog {
    return this.internals.log;
  }

  /** Where the machine is. */
  get instant(): Instant {
    return this.internals.engine.instant;
  }

  /** Guest time in seconds. */
  get guestTime(): number {
    return this.internals.engine.time / NANOSECONDS;
  }

  /** How the guest ended, if it did. */
  get halt(): Halt | undefined {
    return this.internals.engine.halt;
  }

  /** Whether a run is under way. */
  get isRunning(): boolean {
    return this.running !== undefined;
  }

  /** Names of the devices. */
  get ports(): readonly string[] {
    return this.recording.header.ports;
  }

  /**
   * The terminal's output from when it is iterated on, as it comes; ends when the guest does. Iterating runs the machine if nobody else does. The machine
   * waits for a reader that leaves more than 1 MiB unread; one that reads no more says so by `return`, as `break` does.
   */
  get console(): AsyncIterable<Uint8Array> {
    return { [Symbol.asyncIterator]: () => this.terminal.open() };
  }

  /**
   * Waits until the console has shown a text, and runs the machine meanwhile if nobody else does; it is paused then. Expectations go through the output
   * in order, from the end of the last match on.
   * @throws ExpectError (as a rejection) when that does not happen, saying why
   */
  expect(pattern: string | RegExp, options: ExpectOptions = {}): Promise<ExpectResult> {
    return this.terminal.expect(pattern, options);
  }

  /**
   * Types on the terminal; text is UTF-8. What the guest has no room for waits.
   * @returns resolves when more may be typed: the guest has taken all but 64 KiB
   * @throws InputOverflowError when 16 MiB wait
   */
  write(data: string | Uint8Array): Promise<void> {
    return this.give(TERMINAL_PORT, typeof data === 'string' ? new TextEncoder().encode(data) : data.slice());
  }

  /**
   * Sends bytes to a device by its port's name (see {@link ports}).
   * @param own the bytes are nobody else's from now on, and need not be copied
   * @returns as {@link write} @throws RangeError for a name that is none, InputOverflowError as {@link write}
   */
  send(port: string, bytes: Uint8Array, own = false): Promise<void> {
    return this.give(this.portId(port), own ? bytes : bytes.slice());
  }

  /** Tells virtio consoles the terminal's size in characters. */
  resize(columns: number, rows: number): void {
    this.commandAll('resize', columns, rows);
  }

  /**
   * Asks the guest for memory: what its balloon is to hold in all, in bytes; 0 gives everything back. The guest's driver takes its time.
   * Its pages are zero from then on, and cost nothing in checkpoints.
   * @throws RangeError when the machine has no balloon (option `balloon`), or for an impossible size
   */
  balloon(bytes: number): void {
    if (this.commandAll('inflate', bytes) === 0)
      throw new RangeError("the machine has no memory balloon: create it with the option 'balloon'");
  }

  /**
   * Gives a device one of its kind's commands (see src/devices/registry.ts).
   * @throws RangeError for a port that is none, or a command or arguments that are not the device's
   */
  control(port: string, command: string, ...args: number[]): void {
    const id = this.portId(port);
    const encode = this.internals.engine.board.ports[id].host?.commands?.[command];
    if (encode === undefined) throw new RangeError(`${port} knows no command "${command}"`);
    this.put(deviceCommand(id, encode(...args)));
  }

  /** Has the guest's real-time clock ask for the time again: after a start from a snapshot it has that of the machine it was made of. */
  refreshClock(): void {
    this.commandAll('forget');
  }

  /**
   * Wires a network device to a link: the host's network, a switch, … Without one it sends into the void. Whether or not there is one, a machine
   * that goes on from its past finds its connections reset.
   * @param link ends with the machine @throws RangeError when the machine has no network device that is not wired yet
   */
  plug(link: Link): void {
    const { slots } = this.internals.engine.board;
    const port = slots.findIndex(({ device }, id) => device.kind === 'virtio-net' && !this.wires.has(id));
    if (port < 0) throw new RangeError("the machine has no network device to plug in: create it with the option 'net'");
    this.wires.connect(port, link);
  }

  /** Drops input for a device that its guest has not read yet. @throws RangeError when there is no such port */
  discard(port: string): void {
    this.internals.inputs.discard(this.portId(port));
  }

  /** Pushes the reset button. */
  reset(): void {
    this.put(userCommand(COMMAND.RESET));
  }

  /** Pulls the plug. */
  powerOff(): void {
    this.put(userCommand(COMMAND.POWER_OFF));
  }

  /**
   * Listens to events of one kind.
   * @param onError gets what the listener throws; without it, those who listen to `error` do
   * @returns what ends it
   */
  on<K extends keyof MachineEvents>(
    kind: K,
    listener: (value: MachineEvents[K]) => void,
    onError?: (error: unknown) => void,
  ): () => void {
    return this.listeners.on(kind, listener, onError);
  }

  /**
   * Runs until the guest ends, the limit is reached, all harts wait for input that is not there, or {@link pause}.
   * @param hold of the operation that the run is part of
   * @throws SessionBusyError, SessionStateError; what a device throws
   */
  run(until: RunUntil = {}, hold?: Hold): Promise<RunResult> {
    const { internals } = this;
    internals.mustBeIdle('run', hold);
    if (this.closed) throw new SessionStateError('the machine was closed');
    if (internals.state === 'past')
      throw new SessionStateError('the machine is in its past: go live or resume before it runs');
    const run = internals
      .exclusively('run', () => this.driver.run(until), hold)
      .finally(() => {
        this.running = undefined;
      });
    this.running = run;
    return run;
  }

  /** Stops a run between two instructions. Resolves when it has stopped. */
  async pause(): Promise<void> {
    this.driver.pauseSoon();
    await this.running?.catch(() => undefined);
  }

  /** Hash of the whole state, 16 hexadecimal digits: equal for equal machines, whatever they run on. Not during a run. */
  hash(): string {
    this.internals.mustBeIdle('take a hash');
    return stateHash(this.internals.engine);
  }

  /** The whole machine as bytes. Not during a run. */
  save(): Uint8Array {
    this.internals.mustBeIdle('save the state');
    return saveMachine(mustHoldDisks(this.internals.engine));
  }

  /**
   * Puts a saved state in place. Not during a run.
   * @throws StateError when it is foreign, damaged or of another machine · SessionStateError when a recording or a kept past could not follow
   */
  restore(state: Uint8Array): void {
    this.internals.restore(state);
  }

  /** Goes on with another core. Not during a run. */
  setCore(kind: CoreKind): void {
    this.internals.mustBeIdle('change the core');
    this.internals.engine.changeCore(coreFactory(kind));
  }

  /** Pauses, and closes the recording and whatever was opened for the machine. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    await this.pause();
    const inPast = this.internals.state === 'past';
    this.cadence.close(inPast);
    this.wires.close();
    this.terminal.end();
    try {
      if (!inPast && this.keepsWrites) for (const backend of this.internals.hardware.backends) backend.keepNow?.();
    } finally {
      for (const resource of this.resources) await resource.close();
    }
  }

  /** {@link Symbol.asyncDispose} by a name. */
  close(): Promise<void> {
    return this[Symbol.asyncDispose]();
  }

  /** Gives a command to every device that knows it. @returns how many do */
  private commandAll(command: string, ...args: number[]): number {
    const knowing = this.internals.engine.board.ports.filter(({ host }) => host?.commands?.[command] !== undefined);
    for (const { name } of knowing) this.control(name, command, ...args);
    return knowing.length;
  }

  private portId(port: string): number {
    const id = this.ports.indexOf(port);
    if (id < 0) throw new RangeError(`there is no port "${port}": expected one of ${this.ports.join(', ')}`);
    return id;
  }

  private keepWrites(): void {
    const { hardware, engine } = this.internals;
    this.keepsWrites = true;
    hardware.backends.forEach((backend, i) => {
      backend.keepWrites?.(engine.board.disks[i], () => this.internals.state !== 'past');
    });
  }

  private give(port: number, bytes: Uint8Array): Promise<void> {
    const room = this.internals.inputs.give(port, bytes);
    this.driver.wake();
    return room;
  }

  private put(input: Input): void {
    this.internals.inputs.command(input);
    this.driver.wake();
  }

  /** Passes on what came out, and keeps the recording. */
  private afterSlice(border: number): void {
    if (this.wasReset) {
      this.wasReset = false;
      this.listeners.tell('reset', this.instant);
    }
    this.outputs.flush();
    this.cadence.afterSlice(border);
    this.onSlice?.();
    if (this.halt === undefined) return;
    this.listeners.tell('halt', this.halt);
    this.terminal.end();
  }

  private emit(port: number, bytes: Uint8Array): void {
    const { board } = this.internals.engine;
    this.listeners.tell('output', { port: board.ports[port].name, bytes });
    if (!isTerminal(board, port)) return;
    this.listeners.tell('console', bytes);
    this.terminal.push(bytes);
  }
}

/** A snapshot as a machine's start. @throws StateError when it is foreign, damaged or of another version */
export async function startSnapshot(from: NamedBytes | StartSnapshot, room: HostRoom): Promise<StartSnapshot> {
  if ('snapshot' in from) return from;
  const snapshot = Snapshot.open(from.bytes, from.file);
  const { at, time } = snapshot;
  return { name: { ...(await nameImage(from, room)), at, time }, snapshot };
}

/**
 * Builds a machine as a snapshot's was, where that was; nothing is executed yet.
 * @param files its kernel, disks, …: found by the hashes that the snapshot's configuration names @throws ConfigError, LoadError, StateError
 */
export async function createFromStart<M extends Machine>(
  Class: MachineClass<M>,
  start: StartSnapshot,
  files: ImageFiles,
  options: RunOptions,
  room: HostRoom,
  resources: readonly Closeable[] = [],
): Promise<M> {
  const hardware = await rebuildHardware(start.snapshot.config, files, room);
  const images = options.embed === true ? { images: await imagesOf(hardware) } : {};
  return new Class({ hardware: { ...hardware, ...images }, options, room, resources, start });
}

/** The files of a snapshot, by their hashes. */
function snapshotFiles({ name, snapshot }: StartSnapshot): { hash: string; bytes: Uint8Array }[] {
  const hashes = [name.hash, ...snapshot.files[0].bases];
  return snapshot.files.map(({ source }, i) => ({
    hash: hashes[i],
    bytes: copyOf(source),
  }));
}

/** Builds a machine of a class and powers it on; nothing is executed yet. @throws ConfigError, LoadError */
export async function createMachine<M extends Machine>(
  Class: MachineClass<M>,
  options: MachineOptions,
  room: HostRoom,
  resources: readonly Closeable[] = [],
): Promise<M> {
  // With the host's clock no two machines are the same, unless a seed asks for it: neither are the keys that their guests make.
  const own =
    options.clock === 'host' &&
    options.seed === undefined &&
    options.rngSeed === undefined &&
    options.from === undefined;
  const hardware = await planHardware(own ? { ...options, rngSeed: room.entropy(RNG_SEED_BYTES) } : options, room);
  const images = options.embed === true ? { images: await imagesOf(hardware) } : {};
  const start = options.from && (await startSnapshot(options.from, room));
  return new Class({ hardware: { ...hardware, ...images }, options, room, resources, ...(start && { start }) });
}
