import type { DiskOverlay, ImageName, MachineConfig } from '../machine/board/config.ts';
import type { Instant } from './door.ts';

/** What reader and writer of the recording format `.hsr` share; docs/recording-format.md describes it. */

export const MAGIC = Uint8Array.of(0x89, 0x48, 0x53, 0x52, 0x0d, 0x0a, 0x1a, 0x0a);
/** Version of the format that is written. */
export const FORMAT_VERSION = 3;
/** Version of what a machine does: two machines of different versions may differ at some instant. */
export const MACHINE_VERSION = 1;

/** Kinds of chunks. */
export const CHUNK = {
  /** JSON of {@link RecordingHeader}; first, once. */
  HEADER: 1,
  /** Events in order. */
  EVENTS: 2,
  /** A piece of a file of the machine's. */
  IMAGE: 3,
  /** A state of the machine, in terms of tables and pages. */
  CHECKPOINT: 4,
  /** What is where; last, once. */
  INDEX: 5,
  /** Contents of pages of RAM and of disks, numbered on through the recording. */
  PAGES: 6,
  /** Tables of which page lies where, numbered on through the recording. */
  TABLES: 7,
  /** Large payloads of events, numbered on through the recording. */
  PAYLOADS: 8,
  /** JSON of all marks, instead of those before: the header's, or another chunk's. */
  MARKS: 9,
} as const;

/** Name of a kind of chunk, for messages and `info`. */
export const chunkName = (kind: number): string =>
  Object.entries(CHUNK)
    .find(([, known]) => known === kind)?.[0]
    .toLowerCase() ?? `kind ${kind}`;

/** Bytes before a chunk's body: kind u8, length u32, check u32. */
export const CHUNK_HEADER = 9;
/** A body's first byte: how the rest is stored. */
export const STORAGE = { PLAIN: 0, COMPRESSED: 1 } as const;
/** Largest body that is written or accepted, so that a damaged length allocates nothing absurd. */
export const MAX_BODY = 2 ** 26;

/** The file's last bytes: offset of the index as f64, then this. */
export const TRAILER_MAGIC = Uint8Array.of(0x48, 0x53, 0x52, 0x49, 0x4e, 0x44, 0x45, 0x58);
export const TRAILER_SIZE = 16;

/** Marks among the events: not from the host, but about the machine. Kinds of events proper are below 128. */
export const NOTE = {
  /** Back to this instant: the events after the first so many (varint payload) no longer happened. */
  REWOUND: 128,
  /** The machine came this far. */
  REACHED: 129,
  /** The state hash here. */
  HASH: 130,
  /** From here on it is the machine's turn (varint payload: which) among those on one wire. */
  TURN: 131,
} as const;

/** A page's number in tables that stands for a page of zeros; for a table's, a table of nothing but such. */
export const ZEROS = 0;
/** A page's number that stands for what lay there at the recording's start; for a table's, a table of nothing but such. */
export const AS_AT_START = 1;
/** The first number that pages and tables get. */
export const FIRST_NUMBER = 2;
/** Pages in a table. */
export const TABLE_PAGES = 256;

/** What the machine was. */
export interface RecordingHeader {
  readonly format: number;
  readonly machine: number;
  readonly config: MachineConfig;
  /** Names of the ports by number. */
  readonly ports: readonly string[];
  /** The snapshot it starts from, where that is not power-on: a file by its contents. */
  readonly start?: SnapshotStart;
  /** What lay over the bases of its disks at the beginning, in their order; null for one with nothing over it. */
  readonly overlays?: readonly (DiskOverlay | null)[];
  /** The recording this one branched from. */
  readonly parent?: { readonly id: string; readonly at: Instant };
  /** Places in time that the user named, when the recording was begun. */
  readonly marks?: readonly NotedInstant[];
  /** A random name, for children to point at; 16 hexadecimal digits. */
  readonly id: string;
}

/** A place in time with a note. */
export interface NotedInstant {
  readonly at: Instant;
  /** Guest time in ticks. */
  readonly time: number;
  readonly note: string;
}

/** A snapshot as the start of a recording. */
export interface SnapshotStart extends ImageName {
  /** Where its machine is, and the guest time there. */
  readonly at: Instant;
  readonly time: number;
}

/** A state hash the recorded machine had. */
export interface HashMark {
  readonly at: Instant;
  readonly hash: string;
}

/** Where a machine went on among others on its wire: those of all of them, by number, are the order in which they ran. */
export interface TurnMark {
  readonly at: Instant;
  readonly turn: number;
}

/** A recording cannot be read; says where and what to do. */
export class RecordingError extends Error {
  override name = 'RecordingError';
}

/** Where a recording goes, piece by piece; a piece handed over must survive the end of this process. */
export interface RecordSink {
  write(bytes: Uint8Array): void;
  close?(): void;
}
