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
  JOURNAL_VERSION,
  type JournalNote,
  MARK_SIZE,
  MARKS_AT,
  type OverlayBase,
  OverlayError,
  type OverlayHeader,
  packCommit,
  packHeader,
  packMark,
  packNote,
  packTable,
  readCommitHeader,
  readHeader,
  readMark,
  readNote,
  readTable,
  type SyncMark,
  type TableEntry,
  VERSION_AT,
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
  /** The same, while others go on. */
  syncLater(): Promise<void>;
  truncate(size: number): void;
  close(): void;
}

/** What an overlay holds of a chunk. */
export interface OverlayEntry {
  /** Bit i: sector i is the overlay's; 0 only in a journal, for a chunk that is as in the base again. */
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

/** A commit on its way: it counts, whole, once {@link finish} has returned. Until then nothing else can be added. */
export interface PendingCommit {
  /** Bytes that it adds to the file. */
  readonly length: number;
  /** Writes a piece. @returns whether all is written @throws OverlayError, and it is given up */
  step(): boolean;
  /** Once all is written: resolves when {@link finish} need not wait for the disk. */
  synchronize(): Promise<void>;
  /** Writes what is left and returns when it survives a power loss. @throws OverlayError, and it is given up */
  finish(): void;
}

/** Bytes that are written at once. */
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
  /** What may hold commits that are not here. */
  journal: JournalNote | undefined;
  private readonly file: OverlayFile;
  /** Whether it is itself a journal: {@link entries} then have what is as in the base again, too. */
  private readonly isJournal: boolean;
  private end = COMMITS_AT;
  private nextMark = 0;
  private pending: PendingCommit | undefined;

  private constructor(file: OverlayFile, header: OverlayHeader, isJournal: boolean) {
    this.file = file;
    this.header = header;
    this.isJournal = isJournal;
  }

