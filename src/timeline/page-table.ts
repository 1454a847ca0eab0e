import { TABLE_PAGES } from '../record/format.ts';
import { type PageStore, ZERO_PAGE } from './page-store.ts';

/** Pages in a block: those of a table in a recording. */
const BLOCK = TABLE_PAGES;
/** Memory of a block, and of a table's reference to one. */
const BLOCK_BYTES = BLOCK * 4 + 120;
const REFERENCE_BYTES = 8;

/** Ids of consecutive pages. Never changes once a table that has it was made. */
export interface TableBlock {
  readonly ids: Int32Array;
  uses: number;
}

/**
 * Which page of the store lies where in RAM, for one checkpoint. Blocks of the table are shared between checkpoints and copied when one of their
 * pages changes, so a checkpoint costs what changed, and two can be compared at the price of their difference.
 */
export class PageTable {
  /** Shared between tables. */
  readonly blocks: readonly TableBlock[];
  private readonly store: PageStore;

  private constructor(store: PageStore, blocks: TableBlock[]) {
    this.store = store;
    this.blocks = blocks;
    store.size += blocks.length * REFERENCE_BYTES;
  }

  /** RAM of zeros. @param pages how many */
  static empty(store: PageStore, pages: number): PageTable {
    const count = Math.ceil(pages / BLOCK);
    store.size += BLOCK_BYTES;
    const zero: TableBlock = { ids: new Int32Array(BLOCK).fill(ZERO_PAGE), uses: count };
    return new PageTable(
      store,
      Array.from({ length: count }, () => zero),
    );
  }

  /** A table that differs in some pages: `keep` puts each into the store. */
  changed(pages: readonly number[], keep: (page: number) => number): PageTable {
    const blocks = this.blocks.slice();
    for (const block of blocks) block.uses++;
    for (const page of pages) {
      const at = Math.floor(page / BLOCK);
      const id = keep(page);
      const before = blocks[at].ids[page % BLOCK];
      if (before === id) {
        this.store.release(id);
        continue;
      }
      if (blocks[at] === this.blocks[at]) blocks[at] = this.copy(blocks[at]);
      blocks[at].ids[page % BLOCK] = id;
      this.store.release(before);
    }
    return new PageTable(this.store, blocks);
  }

  /** The same table for another user. */
  share(): PageTable {
    for (const block of this.blocks) block.uses++;
    return new PageTable(this.store, this.blocks.slice());
  }

  /** Id of a page. */
  get(page: number): number {
    return this.blocks[Math.floor(page / BLOCK)].ids[page % BLOCK];
  }

  /** Pages in which two tables differ. */
  *difference(other: PageTable): Iterable<number> {
    for (let b = 0; b < this.blocks.length; b++) {
      if (this.blocks[b] === other.blocks[b]) continue;
      const one = this.blocks[b].ids;
      const two = other.blocks[b].ids;
      for (let i = 0; i < BLOCK; i++) if (one[i] !== two[i]) yield b * BLOCK + i;
    }
  }

  /** The checkpoint is dropped. */
  release(): void {
    this.store.size -= this.blocks.length * REFERENCE_BYTES;
    for (const block of this.blocks) {
      if (--block.uses > 0) continue;
      this.store.size -= BLOCK_BYTES;
      for (const id of block.ids) this.store.release(id);
    }
  }

  private copy(block: TableBlock): TableBlock {
    block.uses--;
    for (const id of block.ids) this.store.use(id);
    this.store.size += BLOCK_BYTES;
    return { ids: block.ids.slice(), uses: 1 };
  }
}
