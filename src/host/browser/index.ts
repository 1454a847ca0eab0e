/** Hindsight in a page: machines and timelines run in a worker, so that the page stays free. */
import { proxy, type Remote, releaseProxy } from 'comlink';
import type { CoreKind } from '../../machine/engine/cores.ts';
import type { ExpectOptions } from '../../machine/session/console.ts';
import type { RunResult, RunUntil } from '../../machine/session/driver.ts';
import type { ExpectResult } from '../../machine/session/expectation.ts';
import type { EventDescription } from '../../record/describe.ts';
import type { Instant } from '../../record/door.ts';
import type { MoveOptions } from '../../timeline/driver.ts';
import type { Destination, SearchOptions } from '../../timeline/mover.ts';
import type { StepOptions } from '../../timeline/steps.ts';
import type { GuestTime } from '../../timeline/timeline.ts';
import type {
  MachineProgress,
  MachineService,
  PageFile,
  RecordingService,
  TimelineService,
  WorkerEvents,
  WorkerMachineOptions,
  WorkerMove,
  WorkerOpenOptions,
  WorkerRunOptions,
  WorkerSearch,
} from './service.ts';
import { serviceOf } from './worker-service.ts';

/** Does `work`, and `stop` when the signal says so. */
async function until<T>(
  signal: AbortSignal | undefined,
  stop: () => Promise<void>,
  work: () => Promise<T>,
): Promise<T> {
  const abort = (): void => void stop();
  signal?.addEventListener('abort', abort);
  const result = work();
  // A call made before keeps its place before: calls arrive in their order.
  if (signal?.aborted === true) abort();
  try {
    return await result;
  } finally {
    signal?.removeEventListener('abort', abort);
  }
}

/** Moves of a machine through its past; one at a time. Methods are those of the library's `Timeline`. */
export class WorkerTimeline {
  protected readonly service: Remote<TimelineService>;

  /** Use {@link WorkerMachine.goBack} or {@link WorkerRecording.open}. */
  constructor(service: Remote<TimelineService>) {
    this.service = service;
  }

  /** Where the timeline is, what it reaches, and guest time here in seconds. */
  where(): Promise<{
    readonly at: Instant;
    readonly begin: Instant;
    readonly end: Instant;
    readonly guestTime: number;
  }> {
    return this.service.where();
  }

  /** What entered the machine, in words. */
  events(): Promise<EventDescription[]> {
    return this.service.events();
  }

  /** Goes somewhere; what lies outside is the begin or the end. */
  seek(to: Destination | GuestTime, options: Pick<MoveOptions, 'signal'> = {}): Promise<WorkerMove> {
    return this.move(options, () => this.service.seek(to));
  }

  /** Forward by instructions. */
  step(count = 1, { signal, ...options }: Omit<StepOptions, 'onProgress'> = {}): Promise<WorkerMove> {
    return this.move({ signal }, () => this.service.step(count, options));
  }

  /** Back by instructions. */
  reverseStep(count = 1, { signal, ...options }: Omit<StepOptions, 'onProgress'> = {}): Promise<WorkerMove> {
    return this.move({ signal }, () => this.service.reverseStep(count, options));
  }

  /** Forward to the next point that is met, or to the end. */
  continue(what: WorkerSearch, { signal, ...options }: Omit<SearchOptions, 'onProgress'> = {}): Promise<WorkerMove> {
    return this.move({ signal }, () => this.service.continue(what, options));
  }

  /** Back to the last point that was met, or to the beginning. */
  reverseContinue(
    what: WorkerSearch,
    { signal, ...options }: Omit<SearchOptions, 'onProgress'> = {},
  ): Promise<WorkerMove> {
    return this.move({ signal }, () => this.service.reverseContinue(what, options));
  }

  /** The last store to [address, address + length) before here, as a hart sees it. Does not move. */
  lastWrite(
    address: bigint,
    length = 1,
    { signal, hart }: Pick<MoveOptions, 'signal'> & { readonly hart?: number } = {},
  ): Promise<WorkerMove> {
    return this.move({ signal }, () => this.service.lastWrite(address, length, hart));
  }

  /** To the next event that entered. */
  nextInput(options: Pick<MoveOptions, 'signal'> = {}): Promise<WorkerMove> {
    return this.move(options, () => this.service.nextInput());
  }

  /** To the last event that entered before here. */
  previousInput(options: Pick<MoveOptions, 'signal'> = {}): Promise<WorkerMove> {
    return this.move(options, () => this.service.previousInput());
  }

  /** Hash of the state here. */
  hash(): Promise<string> {
    return this.service.hash();
  }

  /** Bytes of the guest's physical memory. */
  readPhysical(address: bigint, length: number): Promise<Uint8Array> {
    return this.service.readPhysical(address, length);
  }

  private move(options: Pick<MoveOptions, 'signal'>, act: () => Promise<WorkerMove>): Promise<WorkerMove> {
    return until(options.signal, () => this.service.interrupt(), act);
  }
}

/** A recording that was opened in a worker. */
export class WorkerRecording extends WorkerTimeline {
  declare protected readonly service: Remote<RecordingService>;

  /**
   * Opens a recording in a worker.
   * @param worker as for {@link WorkerMachine.create} @throws as the library's `Timeline.open`
   */
  static async open(worker: Worker, recording: PageFile, options: WorkerOpenOptions = {}): Promise<WorkerRecording> {
    return new WorkerRecording((await serviceOf(worker).openTimeline(recording, options)) as never);
  }

