/** What the page and its worker say to each other. */
import type { AccessOrigin } from '../../debug/origin.ts';
import type { WorkerMove } from '../../host/browser/index.ts';
import type { Instant } from '../../record/door.ts';
import type { NotedInstant } from '../../record/format.ts';
import type { QuestionName } from './questions/index.ts';

/** Where the machine is and what it does. */
export interface MachineState {
  /** `live`: what happens is new · `past`: it shows an instant that was before. */
  readonly mode: 'live' | 'past';
  /** Whether it runs by itself. */
  readonly running: boolean;
  readonly at: Instant;
  /** Guest time in nanoseconds, here and at both ends of what can be gone to. */
  readonly time: number;
  readonly begin: Instant;
  readonly beginTime: number;
  readonly end: Instant;
  readonly endTime: number;
  readonly harts: number;
  /** The guest powered off, failed, … */
  readonly halt?: string;
}

/** Console output as it came out: each byte with its instant (instructions) and its guest time in nanoseconds. */
export interface ConsoleNews {
  readonly kind: 'console';
  readonly bytes: Uint8Array;
  readonly instructions: Float64Array;
  readonly times: Float64Array;
}

/** Size of the terminal from an instant on. */
export interface ResizeNews {
  readonly kind: 'resize';
  readonly instructions: number;
  readonly columns: number;
  readonly rows: number;
}

/** Samples of what the machine did, in order of time: between two of them lies what happened in between. */
export interface SampleNews {
  readonly kind: 'samples';
  /** Guest time in nanoseconds. */
  readonly times: Float64Array;
  /** Instructions over all harts. */
  readonly instructions: Float64Array;
  /** Index into all names told so far of the process that each hart ran, harts one after another; -1 for idle or unknown. */
  readonly processes: Int32Array;
  /** Names not told before: `name (pid)`. */
  readonly names: readonly string[];
}

/** Lanes of things that happen at points in time. System calls and interrupts are found by replaying only. */
export const POINT_LANES = ['input', 'disk', 'network', 'syscalls', 'interrupts', 'other'] as const;
export type PointLane = (typeof POINT_LANES)[number];

/** Things that happened at a point in time. */
export interface PointNews {
  readonly kind: 'points';
  readonly lane: PointLane;
  /** Guest time in nanoseconds, and instructions. */
  readonly times: Float64Array;
  readonly instructions: Float64Array;
}

export interface StateNews {
  readonly kind: 'state';
  readonly state: MachineState;
}

/** The past was cut at an instant: what came after has not happened. */
export interface CutNews {
  readonly kind: 'cut';
  readonly instructions: number;
  readonly time: number;
}

/** How far the index of a recording was made, 0 to 1. */
export interface IndexNews {
  readonly kind: 'index';
  readonly done: number;
}

/** Checkpoints of the recording that is indexed, all so far: a file for {@link PageWorker.adopt}. */
export interface CheckpointNews {
  readonly kind: 'checkpoints';
  readonly file: Blob;
}

/** How far a move is, 0 to 1. */
export interface ProgressNews {
  readonly kind: 'progress';
  readonly done: number;
}

export type News =
  | CheckpointNews
  | ProgressNews
  | ConsoleNews
  | ResizeNews
  | SampleNews
  | PointNews
  | StateNews
  | CutNews
  | IndexNews;

/** How news comes to the page, beside comlink's answers. */
export interface NewsMessage {
  readonly news: News;
}

/** Files of a machine by what they are; the worker takes them over. */
export interface StartFiles {
  readonly memory: number;
  readonly append: string;
  readonly kernel: SiteFile;
  readonly initrd: SiteFile;
  readonly start: SiteFile;
  /** Snapshot files that it shares pages with. */
  readonly bases: readonly SiteFile[];
}

/** A file's contents under its name. */
export interface SiteFile {
  readonly file: string;
  readonly bytes: Uint8Array;
  /** SHA-256, 64 hexadecimal digits. */
  readonly hash: string;
}

/** A disk image on a web server, read piece by piece. */
export interface RemoteDisk {
  readonly file: string;
  readonly url: string;
  readonly size: number;
  readonly hash: string;
}

/** A file in the guest. */
export interface FolderEntry {
  readonly name: string;
  readonly kind: string;
  readonly size: number;
}

/** Where a recording is read from. */
export type RecordingFile = Blob | { readonly url: string };

