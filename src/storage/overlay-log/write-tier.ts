import { OverlayError } from './format.ts';
import type { OverlayEntry, OverlayLog, OverlayWrite, PendingCommit } from './log.ts';

/** When a flush of the guest is done: once it is in the overlay, or once it is in the journal. */
export type WritePolicy = 'through' | 'back';

/** A journal, and what takes it away once it is no longer used. */
export interface Journal {
  /** Opened as a journal, see {@link OverlayLog.open}; nothing else writes to it. */
  readonly log: OverlayLog;
  /** Closes and removes it. */
  remove(): void;
}

/** What a {@link WriteTier} did so far. */
export interface WriteStatistics {
  readonly policy: WritePolicy;
  /** Flushes that put something into the journal, and bytes of the disk. */
  readonly journaled: { readonly flushes: number; readonly bytes: number };
  /** Commits of the overlay, and bytes of the disk: what was written again meanwhile is put there once. */
  readonly put: { readonly commits: number; readonly bytes: number };
  /** Bytes of the disk that are in the journal only. */
  readonly waiting: number;
  /** Flushes that waited for the overlay, because there was no room in the journal. */
  readonly stalls: number;
}

/** Bytes that a journal may have. */
const CAPACITY = 256 * 2 ** 20;
const SECTOR_BYTES = 512;

/**
 * The way of flushed writes into an overlay. Through: at once. Back: into a journal, a log of the same form on a faster disk, and from there
 * into the overlay later, by {@link step} or {@link drain}: always everything up to some flush, as one commit. So the overlay by itself is at any moment
 * the disk as of some flush, and with its journal as of the last one.
 */
export class WriteTier {
  private readonly overlay: OverlayLog;
  private readonly capacity: number;
  private journal: Journal | undefined;
  /** What is in the journal only. */
  private waiting = new Map<number, OverlayEntry>();
  /** What of it is being put into the overlay. */
  private under: { readonly commit: PendingCommit; readonly chunks: ReadonlyMap<number, OverlayEntry> } | undefined;
  private readonly journaled = { flushes: 0, bytes: 0 };
  private readonly put = { commits: 0, bytes: 0 };
  private stalls = 0;

  /** @param capacity bytes that the journal may have; more only while a single flush is larger */
  constructor(overlay: OverlayLog, capacity = CAPACITY) {
    this.overlay = overlay;
    this.capacity = capacity;
  }

  get policy(): WritePolicy {
    return this.journal === undefined ? 'through' : 'back';
  }

  get statistics(): WriteStatistics {
    const { policy, journaled, put, stalls } = this;
    const chunks = [...this.waiting.values(), ...(this.under?.chunks.values() ?? [])];
    return { policy, journaled: { ...journaled }, put: { ...put }, waiting: bytesOf(chunks), stalls };
  }

  /** Whether anything is in the journal only. */
  get behind(): boolean {
    return this.waiting.size > 0 || this.under !== undefined;
  }

  /**
   * From now on flushes are done once they are in this journal. What is in it already is put into the overlay later.
   * @param path where it is @throws OverlayError
   */
  writeBack(journal: Journal, path: string): void {
    if (this.journal !== undefined) return;
    const { id } = journal.log.header;
    if (this.overlay.journal?.id !== id || this.overlay.journal.path !== path) this.overlay.noteJournal({ id, path });
    this.journal = journal;
    this.waiting = new Map(journal.log.entries);
  }

  /** From now on flushes are done once they are in the overlay; what is in the journal is put there first. @throws OverlayError */
  writeThrough(): void {
    const { journal } = this;
    if (journal === undefined) return;
    this.drain();
    this.overlay.noteJournal(undefined);
    this.journal = undefined;
    journal.remove();
  }

  /** Adds chunks, all or none, and returns when they survive a power loss. @throws OverlayError, and all is as before */
  append(writes: readonly OverlayWrite[]): void {
    const { journal } = this;
    if (journal === undefined) return this.appendThrough(writes);
    const bytes = writes.reduce((sum, { data }) => sum + (data?.length ?? 0), 0);
    if (journal.log.size + bytes > this.capacity) {
      this.stalls++;
      this.drain();
    }
    try {
      journal.log.append(writes);
    } catch (error) {
      if (!(error instanceof OverlayError)) throw error;
      // No room, or the disk that it is on is failing: the overlay takes it, after all that came before.
      this.stalls++;
      this.drain();
      return this.appendThrough(writes);
    }
    for (const { id } of writes) this.waiting.set(id, journal.log.entries.get(id)!);
    this.journaled.flushes++;
    this.journaled.bytes += bytesOf(writes);
  }

  /**
   * Puts a piece of what is in the journal into the overlay, without waiting for its disk.
   * @returns whether something is still to be done @throws OverlayError, and it stays in the journal
   */
  async step(): Promise<boolean> {
    if (!this.behind) return false;
    const { commit } = (this.under ??= this.begin());
    if (!this.guarded(() => commit.step())) return true;
    await commit.synchronize();
    // Meanwhile it may have been finished, and another begun.
    if (this.under?.commit === commit) this.finish();
    return this.behind;
  }

  /** Puts all that is in the journal into the overlay, and returns when it survives a power loss there. @throws OverlayError, and it stays in the journal */
  drain(): void {
    if (this.under !== undefined) this.finish();
    if (this.waiting.size === 0) return;
    this.under = this.begin();
    this.finish();
  }

  private appendThrough(writes: readonly OverlayWrite[]): void {
    this.overlay.append(writes);
    this.put.commits++;
    this.put.bytes += bytesOf(writes);
  }

  private begin(): NonNullable<typeof this.under> {
    const chunks = this.waiting;
    const { log } = this.journal!;
    const writes = Array.from(chunks, ([id, entry]) => ({
      id,
      mask: entry.mask,
      // Read when it is written, so that not all of it is in memory.
      get data() {
        return entry.at === 0 ? undefined : log.read(entry);
      },
    }));
    const under = { commit: this.overlay.begin(writes), chunks };
    this.waiting = new Map();
    return under;
  }

  private finish(): void {
    const { commit, chunks } = this.under!;
    this.guarded(() => commit.finish());
    this.under = undefined;
    this.put.commits++;
    this.put.bytes += bytesOf([...chunks.values()]);
    if (this.waiting.size === 0) this.journal!.log.clear();
  }

  /** What cannot be put into the overlay waits on. */
  private guarded<T>(action: () => T): T {
    try {
      return action();
    } catch (error) {
      this.waiting = new Map([...(this.under?.chunks ?? []), ...this.waiting]);
      this.under = undefined;
      throw error;
    }
  }
}

/** Bytes of the disk in chunks. */
function bytesOf(chunks: readonly { readonly mask: number }[]): number {
  let sectors = 0;
  for (const { mask } of chunks) for (let m = mask; m > 0; m >>= 1) sectors += m & 1;
  return sectors * SECTOR_BYTES;
}
