import { toHex } from '../../bytes/hex.ts';
import type { JitOptions } from '../../jit/core.ts';
import {
  answer,
  COMMAND,
  type Command,
  EVENT,
  fixedSources,
  type HostEvent,
  type Instant,
  LiveDoor,
  type Sources,
} from '../../record/door.ts';
import type { RecordSink } from '../../record/format.ts';
import { type EventLog, Recorder, recordingHeader } from '../../record/recorder.ts';
import type { PackedCheckpoint } from '../../record/writer.ts';
import type { MachineConfig } from '../board/config.ts';
import { type CoreKind, coreFactory } from '../engine/cores.ts';
import { Engine, type Halt, type Limit, STOP, type Stop } from '../engine/engine.ts';
import { restoreMachine, saveMachine } from '../state/save.ts';
import { stateHash } from '../state/state-hash.ts';
import { ByteStream } from './byte-stream.ts';
import type { HostRoom } from './host-room.ts';
import { imagesOf } from './images.ts';
import { InputQueues } from './input-queues.ts';
import { type Hardware, type HardwareOptions, planHardware } from './options.ts';
import { Pacer } from './pacer.ts';

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
  /** Keep what enters in a file; it is kept in memory in any case. */
  readonly record?: RecordSink;
  /** Put kernel, initrd, firmware and disks (each up to 512 MiB) into the recording, so that it replays without them. */
  readonly embed?: boolean;
  /** Put a state hash into the recording every so many instructions, for `replay --verify`; 0 for none; and one at the end. Default 2^28. */
  readonly hashEvery?: number;
}

export type MachineOptions = HardwareOptions & RunOptions;

/** How far {@link Machine.run} goes. */
export interface RunUntil {
  /** Instructions over all harts since power-on. */
  readonly instructions?: number;
  /** Guest time in seconds. */
  readonly guestTime?: number;
  /** Interrupts the run at an instant that changes nothing. */
  readonly signal?: AbortSignal;
}

/** Why a run ended. */
export interface RunResult {
  /** `halt` powered off or failed · `limit` as asked · `paused` by {@link Machine.pause} or the signal · `debug` a debug point of the engine was met */
  readonly reason: 'halt' | 'limit' | 'paused' | 'debug';
  readonly halt?: Halt;
  readonly instant: Instant;
  /** Seconds. */
  readonly guestTime: number;
}

/** What a machine tells its listeners. */
export interface MachineEvents {
  /** Bytes for the terminal. */
  console: Uint8Array;
  /** Output of any device: its port's name and the bytes. */
  output: { readonly port: string; readonly bytes: Uint8Array };
  /** The guest ended. */
  halt: Halt;
  /** Something entered the machine. */
  event: HostEvent;
}

const NANOSECONDS = 1e9;
const DEFAULT_HASH_EVERY = 2 ** 28;
/** Milliseconds between hand-overs of the recording to its file, with events and without. */
const FLUSH_EVERY = 250;
const FLUSH_QUIET = 2000;
/** Milliseconds a slice may take before other tasks run. */
const SLICE_TARGET = 8;
const SMALLEST_SLICE = 20_000;
const LARGEST_SLICE = 100_000_000;

/** A computer: create it, talk to its console, run it. One run at a time. */
export class Machine {
  /** The machine without a host: registers, RAM, devices. */
  readonly engine: Engine;
  /** What entered so far. */
  readonly recording: EventLog;
  /** Called after every slice of a run, between two instructions; must not change the machine. */
  onSlice: (() => void) | undefined;
  private readonly room: HostRoom;
  private readonly door: LiveDoor;
  private readonly recorder: Recorder;
  private readonly inputs: InputQueues;
  private readonly pacer: Pacer | undefined;
  private readonly streams = new Set<ByteStream>();
  private readonly listeners = new Map<keyof MachineEvents, Set<(value: never) => void>>();
  private readonly hashEvery: number;
  private readonly collected: { port: number; bytes: Uint8Array }[] = [];
  private running: Promise<RunResult> | undefined;
  private pausing = false;
  private wake: (() => void) | undefined;
  private slice = 1_000_000;
  private flushed = 0;
  private nextHash: number;
  private closed = false;

