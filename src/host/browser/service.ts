/** What a page may ask of its worker; every call crosses once, none per instruction or device access. */
import type { ProxyMarked } from 'comlink';
import type { CoreKind } from '../../machine/engine/cores.ts';
import type { RunResult, RunUntil } from '../../machine/session/driver.ts';
import type { ExpectResult } from '../../machine/session/expectation.ts';
import type { MachineEvents, MachineOptions, RunOptions } from '../../machine/session/machine.ts';
import type { DiskOption, ImageFiles, ShareDevice } from '../../machine/session/options.ts';
import type { EventDescription } from '../../record/describe.ts';
import type { Instant } from '../../record/door.ts';
import type { GuestFiles } from '../../sandbox/files.ts';
import type { ExecOptions, ExecResult } from '../../sandbox/guest-session.ts';
import type { Breakpoint, Hit, SearchFor } from '../../timeline/breakpoints.ts';
import type { Destination, MoveResult, SearchOptions } from '../../timeline/mover.ts';
import type { TimelineOptions } from '../../timeline/past.ts';
import type { StepOptions } from '../../timeline/steps.ts';
import type { GuestTime } from '../../timeline/timeline.ts';
import type { WorkerNetwork } from './net/network.ts';

/** A file as a page has it: bytes, a chosen file or another Blob, or a file of the origin private file system. */
export type PageFile = Uint8Array | Blob | FileSystemFileHandle;

/** A raw disk image. What the guest writes stays in the worker's memory. */
export interface WorkerDisk extends Omit<DiskOption, 'backend'> {
  /** Its contents, or how many bytes of zeros. */
  readonly image: PageFile | { readonly blank: number };
  /** SHA-256 of the image, 64 hexadecimal digits; without it the worker reads all of the image at first, which takes as much memory. */
  readonly hash?: string;
}

/** A folder for a machine in a worker: of the origin private file system, or one that the user picked (showDirectoryPicker). */
export interface WorkerShare extends ShareDevice {
  readonly folder: FileSystemDirectoryHandle;
  /** Refuse all that changes something. */
  readonly readOnly?: boolean;
}

/** How a machine in a worker is run. */
export interface WorkerRunOptions extends Omit<RunOptions, 'record' | 'translator'> {
  /**
   * Keep a recording: in memory, for {@link MachineService.recording}, or in a file of the origin private file system, which is written over and
   * is whole once the machine was closed.
   */
  readonly record?: 'memory' | FileSystemFileHandle;
  /** Bytes of memory for checkpoints, so that the machine can go back in time; default 0: it cannot. */
  readonly past?: number;
  /**
   * Folders that answer for the machine's shares. A new machine gets a device for each, which the guest's /init mounts at /mnt/NAME where its command line
   * says `hindsight.shares=NAME`; one that goes on from a snapshot or a recording has its shares already.
   */
  readonly shares?: readonly WorkerShare[];
}

/** Options of a machine in a worker. */
export type WorkerMachineOptions = WorkerRunOptions &
  Omit<MachineOptions, keyof RunOptions | 'disks' | 'shares'> & {
    readonly disks?: readonly WorkerDisk[];
    /** A network; none unless given. The guest's /init brings it up when its command line says `hindsight.net=dhcp`. */
    readonly net?: WorkerNetwork;
  };

/** How far a machine came. */
export interface MachineProgress {
  /** Instructions over all harts. */
  readonly instructions: number;
  /** Seconds. */
  readonly guestTime: number;
}

/** What a worker tells of a machine. */
export type WorkerEvents = Omit<MachineEvents, 'error'>;

/** What is looked for, without conditions: functions do not cross. */
export type WorkerSearch = Omit<SearchFor, 'when' | 'points'> & {
  readonly points?: readonly Omit<Breakpoint, 'when'>[];
};

/** How a move ended. */
export type WorkerMove = Omit<MoveResult, 'hit'> & { readonly hit?: Omit<Hit, 'point'> };

type Crossing<Options> = Omit<Options, 'signal' | 'onProgress'>;

