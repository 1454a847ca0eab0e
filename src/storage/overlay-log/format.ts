import { crc32c } from '../../bytes/checksum.ts';
import { CHUNK } from '../overlay.ts';

/**
 * An overlay file, `.hso`: what was written to a disk over its base, as a log of commits. docs/files-and-disks.md says what it is for.
 *
 * ```
 * 0       header      "HSOVRLAY", version u32, CRC-32C u32 of the rest of the 4096 bytes, then id 16 bytes, size of the base f64,
 *                     hash of the base and path of the base (length u16, UTF-8 each)
 * 4096    two marks   of 512 bytes each, written in turn: magic u32, CRC-32C u32 of the rest, end f64, sequence f64
 * 8192    commits     header of 32 bytes, table, chunks
 * ```
 * A commit's header: magic u32, CRC-32C u32 of the rest, sequence f64, how many entries u32, kind u32, CRC-32C of the table u32, zero u32. An entry: chunk u32,
 * sectors u8, kind u8, zero u16, CRC-32C of the chunk u32. Then the chunks of {@link CHUNK} bytes, for each entry of kind DATA.
 *
 * A mark says up to where the file was once synchronized: what cannot be read before that is damage, after it a commit that a crash cut short.
 */
const VERSION = 1;
/** Of files in which a commit has named a journal. */
export const JOURNAL_VERSION = 2;
/** Where the version is; the header's checksum leaves it out. */
export const VERSION_AT = 8;
const HEADER_SIZE = 4096;
export const MARKS_AT = HEADER_SIZE;
export const MARK_SIZE = 512;
export const COMMITS_AT = 8192;
export const COMMIT_HEADER = 32;
export const ENTRY_SIZE = 12;

const MAGIC = 'HSOVRLAY';
const COMMIT_MAGIC = 0x6d6f_4348;
const MARK_MAGIC = 0x6b6d_4348;
const MARK_BODY = 24;
/** Longest texts in a header. */
const LONGEST_HASH = 256;
const LONGEST_PATH = 3072;

export const COMMIT_KIND = {
  /** What was written. */
  WRITES: 0,
  /** From here on all of it is being put into the base, which may hold any part of it. */
  MERGING: 1,
  /** In place of the table: the {@link JournalNote} of what may hold later commits, as JSON filled up with spaces; nothing but spaces ends that. */
  JOURNAL: 2,
} as const;

export const ENTRY_KIND = {
  /** The chunk follows. */
  DATA: 0,
  /** Nothing but zeros. */
  ZEROS: 1,
  /** As in the base again. */
  BASE: 2,
} as const;

/** An overlay cannot be used; the message names its file and says what to do. */
export class OverlayError extends Error {
  override name = 'OverlayError';
}

/** What an overlay was made over. */
export interface OverlayBase {
  /** Bytes. */
  readonly size: number;
  /** As {@link BlockBackend.hash}. */
  readonly hash: string;
  /** Where it was found last. */
  readonly path: string;
}

/** A file that holds commits which are not yet here. */
export interface JournalNote {
  /** As {@link OverlayHeader.id}, of the journal. */
  readonly id: string;
  readonly path: string;
}

export interface OverlayHeader {
  /** 32 hexadecimal digits. */
  readonly id: string;
  readonly base: OverlayBase;
}

export interface CommitHeader {
  readonly sequence: number;
  readonly entries: number;
  readonly kind: number;
  readonly tableSum: number;
}

/** A chunk as a commit has it. */
export interface TableEntry {
  readonly id: number;
  /** Bit i: sector i is the overlay's. */
  readonly mask: number;
  readonly kind: number;
  readonly sum: number;
}