  /**
   * Builds a machine and powers it on; nothing is executed yet.
   * @throws ConfigError, LoadError saying what is wrong and what to do
   */
  static async create(options: MachineOptions, room: HostRoom): Promise<Machine> {
    const hardware = await planHardware(options, room);
    return new Machine(
      options.embed === true ? { ...hardware, images: await imagesOf(hardware) } : hardware,
      options,
      room,
    );
  }

  /** @param past events that have been delivered to the engine that `adopt` makes, for a machine that goes on from a recording's middle */
  constructor(
    hardware: Hardware,
    options: RunOptions & { readonly parent?: { readonly id: string; readonly at: Instant } },
    room: HostRoom,
    adopt?: { readonly engine: Engine; readonly past: readonly HostEvent[] },
  ) {
    this.room = room;
    const { seed } = hardware.config.rotation;
    const live = options.clock === 'host';
    const sources: Sources = live
      ? { clock: () => room.wallClock(), entropy: (length) => room.entropy(length) }
      : fixedSources(seed);
    // What the past has drawn from a fixed source was drawn before.
    for (const event of adopt?.past ?? [])
      if (!live && event.kind === EVENT.ANSWER && event.payload[0] === 1)
        answer(sources, 'entropy', event.payload.length - 1);
    const door = new LiveDoor(sources, (event) => this.entered(event));
    this.door = door;
    const output = (port: number, bytes: Uint8Array): void => {
      this.collected.push({ port, bytes });
      // A request is passed on at once, so that its answer need not wait for the end of a slice.
      if (this.engine?.board.slots[port].device.awaitsAnswer === true) this.engine.leave();
    };
    if (adopt === undefined) {
      this.engine = new Engine({
        ...hardware,
        door,
        core: coreFactory(options.core ?? 'jit', options.translator),
        output,
      });
    } else {
      this.engine = adopt.engine;
      this.engine.door = door;
      this.engine.output = output;
      this.engine.repeatRequests();
    }
    const ports = this.engine.board.slots.map(({ name }) => name);
    const id = toHex(room.entropy(8));
    this.recorder = new Recorder(
      recordingHeader(hardware.config, ports, id, options.parent),
      options.record,
      adopt?.past,
    );
    this.recording = this.recorder;
    if (options.embed === true) for (const { hash, bytes } of hardware.images) this.recorder.embed(hash, bytes);
    this.inputs = new InputQueues(this.engine);
    this.pacer = live ? new Pacer(this.engine, room) : undefined;
    this.hashEvery = options.hashEvery ?? DEFAULT_HASH_EVERY;
    this.nextHash =
      this.hashEvery > 0 ? Math.floor(this.engine.instructions / this.hashEvery + 1) * this.hashEvery : Infinity;
  }

  get config(): MachineConfig {
    return this.engine.config;
  }

  /** Where the machine is. */
  get instant(): Instant {
    return this.engine.instant;
  }

  /** Guest time in seconds. */
  get guestTime(): number {
    return this.engine.time / NANOSECONDS;
  }

  /** How the guest ended, if it did. */
  get halt(): Halt | undefined {
    return this.engine.halt;
  }

  /** Whether a run is under way. */
  get isRunning(): boolean {
    return this.running !== undefined;
  }

  /** The terminal's output from now on, as it comes; ends when the guest does. Iterating runs the machine if nobody else does. */
  get console(): AsyncIterable<Uint8Array> {
    const stream = new ByteStream(() => this.streams.delete(stream));
    this.streams.add(stream);
    const start = (): void => {
      if (this.running === undefined && this.engine.halt === undefined && !this.closed)
        this.run().catch((error: unknown) => stream.fail(error));
      if (this.engine.halt !== undefined || this.closed) stream.end();
    };
    return {
      [Symbol.asyncIterator]: () => {
        start();
        return stream;
      },
    };
  }

