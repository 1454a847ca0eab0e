import { decompress } from '../bytes/compress.ts';
import { StateError, StateReader, StateWriter } from '../bytes/state-stream.ts';
import { PAGE_SIZE } from '../isa/layout.ts';
import type { Engine } from '../machine/engine/engine.ts';
import { isDamage } from '../record/damage.ts';
import { compareInstants, type Instant } from '../record/door.ts';
import { ZEROS } from '../record/format.ts';
import type { StoredCheckpoint, StoredPage } from '../record/recording.ts';
import type { PackedCheckpoint } from '../record/writer.ts';
import { type ChunkList, DiskChunks } from './disk-chunks.ts';
import { PageStore, ZERO_PAGE } from './page-store.ts';
import { PageTable } from './page-table.ts';
import { leastWorth } from './spacing.ts';
import { Staging } from './staging.ts';
import { startPages } from './start-pages.ts';
import { CheckpointPacker } from './stored.ts';

/** A state of the machine that can be returned to. */
export class Checkpoint {
  readonly at: Instant;
  /** Guest time in ticks. */
  readonly time: number;
  /** How many events the door had let in: index of the next one. */
  events: number;
  /** Where it can be read again, if it is in a recording. */
  readonly source: StoredCheckpoint | undefined;
  /** Undefined while it is only in the recording. */
  contents: CheckpointParts | undefined;
  /** Pages of RAM that were written from an instant on until this one; undefined where that is not known. */
  written: { readonly since: Instant; readonly pages: Uint32Array } | undefined;

  constructor(
    { at, time, events }: Pick<Checkpoint, 'at' | 'time' | 'events'>,
    contents: CheckpointParts | undefined,
    source?: StoredCheckpoint,
  ) {
    this.at = at;
    this.time = time;
    this.events = events;
    this.contents = contents;
    this.source = source;
  }

  /** Bytes it takes by itself, besides pages and disk chunks. */
  get bytes(): number {
    return (this.contents?.state.length ?? 0) + (this.written?.pages.byteLength ?? 0);
  }
}

/** What a checkpoint is made of. */
export interface CheckpointParts {
  readonly state: Uint8Array;
  ram: PageTable;
  /** Written chunks of each disk. */
  readonly disks: readonly ChunkList[];
}

/** A checkpoint whose pages are copied, but not yet looked at. */
interface Fresh {
  readonly checkpoint: Checkpoint;
  readonly pages: readonly number[];
  /** Pages more than fit, and their ids. */
  readonly more: readonly number[];
  readonly moreIds: readonly number[];
  /** Ids of the first of `pages`. */
  readonly ids: number[];
}

/** Pages that may wait to be looked at: 128 MiB. */
const MOST_STAGED = 32_768;

/**
 * The checkpoints of one machine, in memory: dirty pages only, equal pages once, compressed when there is time, thinned out with distance
 * once they take more than their budget. Taking one copies what changed; finding what is equal is left to {@link rest} or to the first caller that needs it.
 * It changes nothing the guest or the hash can see.
 */
export class Checkpoints {
  private readonly engine: Engine;
  private readonly budget: number;
  private readonly store = new PageStore();
  /** In order of time. */
  private list: Checkpoint[] = [];
  /** What RAM was at the last capture or restore; what changed since is in the tracker. */
  private base: PageTable;
  /** When that was. */
  private baseAt: Instant;
  private diskLists: { generation: number; chunks: ChunkList }[] = [];
  private readonly diskChunks = new DiskChunks();
  /** RAM at the recording's start. */
  private readonly start: PageTable;
  private readonly packer: CheckpointPacker;
  /** Contents of disk chunks that were read from the recording, by number, while somebody has them. */
  private readonly diskData = new Map<number, WeakRef<Uint8Array>>();
  private readonly staging = new Staging();
  private fresh: Fresh | undefined;

  /**
   * @param engine is at the first instant; its state becomes the first checkpoint, which is never dropped
   * @param budget bytes @param events that have entered it
   * @param atStart the machine is where its recording starts
   */
  constructor(engine: Engine, budget: number, events = 0, atStart = false) {
    this.engine = engine;
    this.budget = budget;
    engine.tracker.collect();
    const changed = engine.tracker.takeChanged();
    const { pages } = engine.memory;
    const empty = PageTable.empty(this.store, pages);
    // Nothing but the boot plan or the snapshot is in RAM: what is known need not be read.
    if (atStart) {
      const ids = startPages(engine, changed, this.store);
      this.base = empty.changed([...ids.keys()], (page) => ids.get(page)!);
    } else
      this.base = empty.changed(
        Array.from({ length: pages }, (_, page) => page),
        (page) => this.keep(page),
      );
    empty.release();
    this.start = this.base.share();
    this.baseAt = engine.instant;
    this.packer = new CheckpointPacker(this.store, atStart ? this.start : undefined);
    this.list.push(this.make(events, this.base.share()));
  }

