import { PAGE_SIZE } from '../isa/layout.ts';
import type { Engine } from '../machine/engine.ts';
import { StateReader, StateWriter } from '../machine/state.ts';
import type { Instant } from '../record/door.ts';
import type { OverlayChunk } from '../storage/index.ts';
import { PageStore, ZERO_PAGE } from './page-store.ts';
import { PageTable } from './page-table.ts';
import { thin } from './spacing.ts';
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

/** Earlier first. */
export const compareInstants = (a: Instant, b: Instant): number => a.instructions - b.instructions || a.sequence - b.sequence;

/**
 * The checkpoints of one machine, in memory: dirty pages only, equal pages once, compressed when there is time, thinned out with distance
 * once they take more than their budget. Taking one changes nothing the guest or the hash can see.
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

  /**
   * @param engine stands at the first instant; its state becomes the first checkpoint, which is never dropped
   * @param budget bytes
   */
  constructor(engine: Engine, budget: number, events = 0) {
    this.engine = engine;
    this.budget = budget;
    engine.tracker.collect();
    engine.tracker.takeChanged();
    const all = Array.from({ length: engine.memory.pages }, (_, page) => page);
    const empty = PageTable.empty(this.store, engine.memory.pages);
    this.base = empty.changed(all, (page) => this.keep(page));
    empty.release();
    this.list.push(this.make(events));
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
    const near = this.before(engine.instant);
    if (compareInstants(near.at, engine.instant) === 0) return near;
    this.rebase();
    const made = this.make(events);
    this.insert(made);
    return made;
  }

  /**
   * Takes in the checkpoints that a recording holds. The machine must be at its first instant.
   * @param bodies in the order they were stored @param valid whether each is still part of the past
   * @throws StateError when one is damaged
   */
  load(bodies: readonly Uint8Array[], valid: (body: Uint8Array) => boolean): void {
    let ram = this.list[0].ram.changed([], () => ZERO_PAGE);
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
        this.insert({ at, time, events, state, ram: ram.changed([], () => ZERO_PAGE), disks });
      }
    }
    ram.release();
  }

  /** A checkpoint as it is to be stored in a recording, as the difference from the last one that was; each once. */
  pack(checkpoint: Checkpoint): Uint8Array {
    const body = packCheckpoint(checkpoint, this.stored ?? this.list[0], this.store);
    this.stored?.ram.release();
    this.stored = { ram: checkpoint.ram.changed([], () => ZERO_PAGE), disks: checkpoint.disks };
    return body;
  }

  private insert(made: Checkpoint): void {
    this.list.splice(this.list.indexOf(this.before(made.at)) + 1, 0, made);
    while (this.size > this.budget && this.list.length > 2) {
      const victim = thin(this.list.map(({ at }) => at.instructions), this.engine.instructions);
      if (victim < 0) break;
      for (const dropped of this.list.splice(victim, 1)) dropped.ram.release();
    }
  }

  /** Puts the machine into a checkpoint's state. */
  restore(checkpoint: Checkpoint): void {
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
    this.base = checkpoint.ram.changed([], () => ZERO_PAGE);
    old.release();
    checkpoint.disks.forEach((chunks, i) => engine.board.disks[i].restoreChunks(chunks));
    this.diskLists = [];
    engine.restoreState(new StateReader(checkpoint.state), true);
  }

  /** Compresses some pages if room may get short: to be called when there is time. @returns whether there is more to do */
  rest(pages: number): boolean {
    return this.size > this.budget / 2 && this.store.rest(pages);
  }

  /** Drops all after an instant: the future is another one now. */
  forget(after: Instant): void {
    const keep = this.list.filter(({ at }) => compareInstants(at, after) <= 0);
    for (const dropped of this.list.slice(keep.length)) dropped.ram.release();
    this.list = keep;
  }

  private keep(page: number): number {
    return this.store.keep(this.engine.memory.ramWords, (page * PAGE_SIZE) / 4);
  }

  /** Makes what RAM is now the base. */
  private rebase(): void {
    const { tracker } = this.engine;
    tracker.collect();
    const next = this.base.changed(tracker.takeChanged(), (page) => this.keep(page));
    this.base.release();
    this.base = next;
  }

  private make(events: number): Checkpoint {
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
    return { at: engine.instant, time: engine.time, events, state: w.finish(), ram: this.base.changed([], () => ZERO_PAGE), disks };
  }
}