  /** Types on the terminal; text is UTF-8. What the guest has no room for waits. */
  write(data: string | Uint8Array): void {
    const bytes = typeof data === 'string' ? new TextEncoder().encode(data) : data;
    this.inputs.put(
      () => (this.engine.board.sbiConsole.reading ? this.engine.board.sbiConsoleId : this.engine.board.uart),
      bytes,
    );
    this.interrupt();
  }

  /** Sends bytes to a device by its port's name (see {@link ports}). @throws RangeError for a name that is none */
  send(port: string, bytes: Uint8Array): void {
    const id = this.portId(port);
    this.inputs.put(() => id, bytes);
    this.interrupt();
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
    const encode = this.engine.board.slots[id].host?.commands?.[command];
    if (encode === undefined) throw new RangeError(`${port} knows no command "${command}"`);
    const bytes = encode(...args);
    this.inputs.command(() => this.engine.control(id, bytes));
    this.interrupt();
  }

  /** Pushes the reset button. */
  reset(): void {
    this.push(COMMAND.RESET);
  }

  /** Pulls the plug. */
  powerOff(): void {
    this.push(COMMAND.POWER_OFF);
  }

  /** Names of the devices. */
  get ports(): readonly string[] {
    return this.recorder.header.ports;
  }

  /** Listens to events of one kind. @returns what ends it */
  on<K extends keyof MachineEvents>(kind: K, listener: (value: MachineEvents[K]) => void): () => void {
    let set = this.listeners.get(kind);
    if (set === undefined) this.listeners.set(kind, (set = new Set()));
    set.add(listener as (value: never) => void);
    return () => void set.delete(listener as (value: never) => void);
  }

  /** Runs until the guest ends, the limit is reached, or {@link pause}. @throws what a device or a replay throws */
  run(until: RunUntil = {}): Promise<RunResult> {
    if (this.running !== undefined) throw new Error('the machine is running already: pause it first');
    if (this.closed) throw new Error('the machine was disposed of');
    this.pausing = false;
    const abort = (): void => this.pauseSoon();
    until.signal?.addEventListener('abort', abort);
    if (until.signal?.aborted === true) this.pausing = true;
    const run = this.drive(until).finally(() => {
      until.signal?.removeEventListener('abort', abort);
      this.running = undefined;
    });
    this.running = run;
    return run;
  }

  /** Stops a run between two instructions. Resolves when it stands. */
  async pause(): Promise<void> {
    this.pauseSoon();
    await this.running?.catch(() => undefined);
  }

  /** Hash of the whole state, 16 hexadecimal digits: equal for equal machines, whatever they run on. The machine must stand. */
  hash(): string {
    this.mustStand();
    return stateHash(this.engine);
  }

  /** The whole machine as bytes. It must stand. */
  save(): Uint8Array {
    this.mustStand();
    return saveMachine(this.engine);
  }

  /** Puts a saved state in place; it goes on live from there. @throws StateError when it is foreign, damaged or of another machine */
  restore(state: Uint8Array): void {
    this.mustStand();
    restoreMachine(this.engine, state);
    this.engine.repeatRequests();
  }

  /** Goes on with another core. The machine must stand. */
  setCore(kind: CoreKind): void {
    this.mustStand();
    this.engine.changeCore(coreFactory(kind));
  }

  /** Pauses and closes the recording. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.closed) return;
    await this.pause();
    this.closed = true;
    // so that every recording can be verified, however short
    if (this.hashEvery > 0 && this.recorder.recordsToFile)
      this.recorder.mark(this.engine.instant, this.engine.time, stateHash(this.engine));
    this.recorder.close(this.engine.instant, this.engine.time);
    for (const stream of [...this.streams]) stream.end();
  }

  /** {@link Symbol.asyncDispose} by a name. */
  close(): Promise<void> {
    return this[Symbol.asyncDispose]();
  }

