import { StateReader, StateWriter } from '../bytes/state-stream.ts';
import { PAGE_SIZE } from '../isa/layout.ts';
import type { Engine } from '../machine/engine/engine.ts';
import type { Instant } from '../record/door.ts';
import type { OverlayChunk } from '../storage/index.ts';
import { PageStore } from './page-store.ts';
import { PageTable } from './page-table.ts';
import { pristinePages } from './pristine.ts';
import { leastWorth } from './spacing.ts';
import { Staging } from './staging.ts';
import { packCheckpoint, unpackCheckpoint } from './stored.ts';

/** A state of the machine that can be returned to. */
export interface Checkpoint {
  readonly at: Instant;
  /** Guest time in ticks. */
  readonly time: number;
  /** How many events the door had let in: index of the next one. */
  readonly events: number;
  readonly state: Uint8Array;
  readonly ram: PageTable;
  /** Written chunks of each disk; shared, never changed. */
  readonly disks: readonly (readonly OverlayChunk[])[];
}

/** A checkpoint whose pages are copied, but not yet looked at. */
interface Fresh {
  readonly checkpoint: { -readonly [K in keyof Checkpoint]: Checkpoint[K] };
  readonly pages: readonly number[];
  /** Pages more than fit, and their ids. */
  readonly more: readonly number[];
  readonly moreIds: readonly number[];
  /** Ids of the first of `pages`. */
  readonly ids: number[];
}

/** Pages that may wait to be looked at: 128 MiB. */
const MOST_STAGED = 32_768;

/** Earlier first. */
export const compareInstants = (a: Instant, b: Instant): number =>
  a.instructions - b.instructions || a.sequence - b.sequence;