/** Steps both ways. */
export type StepKind = 'instruction' | 'function' | 'syscall';

/** What is looked for in memory's history. */
export interface AccessSearch {
  readonly kind: 'write' | 'read';
  /** -1 for the last one before here, 1 for the next one from here on. */
  readonly direction: 1 | -1;
  readonly address: bigint;
  /** Bytes. */
  readonly length: number;
  readonly hart: number;
  /** Whose address it is; without one the hart's. */
  readonly process?: number;
}

/** A breakpoint or watchpoint to go to. */
export interface PlaceSearch {
  readonly kind: 'execute' | 'write' | 'read' | 'access';
  /** An address, a symbol, an expression. */
  readonly place: string;
  /** Bytes that are watched; of no meaning for `execute`. */
  readonly length: number;
  /** Only where this expression is not 0; empty for everywhere. */
  readonly when: string;
  readonly direction: 1 | -1;
  readonly hart: number;
}

/** A file that a recording needs and does not hold. */
export interface WantedFile {
  readonly role: string;
  readonly file: string;
  readonly size: number;
  readonly hash: string;
}

/** What a recording says of itself. */
export interface RecordingFacts {
  readonly id: string;
  readonly size: number;
  readonly wanted: readonly WantedFile[];
  /** What is wrong with its tail, which is left out. */
  readonly damage?: string;
  /** It was fetched whole: the server has no ranges. */
  readonly whole: boolean;
  readonly marks: readonly NotedInstant[];
}

/** The worker, for comlink. What is news of a call arrives before its answer. */
export interface PageWorker {
  /** A live machine from the guest's own snapshot; it runs. */
  start(files: StartFiles, size: { readonly columns: number; readonly rows: number }): Promise<MachineState>;
  /** Reads what a recording is and which files it needs. @throws RecordingError */
  inspect(recording: RecordingFile): Promise<RecordingFacts>;
  /** Opens the recording that was inspected, at its beginning. */
  open(files: readonly SiteFile[], disks: readonly RemoteDisk[]): Promise<MachineState>;
  /** Replays the recording that was inspected from beginning to end and tells what happened. */
  index(files: readonly SiteFile[], disks: readonly RemoteDisk[]): Promise<void>;
  /** Takes in checkpoints of the recording that is open. @returns whether they are its own, and whole */
  adopt(checkpoints: Blob): Promise<boolean>;
  state(): MachineState;
  type(data: string | Uint8Array): void;
  resize(columns: number, rows: number): void;
  /** Stops the machine where it is, in its past at the end. */
  pause(): Promise<MachineState>;
  /** To the present, and on. */
  goLive(): Promise<MachineState>;
  /** Goes on live from here: what came after is forgotten, or a recording is branched from. */
  resumeHere(): Promise<MachineState>;
  /** @param to an instant, or a guest time in nanoseconds */
  seek(to: Instant | { readonly time: number }): Promise<WorkerMove>;
  step(kind: StepKind, direction: 1 | -1, hart: number): Promise<WorkerMove>;
  /** Goes to where a place is met next or was met last; to the end or the beginning where it is not. @throws DebugError */
  goToPlace(search: PlaceSearch): Promise<WorkerMove>;
  /** The access to memory nearest to here; stays here. Undefined when there is none. @throws DebugError */
  findAccess(search: AccessSearch): Promise<AccessOrigin | 'interrupted' | undefined>;
  /** Writes a file in the live guest. @throws GuestError, SessionEndedError */
  putFile(path: string, contents: Uint8Array): Promise<void>;
  /** What a folder of the live guest holds. @throws GuestError, SessionEndedError */
  listFiles(folder: string): Promise<readonly FolderEntry[]>;
  /** Reads a file of the live guest. @throws GuestError, SessionEndedError */
  getFile(path: string): Promise<Uint8Array>;
  /** Ends the move that is under way. */
  interrupt(): void;
  /** Hash of the state here. */
  hash(): string;
  /**
   * The recording so far, whole.
   * @param marks that are kept with it @param embed whether it is to hold the machine's files, so that it opens anywhere
   */
  recording(marks: readonly NotedInstant[], embed: boolean): Blob;
  /** Asks one of the questions of questions/index.ts. */
  ask(question: QuestionName, ...args: unknown[]): Promise<unknown>;
}
