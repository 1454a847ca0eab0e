import { crc32c } from '../../bytes/checksum.ts';
import { type Hash64, hashBytes, hashText } from '../../bytes/hash.ts';
import { SECTOR } from '../backend.ts';
import { CHUNK } from '../overlay.ts';
import {
  COMMIT_HEADER,
  COMMIT_KIND,
  COMMITS_AT,
  dataLength,
  ENTRY_KIND,
  ENTRY_SIZE,
  MARK_SIZE,
  MARKS_AT,
  type OverlayBase,
  OverlayError,
  type OverlayHeader,
  packCommit,
  packHeader,
  packMark,
  readCommitHeader,
  readHeader,
  readMark,
  readTable,
  type SyncMark,
  type TableEntry,
} from './format.ts';

/** A file that can be read and written anywhere, at once. */
export interface OverlayFile {
  /** For messages. */
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** @returns bytes read; fewer than asked for at the end only */
  read(offset: number, into: Uint8Array): number;
  write(offset: number, bytes: Uint8Array): void;
  /** What was written survives a power loss from now on. */
  sync(): void;
  truncate(size: number): void;
  close(): void;
}

/** What an overlay holds of a chunk. */
export interface OverlayEntry {
  /** Bit i: sector i is the overlay's. */
  readonly mask: number;
  /** Where its bytes are in the file; 0 for nothing but zeros. */
  readonly at: number;
  /** Their CRC-32C. */
  readonly sum: number;
}

/** A chunk to be put into an overlay. */
export interface OverlayWrite {
  readonly id: number;
  /** 0: it is as in the base again. */
  readonly mask: number;
  /** Undefined for zeros. */
  readonly data: Uint8Array | undefined;
}

/** Bytes that are written or looked through at once. */
const PIECE = 2 ** 20;
/** A log is rewritten when it is opened and this much of it, and half of it, is of no use any more. */
const WORTH_COMPACTING = 64 * 2 ** 20;

/**
 * What was written to a disk over its base, in a file that at any moment, also after a crash, holds a whole state of the disk: as of the last
 * {@link append}.
 */
export class OverlayLog {
  readonly header: OverlayHeader;
  /** What it holds, by chunk; changes with {@link append}. */
  readonly entries = new Map<number, OverlayEntry>();
  /** Number of the last commit; 0 for none. */
  sequence = 0;
  /** It was being put into its base, and that did not end. */
  merging = false;
  private readonly file: OverlayFile;
  private end = COMMITS_AT;
  private nextMark = 0;

  private constructor(file: OverlayFile, header: OverlayHeader) {
    this.file = file;
    this.header = header;
  }

  /** An empty overlay in an empty file. @param id 32 hexadecimal digits, at random */
  static create(file: OverlayFile, id: string, base: OverlayBase): OverlayLog {
    const log = new OverlayLog(file, { id, base });
    file.write(0, packHeader(log.header));
    file.write(MARKS_AT, new Uint8Array(COMMITS_AT - MARKS_AT));
    log.mark();
    file.sync();
    return log;
  }

  /**
   * Reads what is in a file.
   * @param until the last commit to be looked at; what came after is left out
   * @throws OverlayError when it is foreign, of another version or damaged, or has no such commit
   */
  static open(file: OverlayFile, until = Infinity): OverlayLog {
    const start = new Uint8Array(COMMITS_AT);
    const got = file.read(0, start);
    const log = new OverlayLog(file, readHeader(start.subarray(0, got), file.name));
    if (got < COMMITS_AT) throw log.damaged(got);
    log.readCommits(
      [0, 1].flatMap((i) => readMark(start.subarray(MARKS_AT + i * MARK_SIZE, MARKS_AT + (i + 1) * MARK_SIZE)) ?? []),
      until,
    );
    return log;
  }

  get name(): string {
    return this.file.name;
  }

  /** Bytes of the file that are in use. */
  get size(): number {
    return this.end;
  }

  /** Bytes that it holds for the disk. */
  get changed(): number {
    let sectors = 0;
    for (const { mask } of this.entries.values()) for (let m = mask; m > 0; m >>= 1) sectors += m & 1;
    return sectors * SECTOR;
  }

