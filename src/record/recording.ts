import type { HostEvent, Instant } from './door.ts';
import type { HashMark, NotedInstant, RecordingHeader, TurnMark } from './format.ts';

/** A recording as read: what is small is here, the rest is read when it is asked for. */
export interface Recording {
  readonly header: RecordingHeader;
  /** In order. */
  readonly events: readonly HostEvent[];
  readonly hashes: readonly HashMark[];
  /** Places in time that the user named. */
  readonly marks: readonly NotedInstant[];
  /** Where the machine went on in turns of its own among others on its wire. */
  readonly turns: readonly TurnMark[];
  /** Whole files inside, by hash. */
  readonly images: ReadonlyMap<string, EmbeddedImage>;
  /** States inside that are still part of the past, in order of time. */
  readonly checkpoints: readonly StoredCheckpoint[];
  /** How far the machine is known to have come. */
  readonly end: Instant;
  readonly endTime: number;
  /** False: it broke off; what is here is good. */
  readonly complete: boolean;
  /** Bytes of the file that were good, and why reading stopped there when it is not complete. */
  readonly good: number;
  readonly damage?: string;
  /** Bytes by kind of chunk, for `info`. */
  readonly sizes: Readonly<Record<string, number>>;
}

/** A file inside a recording. */
export interface EmbeddedImage {
  readonly size: number;
  /** @throws RecordingError when it is damaged there */
  read(offset: number, length: number): Promise<Uint8Array>;
}

/** A state inside a recording. */
export interface StoredCheckpoint {
  readonly at: Instant;
  /** Guest time in ticks. */
  readonly time: number;
  /** Index of the event that enters next. */
  readonly events: number;
  /** Reads it, without the pages' contents. @throws RecordingError when it is damaged */
  read(): Promise<CheckpointContents>;
}

/** What a stored checkpoint says. Pages are named by numbers: {@link ZEROS}, {@link AS_AT_START}, or those of {@link fetch}. */
export interface CheckpointContents {
  /** Everything but RAM and disks. */
  readonly state: Uint8Array;
  /** Numbers of RAM's pages by page; those not named are as at the recording's start. */
  readonly pages: ReadonlyMap<number, number>;
  /** Written chunks of every disk. */
  readonly disks: readonly (readonly StoredDiskChunk[])[];
  /** Reads contents by numbers. @throws RecordingError when they are damaged */
  fetch(numbers: Iterable<number>): Promise<ReadonlyMap<number, StoredPage>>;
}

export interface StoredDiskChunk {
  readonly id: number;
  readonly mask: number;
  /** Number of its contents. */
  readonly number: number;
}

/** A page's contents as they are stored. */
export interface StoredPage {
  readonly packed: boolean;
  readonly bytes: Uint8Array;
}