  /** Replays all of it and compares its state hashes. @returns how many there were @throws DivergenceError */
  verify(): Promise<number> {
    return this.service.verify();
  }

  /** A machine of its own that goes on live from here; the recording stays as it is. */
  async branch(options: WorkerRunOptions = {}): Promise<WorkerMachine> {
    return new WorkerMachine((await this.service.branch(options)) as never);
  }
}

/** A machine in a worker: what the library's `Machine` offers, every call a promise. Errors keep their `name`. */
export class WorkerMachine {
  private readonly service: Remote<MachineService>;

  /** Use {@link create}. */
  constructor(service: Remote<MachineService>) {
    this.service = service;
  }

  /**
   * Builds a machine in a worker and powers it on; nothing is executed yet. A worker may hold several; `worker.terminate()` ends all of them.
   * @param worker runs this package's `worker` entry, e.g. `new Worker(new URL('hindsight-vm/worker', import.meta.url), { type: 'module' })`
   * @throws ConfigError, LoadError
   */
  static async create(worker: Worker, options: WorkerMachineOptions): Promise<WorkerMachine> {
    return new WorkerMachine((await serviceOf(worker).createMachine(options)) as never);
  }

  /** Names of the devices. */
  ports(): Promise<readonly string[]> {
    return this.service.ports as Promise<readonly string[]>;
  }

  /** Listens to events of one kind, from before any later call on. @returns what ends it */
  on<K extends keyof WorkerEvents>(kind: K, listener: (value: WorkerEvents[K]) => void): () => void {
    const remote = (this.service.on as (kind: K, told: object) => Promise<() => Promise<void>>)(
      kind,
      proxy((value: WorkerEvents[K]) => {
        try {
          listener(value);
        } catch (error) {
          reportError(error);
        }
      }),
    );
    return () => void remote.then((end) => end());
  }

  /** Runs until the guest ends, the limit is reached, all harts wait for input, or {@link pause}. */
  run({ signal, ...limits }: RunUntil = {}): Promise<RunResult> {
    return until(
      signal,
      () => this.pause(),
      () => this.service.run(limits),
    );
  }

  /** Stops a run between two instructions. Resolves when it has stopped. */
  pause(): Promise<void> {
    return this.service.pause();
  }

  /** Waits until the console has shown a text, and runs the machine meanwhile if nobody else does. @throws ExpectError */
  expect(pattern: string | RegExp, { timeout }: Pick<ExpectOptions, 'timeout'> = {}): Promise<ExpectResult> {
    return this.service.expect(pattern, timeout);
  }

  /** Types on the terminal; text is UTF-8. Resolves when more may be typed. */
  write(data: string | Uint8Array): Promise<void> {
    return this.service.write(data);
  }

  /** Sends bytes to a device by its port's name. */
  send(port: string, bytes: Uint8Array): Promise<void> {
    return this.service.send(port, bytes);
  }

  /** Gives a device one of its kind's commands. */
  control(port: string, command: string, ...args: number[]): Promise<void> {
    return this.service.control(port, command, ...args);
  }

  /** Tells the guest the terminal's size in characters. */
  resize(columns: number, rows: number): Promise<void> {
    return this.service.resize(columns, rows);
  }

  /** Asks the guest for memory, in bytes. */
  balloon(bytes: number): Promise<void> {
    return this.service.balloon(bytes);
  }

  /** Pushes the reset button. */
  reset(): Promise<void> {
    return this.service.reset();
  }

  /** Pulls the plug. */
  powerOff(): Promise<void> {
    return this.service.powerOff();
  }

  /** Goes on with another core. */
  setCore(kind: CoreKind): Promise<void> {
    return this.service.setCore(kind);
  }

  progress(): Promise<MachineProgress> {
    return this.service.progress();
  }

  /** Hash of the whole state. Not during a run. */
  hash(): Promise<string> {
    return this.service.hash();
  }

  /** The whole machine as bytes. Not during a run. */
  save(): Promise<Uint8Array> {
    return this.service.save();
  }

  /** Puts a saved state in place. Not during a run. @throws StateError, SessionStateError */
  restore(state: Uint8Array): Promise<void> {
    return this.service.restore(state);
  }

  /** The recording so far, of a machine with `record: 'memory'`; whole once the machine was closed. */
  recording(): Promise<Blob> {
    return this.service.recording();
  }

  /** Goes into the machine's past, at its end. Not during a run; the machine must have the option `past`. */
  async goBack(): Promise<WorkerTimeline> {
    return new WorkerTimeline((await this.service.goBack()) as never);
  }

  /** Goes on live from where its timeline is; what came after is forgotten. */
  resume(): Promise<void> {
    return this.service.resume();
  }

  /** Pauses the machine, closes its recording, and lets go of it. */
  async close(): Promise<void> {
    await this.service.close();
    this.service[releaseProxy]();
  }
}

export type { WorkerNetwork } from './net/network.ts';
export type {
  MachineProgress,
  PageFile,
  WorkerDisk,
  WorkerEvents,
  WorkerMachineOptions,
  WorkerMove,
  WorkerOpenOptions,
  WorkerRunOptions,
  WorkerSandboxOptions,
  WorkerSearch,
  WorkerShare,
} from './service.ts';
export { type WorkerExecOptions, type WorkerFiles, WorkerSandbox } from './worker-sandbox.ts';