  /** Whether much of the file is of no use any more. */
  get wasteful(): boolean {
    const useful = this.entries.size * CHUNK;
    return this.end > 2 * useful && this.end - useful > WORTH_COMPACTING;
  }

  /** Names what it holds: 16 hexadecimal digits. */
  get state(): string {
    const ids = [...this.entries.keys()].sort((a, b) => a - b);
    const bytes = new Uint8Array(ids.length * ENTRY_SIZE);
    const view = new DataView(bytes.buffer);
    for (const [i, id] of ids.entries()) {
      const { mask, at, sum } = this.entries.get(id)!;
      view.setUint32(i * ENTRY_SIZE, id, true);
      view.setUint32(i * ENTRY_SIZE + 4, mask | (at === 0 ? 256 : 0), true);
      view.setUint32(i * ENTRY_SIZE + 8, sum, true);
    }
    const hash: Hash64 = hashBytes(bytes);
    return hashText(hash);
  }

  /** Reads a chunk. @throws OverlayError when it is damaged */
  read({ at, sum }: OverlayEntry): Uint8Array {
    const bytes = new Uint8Array(CHUNK);
    if (at === 0) return bytes;
    if (this.file.read(at, bytes) < CHUNK || crc32c(bytes) !== sum) throw this.damaged(at);
    return bytes;
  }

  /** Reads all that it holds. @throws OverlayError when anything is damaged */
  verify(): void {
    for (const entry of this.entries.values()) this.read(entry);
  }

  /**
   * Adds chunks, all or none, and returns when they survive a power loss.
   * @throws OverlayError when there is no room; it is as before then
   */
  append(writes: readonly OverlayWrite[]): void {
    this.commit(writes, COMMIT_KIND.WRITES);
  }

  /** Notes that all of it is being put into the base, after which the base is another file. */
  beginMerging(): void {
    this.commit([], COMMIT_KIND.MERGING);
    this.merging = true;
  }

  close(): void {
    this.file.close();
  }

  /** Forgets what came after the last commit that was read: the file ends there. Before anything is added. */
  cutOff(): void {
    if (this.file.size <= this.end) return;
    // Neither mark may say that what is cut off is missing.
    this.mark();
    this.mark();
    this.file.sync();
    this.file.truncate(this.end);
    this.file.sync();
  }

  /** The same contents in another, empty file, with nothing that is of no use. */
  copyTo(file: OverlayFile): OverlayLog {
    const copy = OverlayLog.create(file, this.header.id, this.header.base);
    copy.sequence = this.sequence - 1;
    if (this.sequence === 0) return copy;
    const read = (entry: OverlayEntry): Uint8Array => this.read(entry);
    copy.append(
      [...this.entries].map(([id, entry]) => ({
        id,
        mask: entry.mask,
        // Read when it is written, so that not all of it is in memory.
        get data() {
          return entry.at === 0 ? undefined : read(entry);
        },
      })),
    );
    return copy;
  }

  private commit(writes: readonly OverlayWrite[], kind: number): void {
    const table: TableEntry[] = writes.map(({ id, mask, data }) => ({
      id,
      mask,
      kind: mask === 0 ? ENTRY_KIND.BASE : data === undefined ? ENTRY_KIND.ZEROS : ENTRY_KIND.DATA,
      sum: data === undefined ? 0 : crc32c(data),
    }));
    const sequence = this.sequence + 1;
    const head = packCommit(sequence, kind, table);
    const end = this.end + head.length + dataLength(table);
    try {
      let at = this.end;
      const out = (bytes: Uint8Array): void => {
        this.file.write(at, bytes);
        at += bytes.length;
      };
      out(head);
      const piece = new Uint8Array(PIECE);
      let filled = 0;
      for (const { data, mask } of writes) {
        if (mask === 0 || data === undefined) continue;
        piece.set(data, filled);
        filled += CHUNK;
        if (filled < PIECE) continue;
        out(piece);
        filled = 0;
      }
      if (filled > 0) out(piece.subarray(0, filled));
      this.file.sync();
    } catch (error) {
      this.cutShort();
      throw new OverlayError(
        `overlay ${this.name} cannot be written: ${(error as Error).message}; what the guest had flushed before is kept`,
        { cause: error },
      );
    }
    this.take(table, this.end + head.length);
    this.end = end;
    this.sequence = sequence;
    this.mark();
  }