  /** Notes in the recording how far the machine came. */
  noteEnd(): void {
    this.recorder.flush(this.engine.instant, this.engine.time);
  }

  /** Puts a stored checkpoint into the recording. */
  storeCheckpoint(checkpoint: PackedCheckpoint): void {
    this.noteEnd();
    this.recorder.store(checkpoint);
  }

  /** The engine was moved back in time: goes on live from there. @param events how many of the recording's lie before */
  takeBack(events: number): void {
    this.mustStand();
    this.engine.door = this.door;
    this.recorder.rewind(events, this.engine.instant, this.engine.time);
    this.collected.length = 0;
    this.engine.repeatRequests();
    this.nextHash =
      this.hashEvery > 0 ? Math.floor(this.engine.instructions / this.hashEvery + 1) * this.hashEvery : Infinity;
  }

  private async drive(until: RunUntil): Promise<RunResult> {
    const { engine, room } = this;
    const instructions = until.instructions ?? Infinity;
    const time = until.guestTime === undefined ? undefined : Math.round(until.guestTime * NANOSECONDS);
    this.pacer?.start();
    let rested = room.now();
    for (;;) {
      this.inputs.deliver();
      const before = engine.instructions;
      const started = room.now();
      const stop = this.pausing ? STOP.LEFT : engine.run(this.limit(instructions, time));
      const took = room.now() - started;
      this.adapt(engine.instructions - before, took);
      this.afterSlice();
      if (stop === STOP.HALT) return this.result('halt');
      if (this.pausing) return this.result('paused');
      if (stop === STOP.DEBUG) return this.result('debug');
      if (
        engine.instructions >= instructions ||
        (time !== undefined && (engine.time >= time || this.idleBeyond(stop, time)))
      )
        return this.result('limit');
      if (stop === STOP.LATE) await engine.late.arrived();
      else if (stop === STOP.IDLE) {
        await this.idle(time);
        if (time !== undefined && engine.idleUntil > time && this.allWait() && !engine.awaitsAnswer)
          return this.result('limit');
      }
      if (room.now() - rested >= SLICE_TARGET) {
        await room.breathe();
        rested = room.now();
      }
    }
  }

  private limit(instructions: number, time: number | undefined): Limit {
    const { engine } = this;
    const target = Math.min(instructions, engine.instructions + this.slice, this.nextHash);
    return {
      instructions: target,
      ...(time !== undefined && { time }),
      stopWhenIdle: this.pacer !== undefined,
      stopWhenAwaiting: true,
    };
  }

  /** The next deadline is behind the end of the run. */
  private idleBeyond(stop: Stop, time: number): boolean {
    if (stop === STOP.LIMIT) return this.engine.idleUntil > time && this.allWait();
    return (
      stop === STOP.IDLE &&
      this.pacer === undefined &&
      this.engine.idleUntil > time &&
      this.engine.idleUntil !== Infinity &&
      !this.engine.awaitsAnswer
    );
  }

  private allWait(): boolean {
    const { engine } = this;
    return engine.harts.every(
      (hart) => hart.get32('hsm') !== 0 || (hart.get32('waiting') !== 0 && !hart.wakes(engine.time)),
    );
  }

  /** All harts wait: for the next deadline or for input. */
  private async idle(time: number | undefined): Promise<void> {
    const { engine, pacer } = this;
    const until = Math.min(engine.idleUntil, time ?? Infinity);
    if (pacer === undefined) return this.sleep(undefined);
    const wait = pacer.waitFor(until);
    if (wait > 0) await this.sleep(wait === Infinity ? undefined : wait);
    if (pacer.catchUp(until)) engine.run({ instructions: engine.instructions + 1, time: until });
  }

  /** Resolves after that many milliseconds, or when input comes. */
  private sleep(milliseconds: number | undefined): Promise<void> {
    if (this.pausing || this.inputs.waiting) return Promise.resolve();
    this.recorder.flush(this.engine.instant, this.engine.time);
    return new Promise((resolve) => {
      const cancel = milliseconds === undefined ? undefined : this.room.after(milliseconds, () => this.wake?.());
      this.wake = () => {
        this.wake = undefined;
        cancel?.();
        resolve();
      };
    });
  }