/** Up to where a file was synchronized. */
export interface SyncMark {
  readonly end: number;
  readonly sequence: number;
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

export function packHeader({ id, base }: OverlayHeader): Uint8Array {
  const bytes = new Uint8Array(HEADER_SIZE);
  const view = viewOf(bytes);
  for (let i = 0; i < MAGIC.length; i++) bytes[i] = MAGIC.charCodeAt(i);
  view.setUint32(VERSION_AT, VERSION, true);
  for (let i = 0; i < 16; i++) bytes[16 + i] = Number.parseInt(id.slice(2 * i, 2 * i + 2), 16);
  view.setFloat64(32, base.size, true);
  let at = 40;
  for (const [text, most] of [
    [base.hash, LONGEST_HASH],
    [base.path, LONGEST_PATH],
  ] as const) {
    const utf8 = new TextEncoder().encode(text);
    if (utf8.length > most) throw new OverlayError(`an overlay over ${base.path}: its name is too long`);
    view.setUint16(at, utf8.length, true);
    bytes.set(utf8, at + 2);
    at += 2 + utf8.length;
  }
  view.setUint32(12, crc32c(bytes.subarray(16)), true);
  return bytes;
}

/** @throws OverlayError */
export function readHeader(bytes: Uint8Array, name: string): OverlayHeader {
  const view = viewOf(bytes);
  if (bytes.length < HEADER_SIZE || String.fromCharCode(...bytes.subarray(0, MAGIC.length)) !== MAGIC)
    throw new OverlayError(`${name} is no overlay: it does not begin with "${MAGIC}"`);
  const version = view.getUint32(VERSION_AT, true);
  if (version !== VERSION && version !== JOURNAL_VERSION)
    throw new OverlayError(
      `overlay ${name} is of format version ${version}; this program knows versions ${VERSION} and ${JOURNAL_VERSION}: use the release it was made with`,
    );
  if (view.getUint32(12, true) !== crc32c(bytes.subarray(16, HEADER_SIZE)))
    throw new OverlayError(`overlay ${name} is damaged in its header: bring a copy of it, or discard it`);
  const utf8 = new TextDecoder();
  const hashEnd = 42 + view.getUint16(40, true);
  const pathEnd = hashEnd + 2 + view.getUint16(hashEnd, true);
  return {
    id: Array.from(bytes.subarray(16, 32), (b) => b.toString(16).padStart(2, '0')).join(''),
    base: {
      size: view.getFloat64(32, true),
      hash: utf8.decode(bytes.subarray(42, hashEnd)),
      path: utf8.decode(bytes.subarray(hashEnd + 2, pathEnd)),
    },
  };
}

export function packMark({ end, sequence }: SyncMark): Uint8Array {
  const bytes = new Uint8Array(MARK_BODY);
  const view = viewOf(bytes);
  view.setUint32(0, MARK_MAGIC, true);
  view.setFloat64(8, end, true);
  view.setFloat64(16, sequence, true);
  view.setUint32(4, crc32c(bytes.subarray(8)), true);
  return bytes;
}

/** @returns undefined for one that was never written, or half */
export function readMark(bytes: Uint8Array): SyncMark | undefined {
  const view = viewOf(bytes);
  const sound =
    view.getUint32(0, true) === MARK_MAGIC && view.getUint32(4, true) === crc32c(bytes.subarray(8, MARK_BODY));
  return sound ? { end: view.getFloat64(8, true), sequence: view.getFloat64(16, true) } : undefined;
}

export function packTable(table: readonly TableEntry[]): Uint8Array {
  const bytes = new Uint8Array(table.length * ENTRY_SIZE);
  const view = viewOf(bytes);
  for (const [i, entry] of table.entries()) {
    const at = i * ENTRY_SIZE;
    view.setUint32(at, entry.id, true);
    bytes[at + 4] = entry.mask;
    bytes[at + 5] = entry.kind;
    view.setUint32(at + 8, entry.sum, true);
  }
  return bytes;
}

/** What takes the place of a table in a commit of kind JOURNAL. */
export function packNote(note: JournalNote | undefined): Uint8Array {
  const text = new TextEncoder().encode(note === undefined ? '' : JSON.stringify(note));
  const bytes = new Uint8Array(Math.ceil(text.length / ENTRY_SIZE) * ENTRY_SIZE).fill(0x20);
  bytes.set(text);
  return bytes;
}

/** @throws SyntaxError */
export function readNote(bytes: Uint8Array): JournalNote | undefined {
  const text = new TextDecoder().decode(bytes).trim();
  return text === '' ? undefined : (JSON.parse(text) as JournalNote);
}

/** @param table of {@link ENTRY_SIZE} bytes an entry */
export function packCommit(sequence: number, kind: number, table: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(COMMIT_HEADER + table.length);
  const view = viewOf(bytes);
  bytes.set(table, COMMIT_HEADER);
  view.setUint32(0, COMMIT_MAGIC, true);
  view.setFloat64(8, sequence, true);
  view.setUint32(16, table.length / ENTRY_SIZE, true);
  view.setUint32(20, kind, true);
  view.setUint32(24, crc32c(bytes.subarray(COMMIT_HEADER)), true);
  view.setUint32(4, crc32c(bytes.subarray(8, COMMIT_HEADER)), true);
  return bytes;
}

/** @returns undefined when it is none */
export function readCommitHeader(bytes: Uint8Array): CommitHeader | undefined {
  const view = viewOf(bytes);
  if (view.getUint32(0, true) !== COMMIT_MAGIC) return undefined;
  if (view.getUint32(4, true) !== crc32c(bytes.subarray(8, COMMIT_HEADER))) return undefined;
  return {
    sequence: view.getFloat64(8, true),
    entries: view.getUint32(16, true),
    kind: view.getUint32(20, true),
    tableSum: view.getUint32(24, true),
  };
}

export function readTable(bytes: Uint8Array): TableEntry[] {
  const view = viewOf(bytes);
  return Array.from({ length: bytes.length / ENTRY_SIZE }, (_, i) => {
    const at = i * ENTRY_SIZE;
    return {
      id: view.getUint32(at, true),
      mask: bytes[at + 4]!,
      kind: bytes[at + 5]!,
      sum: view.getUint32(at + 8, true),
    };
  });
}

/** Bytes that follow a table. */
export const dataLength = (table: readonly TableEntry[]): number =>
  table.reduce((sum, { kind }) => sum + (kind === ENTRY_KIND.DATA ? CHUNK : 0), 0);