  /** All, in order of time. */
  get all(): readonly Checkpoint[] {
    return this.list;
  }

  /** Bytes they take. */
  get size(): number {
    return this.store.size + this.diskChunks.size + this.list.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** The last one not after an instant. */
  before(at: Instant): Checkpoint {
    let low = 0;
    let high = this.list.length;
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if (compareInstants(this.list[middle].at, at) <= 0) low = middle;
      else high = middle;
    }
    return this.list[low];
  }

  /** Whether it is known that none of these pages was written between two instants with checkpoints. */
  untouched(from: Instant, to: Instant, pages: readonly number[]): boolean {
    const { at, written } = this.before(to);
    if (written === undefined || compareInstants(at, to) !== 0 || compareInstants(written.since, from) !== 0)
      return false;
    return !pages.some((page) => written.pages.includes(page));
  }

  /** Takes a checkpoint of the machine as it is, if there is none. @param events index of the next event */
  capture(events: number): Checkpoint {
    const { engine } = this;
    this.complete();
    const near = this.before(engine.instant);
    if (compareInstants(near.at, engine.instant) === 0) return near;
    const { tracker, memory } = engine;
    tracker.collect();
    const pages = tracker.takeChanged();
    const checkpoint = this.make(events, undefined);
    checkpoint.written = { since: this.baseAt, pages: Uint32Array.from(pages) };
    this.baseAt = checkpoint.at;
    this.list.splice(this.list.indexOf(near) + 1, 0, checkpoint);
    const more = pages.splice(MOST_STAGED);
    for (const page of pages) memory.absent.fetch(page);
    this.staging.take(memory.ramWords, pages);
    this.fresh = { checkpoint, pages, more, moreIds: more.map((page) => this.keep(page)), ids: [] };
    return checkpoint;
  }

  /** Looks at pages of the last checkpoint that were only copied so far. @returns whether there are more */
  private digest(count: number): boolean {
    const { fresh } = this;
    if (fresh === undefined) return false;
    const first = this.start;
    const { ids, pages } = fresh;
    for (const end = Math.min(pages.length, ids.length + count); ids.length < end; ) {
      const i = ids.length;
      ids.push(this.store.keep(this.staging.words, (i * PAGE_SIZE) / 4, first.get(pages[i])));
    }
    return ids.length < pages.length;
  }

  /** Makes the last checkpoint whole. */
  private complete(): void {
    const { fresh } = this;
    if (fresh === undefined) return;
    this.digest(Infinity);
    this.fresh = undefined;
    const ids = [...fresh.ids, ...fresh.moreIds];
    let i = 0;
    const next = this.base.changed([...fresh.pages, ...fresh.more], () => ids[i++]);
    this.base.release();
    this.base = next;
    fresh.checkpoint.contents!.ram = next.share();
    this.thin();
  }

  /** Takes in the checkpoints that a recording holds; each is read when it is gone to. The machine must be at its first instant. */
  add(stored: readonly StoredCheckpoint[]): void {
    for (const source of stored)
      if (compareInstants(this.before(source.at).at, source.at) !== 0)
        this.insert(new Checkpoint(source, undefined, source));
  }

  /** What is packed from now on goes to a file that has pages and tables with lower numbers. */
  numberFrom(pages: number, tables: number): void {
    this.packer.numberFrom(pages, tables);
  }

  /** A checkpoint as it is to be stored in a recording; each once. */
  pack(checkpoint: Checkpoint): PackedCheckpoint {
    this.complete();
    const { at, time, events } = checkpoint;
    return this.packer.pack({ at, time, events, ...checkpoint.contents! });
  }

  /** Reads a checkpoint that is only in the recording. @throws RecordingError, StateError when it is damaged */
  private async load(checkpoint: Checkpoint): Promise<void> {
    const { state, pages, disks, fetch } = await checkpoint.source!.read();
    const last = Math.max(-1, ...pages.keys());
    if (last >= this.engine.memory.pages)
      throw new StateError(`a checkpoint has page ${last}, the machine has ${this.engine.memory.pages}`);
    const kept = new Map<number, Uint8Array>();
    const missing = new Set<number>();
    for (const number of pages.values()) if (number !== ZEROS && !this.store.has(number)) missing.add(number);
    for (const { number } of disks.flat()) {
      const data = this.diskData.get(number)?.deref();
      if (data !== undefined) kept.set(number, data);
      else if (number !== ZEROS) missing.add(number);
    }
    const found = await fetch(missing);
    const lists = disks.map((chunks) =>
      chunks.map(({ id, mask, number }) => {
        let data = kept.get(number);
        if (data === undefined) {
          data = unpackPage(found.get(number));
          kept.set(number, data);
          this.diskData.set(number, new WeakRef(data));
        }
        return { id, mask, data, generation: 0 };
      }),
    );
    const ram = this.start.changed([...pages.keys()], (page) => {
      const number = pages.get(page)!;
      return number === ZEROS
        ? ZERO_PAGE
        : (this.store.numbered(number) ?? this.store.adopt(number, found.get(number)!));
    });
    checkpoint.contents = { state, ram, disks: lists };
    this.diskChunks.use(lists);
    this.thin(checkpoint);
  }