  /** A write failed: what came of it is cut off again, if that can be done; if not, it is passed over as something that a crash cut short. */
  private cutShort(): void {
    try {
      this.file.truncate(this.end);
    } catch {
      // As said.
    }
  }

  /** Not synchronized by itself: a mark that is lost makes damage look like a crash, nothing else. */
  private mark(): void {
    const { end, sequence } = this;
    this.file.write(MARKS_AT + this.nextMark * MARK_SIZE, packMark({ end, sequence }));
    this.nextMark = 1 - this.nextMark;
  }

  private take(table: readonly TableEntry[], dataAt: number): void {
    let at = dataAt;
    for (const { id, mask, kind, sum } of table) {
      if (kind === ENTRY_KIND.BASE) this.entries.delete(id);
      else this.entries.set(id, { mask, at: kind === ENTRY_KIND.DATA ? at : 0, sum });
      if (kind === ENTRY_KIND.DATA) at += CHUNK;
    }
  }

  private readCommits(marks: readonly SyncMark[], until: number): void {
    const sound = marks.reduce((end, mark) => Math.max(end, mark.end), COMMITS_AT);
    const last = marks.findIndex(({ end }) => end === sound);
    this.nextMark = last < 0 ? 0 : 1 - last;
    while (this.sequence < until) {
      const commit = this.readCommit(this.end >= sound);
      if (commit === undefined) break;
      this.take(commit.table, commit.dataAt);
      this.end = commit.end;
      this.sequence = commit.sequence;
      this.merging ||= commit.kind === COMMIT_KIND.MERGING;
    }
    if (this.end < sound && this.sequence < until) throw this.damaged(this.end);
    if (until !== Infinity && this.sequence !== until)
      throw new OverlayError(
        `overlay ${this.name} is not as it was after commit ${until}, which is needed: it was discarded, merged or rewritten since`,
      );
  }

  /** The commit at the end of what was read; undefined where there is none that is whole. @param data its chunks are checked, too */
  private readCommit(
    data: boolean,
  ): { table: TableEntry[]; dataAt: number; end: number; sequence: number; kind: number } | undefined {
    const { file, end: at } = this;
    const head = new Uint8Array(COMMIT_HEADER);
    if (file.read(at, head) < COMMIT_HEADER) return undefined;
    const header = readCommitHeader(head);
    if (header === undefined || header.sequence <= this.sequence) return undefined;
    const length = header.entries * ENTRY_SIZE;
    if (at + COMMIT_HEADER + length > file.size) return undefined;
    const bytes = new Uint8Array(length);
    if (file.read(at + COMMIT_HEADER, bytes) < length || crc32c(bytes) !== header.tableSum) return undefined;
    const table = readTable(bytes);
    const dataAt = at + COMMIT_HEADER + length;
    const end = dataAt + dataLength(table);
    if (end > file.size) return undefined;
    if (table.some(({ id }) => id * CHUNK >= this.header.base.size)) return undefined;
    if (data) {
      let chunkAt = dataAt;
      const chunk = new Uint8Array(CHUNK);
      for (const { kind, sum } of table) {
        if (kind !== ENTRY_KIND.DATA) continue;
        if (file.read(chunkAt, chunk) < CHUNK || crc32c(chunk) !== sum) return undefined;
        chunkAt += CHUNK;
      }
    }
    return { table, dataAt, end, sequence: header.sequence, kind: header.kind };
  }

  private damaged(at: number): OverlayError {
    return new OverlayError(
      `overlay ${this.name} is damaged at byte ${at}: bring a copy of it, or discard it with "hindsight disk discard"`,
    );
  }
}