  private adapt(executed: number, took: number): void {
    if (executed < this.slice / 2) return;
    const factor = Math.min(4, Math.max(0.25, SLICE_TARGET / Math.max(took, 0.1)));
    this.slice = Math.round(Math.min(LARGEST_SLICE, Math.max(SMALLEST_SLICE, this.slice * factor)));
  }

  /** Passes on what came out, and keeps the recording. */
  private afterSlice(): void {
    const { engine, room } = this;
    this.passOn();
    if (engine.instructions === this.nextHash && engine.instant.sequence === 0) {
      this.recorder.mark(engine.instant, engine.time, stateHash(engine));
    }
    if (engine.instructions >= this.nextHash) this.nextHash += this.hashEvery;
    if (room.now() - this.flushed >= (this.recorder.quiet ? FLUSH_QUIET : FLUSH_EVERY)) {
      this.recorder.flush(engine.instant, engine.time);
      this.flushed = room.now();
    }
    this.onSlice?.();
    if (engine.halt !== undefined) {
      this.tell('halt', engine.halt);
      for (const stream of [...this.streams]) stream.end();
    }
  }

  /** Passes on what came out: frames one by one, neighbouring pieces of one stream joined. */
  private passOn(): void {
    const { collected } = this;
    for (let i = 0; i < collected.length; ) {
      const { port } = collected[i];
      const joined = this.engine.board.slots[port].host?.output === 'stream';
      let end = i + 1;
      let { length } = collected[i].bytes;
      for (; joined && end < collected.length && collected[end].port === port; end++)
        length += collected[end].bytes.length;
      const bytes = new Uint8Array(length);
      for (let at = 0; i < end; i++) {
        bytes.set(collected[i].bytes, at);
        at += collected[i].bytes.length;
      }
      this.emit(port, bytes);
    }
    collected.length = 0;
  }

  private emit(port: number, bytes: Uint8Array): void {
    const { board } = this.engine;
    this.tell('output', { port: board.slots[port].name, bytes });
    if (port !== board.uart && port !== board.sbiConsoleId) return;
    this.tell('console', bytes);
    for (const stream of this.streams) stream.push(bytes);
  }

  private entered(event: HostEvent): void {
    this.recorder.keep(event);
    this.tell('event', event);
  }

  private tell<K extends keyof MachineEvents>(kind: K, value: MachineEvents[K]): void {
    for (const listener of this.listeners.get(kind) ?? []) (listener as (value: MachineEvents[K]) => void)(value);
  }

  private result(reason: RunResult['reason']): RunResult {
    const { engine } = this;
    this.recorder.flush(engine.instant, engine.time);
    return { reason, instant: engine.instant, guestTime: this.guestTime, ...(engine.halt && { halt: engine.halt }) };
  }

  private push(command: Command): void {
    this.inputs.command(() => this.engine.command(command));
    this.interrupt();
  }

  /** Gives a command to every device that knows it. @returns how many do */
  private commandAll(command: string, ...args: number[]): number {
    const knowing = this.engine.board.slots.filter(({ host }) => host?.commands?.[command] !== undefined);
    for (const { name } of knowing) this.control(name, command, ...args);
    return knowing.length;
  }

  private portId(port: string): number {
    const id = this.ports.indexOf(port);
    if (id < 0) throw new RangeError(`there is no port "${port}": expected one of ${this.ports.join(', ')}`);
    return id;
  }

  /** Something waits to enter: ends sleeping. A slice that runs is short. */
  private interrupt(): void {
    this.wake?.();
  }

  private pauseSoon(): void {
    this.pausing = true;
    this.wake?.();
  }

  private mustStand(): void {
    if (this.running !== undefined) throw new Error('the machine is running: pause it first');
  }
}