/** A machine of the worker. */
export interface MachineService {
  readonly ports: readonly string[];
  on<K extends keyof WorkerEvents>(kind: K, listener: (value: WorkerEvents[K]) => void): (() => void) & ProxyMarked;
  run(until?: Crossing<RunUntil>): Promise<RunResult>;
  pause(): Promise<void>;
  expect(pattern: string | RegExp, timeout?: number): Promise<ExpectResult>;
  write(data: string | Uint8Array): Promise<void>;
  send(port: string, bytes: Uint8Array): Promise<void>;
  control(port: string, command: string, ...args: number[]): void;
  resize(columns: number, rows: number): void;
  balloon(bytes: number): void;
  reset(): void;
  powerOff(): void;
  setCore(kind: CoreKind): void;
  progress(): MachineProgress;
  hash(): string;
  save(): Uint8Array;
  restore(state: Uint8Array): void;
  recording(): Blob;
  goBack(): TimelineService & ProxyMarked;
  resume(): void;
  close(): Promise<void>;
}

/** A timeline of the worker: the past of a machine, or a recording's. */
export interface TimelineService {
  where(): { readonly at: Instant; readonly begin: Instant; readonly end: Instant; readonly guestTime: number };
  events(): EventDescription[];
  seek(to: Destination | GuestTime): Promise<WorkerMove>;
  step(count?: number, options?: Crossing<StepOptions>): Promise<WorkerMove>;
  reverseStep(count?: number, options?: Crossing<StepOptions>): Promise<WorkerMove>;
  continue(what: WorkerSearch, options?: Crossing<SearchOptions>): Promise<WorkerMove>;
  reverseContinue(what: WorkerSearch, options?: Crossing<SearchOptions>): Promise<WorkerMove>;
  lastWrite(address: bigint, length?: number, hart?: number): Promise<WorkerMove>;
  nextInput(): Promise<WorkerMove>;
  previousInput(): Promise<WorkerMove>;
  /** Ends the move that is under way. */
  interrupt(): void;
  hash(): string;
  readPhysical(address: bigint, length: number): Uint8Array;
}

/** The timeline of a recording. */
export interface RecordingService extends TimelineService {
  verify(): Promise<number>;
  branch(options?: WorkerRunOptions): Promise<MachineService & ProxyMarked>;
}

/** What opening a recording may be told. */
export interface WorkerOpenOptions extends TimelineOptions {
  readonly core?: CoreKind;
  /** Kernel, initrd, firmware and disks, as far as the recording does not hold them. */
  readonly files?: Omit<ImageFiles, 'disks'> & { readonly disks?: readonly WorkerDisk[] };
}

/** Options of a sandbox in a worker; `append` is the rest of the kernel's command line, with the defaults left out. */
export type WorkerSandboxOptions = Omit<WorkerMachineOptions, 'virtioConsole'>;

/** What a sandbox in a worker does with files of the guest. */
export type FilesMethod = Exclude<keyof GuestFiles, 'readText'>;

/** A sandbox of the worker. */
export interface SandboxService {
  /** @param id tells it apart from the others, for {@link kill} @param heard hears what it prints, as it comes */
  exec(
    id: number,
    command: string | readonly string[],
    options: Omit<ExecOptions, 'signal' | 'onStdout' | 'onStderr' | 'stdin'> & { readonly stdin?: string | Uint8Array },
    heard?: ((stream: 'stdout' | 'stderr', bytes: Uint8Array) => void) & ProxyMarked,
  ): Promise<ExecResult>;
  kill(id: number): void;
  files(method: FilesMethod, ...args: unknown[]): Promise<unknown>;
  mark(): Promise<Instant>;
  rewind(to: Destination | GuestTime): Promise<void>;
  fork(): Promise<SandboxService & ProxyMarked>;
  snapshot(): Promise<Uint8Array>;
  hash(): string;
  close(): Promise<void>;
}

/** The worker, for comlink. */
export interface WorkerService {
  createMachine(options: WorkerMachineOptions): Promise<MachineService & ProxyMarked>;
  startSandbox(options: WorkerSandboxOptions): Promise<SandboxService & ProxyMarked>;
  openTimeline(recording: PageFile, options?: WorkerOpenOptions): Promise<RecordingService & ProxyMarked>;
}