/**
 * The checkpoints of one machine, in memory: dirty pages only, equal pages once, compressed when there is time, thinned out with distance
 * once they take more than their budget. Taking one copies what changed; finding what is equal is left to {@link rest} or to whoever needs it first.
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
  /** What the last stored checkpoint was. */
  private stored: { readonly ram: PageTable; readonly disks: Checkpoint['disks'] } | undefined;
  private diskLists: { generation: number; chunks: readonly OverlayChunk[] }[] = [];
  private readonly staging = new Staging();
  private fresh: Fresh | undefined;

  /**
   * @param engine stands at the first instant; its state becomes the first checkpoint, which is never dropped
   * @param budget bytes @param events that have entered it
   * @param pristine the machine was just powered on, and nothing but its boot plan is in RAM: what is known need not be read
   */
  constructor(engine: Engine, budget: number, events = 0, pristine = false) {
    this.engine = engine;
    this.budget = budget;
    engine.tracker.collect();
    engine.tracker.takeChanged();
    const { pages } = engine.memory;
    const empty = PageTable.empty(this.store, pages);
    if (pristine) {
      const ids = pristinePages(engine, this.store);
      this.base = empty.changed([...ids.keys()], (page) => ids.get(page)!);
    } else
      this.base = empty.changed(
        Array.from({ length: pages }, (_, page) => page),
        (page) => this.keep(page),
      );
    empty.release();
    this.list.push({ ...this.make(events), ram: this.base.share() });
  }

  /** All, in order of time. */
  get all(): readonly Checkpoint[] {
    return this.list;
  }

  /** Bytes they take. */
  get size(): number {
    return this.store.size + this.list.reduce((sum, { state }) => sum + state.length, 0);
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

  /** Takes a checkpoint of the machine as it is, if there is none. @param events index of the next event */
  capture(events: number): Checkpoint {
    const { engine } = this;
    this.settle();
    const near = this.before(engine.instant);
    if (compareInstants(near.at, engine.instant) === 0) return near;
    const { tracker, memory } = engine;
    tracker.collect();
    const pages = tracker.takeChanged();
    const checkpoint = this.make(events) as Checkpoint;
    this.list.splice(this.list.indexOf(near) + 1, 0, checkpoint);
    const more = pages.splice(MOST_STAGED);
    this.staging.take(memory.ramWords, pages);
    this.fresh = { checkpoint, pages, more, moreIds: more.map((page) => this.keep(page)), ids: [] };
    return checkpoint;
  }

  /** Looks at pages of the last checkpoint that were only copied so far. @returns whether there are more */
  private digest(count: number): boolean {
    const { fresh } = this;
    if (fresh === undefined) return false;
    const first = this.list[0].ram;
    const { ids, pages } = fresh;
    for (const end = Math.min(pages.length, ids.length + count); ids.length < end; ) {
      const i = ids.length;
      ids.push(this.store.keep(this.staging.words, (i * PAGE_SIZE) / 4, first.get(pages[i])));
    }
    return ids.length < pages.length;
  }

  /** Makes the last checkpoint whole. */
  private settle(): void {
    const { fresh } = this;
    if (fresh === undefined) return;
    this.digest(Infinity);
    this.fresh = undefined;
    const ids = [...fresh.ids, ...fresh.moreIds];
    let i = 0;
    const next = this.base.changed([...fresh.pages, ...fresh.more], () => ids[i++]);
    this.base.release();
    this.base = next;
    fresh.checkpoint.ram = next.share();
    this.thin();
  }

  /**
   * Takes in the checkpoints that a recording holds. The machine must be at its first instant.
   * @param bodies in the order they were stored @param valid whether each is still part of the past
   * @throws StateError when one is damaged
   */
  load(bodies: readonly Uint8Array[], valid: (body: Uint8Array) => boolean): void {
    let ram = this.list[0].ram.share();
    let disks = this.list[0].disks;
    for (const body of bodies) {
      const stored = unpackCheckpoint(body, this.engine.memory.pages);
      const contents = new Map(stored.pages.map((entry) => [entry.page, entry]));
      const next = ram.changed([...contents.keys()], (page) => {
        const { packed, bytes } = contents.get(page)!;
        return this.store.adopt(packed, bytes);
      });
      ram.release();
      ram = next;
      disks = stored.disks.map(({ removed, written }, i) => {
        const chunks = new Map((disks[i] ?? []).map((chunk) => [chunk.id, chunk]));
        for (const id of removed) chunks.delete(id);
        for (const chunk of written) chunks.set(chunk.id, chunk);
        return [...chunks.values()].sort((a, b) => a.id - b.id);
      });
      const { at, time, events, state } = stored;
      if (valid(body) && compareInstants(this.before(at).at, at) !== 0) {
        this.insert({ at, time, events, state, ram: ram.share(), disks });
      }
    }
    ram.release();
  }

  /** A checkpoint as it is to be stored in a recording, as the difference from the last one that was; each once. */
  pack(checkpoint: Checkpoint): Uint8Array {
    this.settle();
    const body = packCheckpoint(checkpoint, this.stored ?? this.list[0], this.store);
    this.stored?.ram.release();
    this.stored = { ram: checkpoint.ram.share(), disks: checkpoint.disks };
    return body;
  }

  private insert(made: Checkpoint): void {
    this.list.splice(this.list.indexOf(this.before(made.at)) + 1, 0, made);
    this.thin();
  }

  /** Drops what there is no room for. */
  private thin(): void {
    while (this.size > this.budget && this.list.length > 2) {
      const victim = leastWorth(
        this.list.map(({ at }) => at.instructions),
        this.engine.instructions,
      );
      if (victim < 0) break;
      for (const dropped of this.list.splice(victim, 1)) dropped.ram.release();
    }
  }

  /** Puts the machine into a checkpoint's state. */
  restore(checkpoint: Checkpoint): void {
    this.settle();
    const { engine } = this;
    const { memory, tracker } = engine;
    tracker.collect();
    const pages = new Set(tracker.takeChanged());
    for (const page of this.base.difference(checkpoint.ram)) pages.add(page);
    for (const page of pages) {
      this.store.read(checkpoint.ram.get(page), memory.ramBytes.subarray(page * PAGE_SIZE, (page + 1) * PAGE_SIZE));
      engine.core.ramChanged(page * PAGE_SIZE, PAGE_SIZE);
    }
    tracker.collect();
    tracker.takeChanged();
    const old = this.base;
    this.base = checkpoint.ram.share();
    old.release();
    checkpoint.disks.forEach((chunks, i) => engine.board.disks[i].restoreChunks(chunks));
    this.diskLists = [];
    engine.restoreState(new StateReader(checkpoint.state), true);
  }

  /** Looks at some pages of the last capture, or compresses some if room may get short: to be called when there is time. @returns whether there is more to do */
  rest(pages: number): boolean {
    if (this.fresh !== undefined) {
      if (!this.digest(pages)) this.settle();
      return true;
    }
    return this.size > this.budget / 2 && this.store.rest(pages);
  }

  /** Drops all after an instant: the future is another one now. */
  forget(after: Instant): void {
    this.settle();
    const keep = this.list.filter(({ at }) => compareInstants(at, after) <= 0);
    for (const dropped of this.list.slice(keep.length)) dropped.ram.release();
    this.list = keep;
  }

  private keep(page: number): number {
    return this.store.keep(this.engine.memory.ramWords, (page * PAGE_SIZE) / 4);
  }

  private make(events: number): Omit<Checkpoint, 'ram'> {
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
    return { at: engine.instant, time: engine.time, events, state: w.finish(), disks };
  }
}