  private insert(made: Checkpoint): void {
    this.list.splice(this.list.indexOf(this.before(made.at)) + 1, 0, made);
    this.thin();
  }

  /** Drops what there is no room for; what can be read again is only forgotten. @param needed stays */
  private thin(needed?: Checkpoint): void {
    while (this.size > this.budget) {
      const { list } = this;
      const victim = leastWorth(
        list.map(({ at }) => at.instructions),
        this.engine.instructions,
        (i) => list[i].contents !== undefined && list[i] !== needed,
      );
      if (victim < 0) break;
      this.release(list[victim]);
      if (list[victim].source === undefined) list.splice(victim, 1);
    }
  }

  private release(checkpoint: Checkpoint): void {
    const { contents } = checkpoint;
    if (contents === undefined) return;
    contents.ram.release();
    this.diskChunks.release(contents.disks);
    checkpoint.contents = undefined;
  }

  /**
   * Puts the machine into a checkpoint's state; where it turns out to be damaged in the recording, into that of the last sound one before.
   * @returns the one that it was put into
   */
  async restore(checkpoint: Checkpoint): Promise<Checkpoint> {
    this.complete();
    try {
      if (checkpoint.contents === undefined) await this.load(checkpoint);
    } catch (error) {
      if (!isDamage(error)) throw error;
      const at = this.list.indexOf(checkpoint);
      this.list.splice(at, 1);
      return this.restore(this.list[at - 1]);
    }
    this.place(checkpoint.contents!);
    return checkpoint;
  }

  private place(contents: CheckpointParts): void {
    const { engine } = this;
    const { memory, tracker } = engine;
    tracker.collect();
    const pages = new Set(tracker.takeChanged());
    for (const page of this.base.difference(contents.ram)) pages.add(page);
    for (const page of pages) {
      memory.absent.drop(page);
      this.store.read(contents.ram.get(page), memory.ramBytes.subarray(page * PAGE_SIZE, (page + 1) * PAGE_SIZE));
      engine.core.ramChanged(page * PAGE_SIZE, PAGE_SIZE);
    }
    tracker.collect();
    tracker.takeChanged();
    const old = this.base;
    this.base = contents.ram.share();
    old.release();
    contents.disks.forEach((chunks, i) => engine.board.disks[i].restoreChunks(chunks));
    this.diskChunks.setPresent(contents.disks);
    this.diskLists = [];
    engine.restoreState(new StateReader(contents.state), true);
    this.baseAt = engine.instant;
  }

  /** Looks at some pages of the last capture, or compresses some if room may get short: to be called when there is time. @returns whether there is more to do */
  rest(pages: number): boolean {
    if (this.fresh !== undefined) {
      if (!this.digest(pages)) this.complete();
      return true;
    }
    return this.size > this.budget / 2 && this.store.rest(pages);
  }

  /** Drops all after an instant: the future is another one now. */
  forget(after: Instant): void {
    this.complete();
    const keep = this.list.filter(({ at }) => compareInstants(at, after) <= 0);
    for (const dropped of this.list.slice(keep.length)) this.release(dropped);
    this.list = keep;
  }

  private keep(page: number): number {
    this.engine.memory.absent.fetch(page);
    return this.store.keep(this.engine.memory.ramWords, (page * PAGE_SIZE) / 4);
  }

  /** @param ram undefined while its pages were not looked at yet */
  private make(events: number, ram: PageTable | undefined): Checkpoint {
    const { engine } = this;
    const w = new StateWriter();
    engine.saveState(w);
    const disks = engine.board.disks.map((disk, i) => {
      const known = this.diskLists[i];
      const unchanged = known !== undefined && [...disk.changedSince(known.generation)].length === 0;
      const chunks = unchanged ? known.chunks : [...disk.writtenChunks()];
      this.diskLists[i] = { generation: disk.seal(), chunks };
      return chunks;
    });
    this.diskChunks.use(disks);
    this.diskChunks.setPresent(disks);
    const { instant: at, time } = engine;
    return new Checkpoint({ at, time, events }, { state: w.finish(), ram: ram ?? this.base, disks });
  }
}

/** A disk chunk's data; undefined is all zeros. */
function unpackPage(stored: StoredPage | undefined): Uint8Array {
  const data = new Uint8Array(PAGE_SIZE);
  if (stored?.packed) decompress(stored.bytes, data);
  else if (stored !== undefined) data.set(stored.bytes);
  return data;
}