  /** An empty overlay in an empty file. @param id 32 hexadecimal digits, at random */
  static create(file: OverlayFile, id: string, base: OverlayBase, isJournal = false): OverlayLog {
    const log = new OverlayLog(file, { id, base }, isJournal);
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
  static open(file: OverlayFile, until = Infinity, isJournal = false): OverlayLog {
    const start = new Uint8Array(COMMITS_AT);
    const got = file.read(0, start);
    const log = new OverlayLog(file, readHeader(start.subarray(0, got), file.name), isJournal);
    if (got < COMMITS_AT) throw log.damaged(got);
    log.readCommits(
      [0, 1].flatMap((i) => readMark(start.subarray(MARKS_AT + i * MARK_SIZE, MARKS_AT + (i + 1) * MARK_SIZE)) ?? []),
      until,
    );
    return log;
  }

  /** What a file says of itself, without a look at what it holds. @throws OverlayError when it is foreign, of another version or damaged there */
  static headerOf(file: OverlayFile): OverlayHeader {
    const start = new Uint8Array(COMMITS_AT);
    return readHeader(start.subarray(0, file.read(0, start)), file.name);
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
    this.begin(writes).finish();
  }

  /** Begins to add chunks, all or none, piece by piece. */
  begin(writes: readonly OverlayWrite[]): PendingCommit {
    const table: TableEntry[] = writes.map(({ id, mask, data }) => ({
      id,
      mask,
      kind: mask === 0 ? ENTRY_KIND.BASE : data === undefined ? ENTRY_KIND.ZEROS : ENTRY_KIND.DATA,
      sum: data === undefined ? 0 : crc32c(data),
    }));
    return this.commit(COMMIT_KIND.WRITES, packTable(table), dataLength(table), chunksOf(writes), (dataAt) =>
      this.take(table, dataAt),
    );
  }

  /** Notes that all of it is being put into the base, after which the base is another file. */
  beginMerging(): void {
    this.commit(COMMIT_KIND.MERGING).finish();
    this.merging = true;
  }

  /** Notes what may hold commits that are not here, from now on; undefined: nothing does. */
  noteJournal(journal: JournalNote | undefined): void {
    // Releases that do not look for journals refuse it from now on.
    try {
      this.file.write(VERSION_AT, Uint8Array.of(JOURNAL_VERSION, 0, 0, 0));
    } catch (error) {
      throw this.unwritable(error);
    }
    this.commit(COMMIT_KIND.JOURNAL, packNote(journal)).finish();
    this.journal = journal;
  }

  /** Forgets all commits; the next one has the number after the last. */
  clear(): void {
    this.entries.clear();
    this.end = COMMITS_AT;
    this.cutOff();
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

  /** @param pieces what follows the table @param take has the commit count, once it survives */
  private commit(
    kind: number,
    table: Uint8Array = new Uint8Array(0),
    dataBytes = 0,
    pieces: Iterable<Uint8Array> = [],
    take: (dataAt: number) => void = () => undefined,
  ): PendingCommit {
    if (this.pending !== undefined) throw new Error(`overlay ${this.name}: two commits at a time`);
    const sequence = this.sequence + 1;
    const head = packCommit(sequence, kind, table);
    const dataAt = this.end + head.length;
    const rest = [head][Symbol.iterator]();
    const data = pieces[Symbol.iterator]();
    let at = this.end;
    let written = false;
    const whole = <T>(action: () => T): T => {
      try {
        return action();
      } catch (error) {
        this.pending = undefined;
        this.cutShort();
        throw this.unwritable(error);
      }
    };
    const step = (): boolean =>
      whole(() => {
        const next = rest.next();
        const { value, done } = next.done === true ? data.next() : next;
        if (done === true) return (written = true);
        this.file.write(at, value);
        at += value.length;
        return false;
      });
    this.pending = {
      length: head.length + dataBytes,
      step,
      synchronize: () =>
        this.file.syncLater().catch(() => {
          // It shows again where it is waited for.
        }),
      finish: () => {
        while (!written) step();
        whole(() => this.file.sync());
        this.pending = undefined;
        take(dataAt);
        this.end = dataAt + dataBytes;
        this.sequence = sequence;
        this.mark();
      },
    };
    return this.pending;
  }

  private unwritable(error: unknown): OverlayError {
    return new OverlayError(
      `${this.isJournal ? 'journal' : 'overlay'} ${this.name} cannot be written: ${(error as Error).message}; what the guest had flushed before is kept`,
      { cause: error },
    );
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
      if (kind === ENTRY_KIND.BASE && !this.isJournal) this.entries.delete(id);
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
      if (commit.kind === COMMIT_KIND.JOURNAL) this.journal = commit.note;
    }
    if (this.end < sound && this.sequence < until) throw this.damaged(this.end);
    if (until !== Infinity && this.sequence !== until)
      throw new OverlayError(
        `overlay ${this.name} is not as it was after commit ${until}, which is needed: it was discarded, merged or rewritten since`,
      );
  }

  /** The commit at the end of what was read; undefined where there is none that is whole. @param data its chunks are checked, too */
  private readCommit(data: boolean): ReadCommit | undefined {
    const { file, end: at } = this;
    const head = new Uint8Array(COMMIT_HEADER);
    if (file.read(at, head) < COMMIT_HEADER) return undefined;
    const header = readCommitHeader(head);
    if (header === undefined || header.sequence <= this.sequence) return undefined;
    const length = header.entries * ENTRY_SIZE;
    if (at + COMMIT_HEADER + length > file.size) return undefined;
    const bytes = new Uint8Array(length);
    if (file.read(at + COMMIT_HEADER, bytes) < length || crc32c(bytes) !== header.tableSum) return undefined;
    const dataAt = at + COMMIT_HEADER + length;
    const { sequence, kind } = header;
    if (kind === COMMIT_KIND.JOURNAL) return { table: [], dataAt, end: dataAt, sequence, kind, note: readNote(bytes) };
    const table = readTable(bytes);
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
    return { table, dataAt, end, sequence, kind };
  }

  private damaged(at: number): OverlayError {
    return new OverlayError(
      this.isJournal
        ? `journal ${this.name} is damaged at byte ${at}: bring a copy of it, or give up what is in it with "hindsight disk drain --lose"`
        : `overlay ${this.name} is damaged at byte ${at}: bring a copy of it, or discard it with "hindsight disk discard"`,
    );
  }
}

interface ReadCommit {
  readonly table: TableEntry[];
  readonly dataAt: number;
  readonly end: number;
  readonly sequence: number;
  readonly kind: number;
  readonly note?: JournalNote | undefined;
}

/** The data of chunks, in pieces that are written at once; each is used again for the next. */
function* chunksOf(writes: readonly OverlayWrite[]): Iterable<Uint8Array> {
  const piece = new Uint8Array(PIECE);
  let filled = 0;
  for (const write of writes) {
    const data = write.mask === 0 ? undefined : write.data;
    if (data === undefined) continue;
    piece.set(data, filled);
    filled += CHUNK;
    if (filled < PIECE) continue;
    yield piece;
    filled = 0;
  }
  if (filled > 0) yield piece.subarray(0, filled);
}
