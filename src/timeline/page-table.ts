import { type PageStore, ZERO_PAGE } from './page-store.ts';

/** Pages in a block. */
const BLOCK = 256;

interface Block {
  readonly ids: Int32Array;
  uses: number;
}

/**
 * Which page of the store lies where in RAM, for one checkpoint. Blocks of the table are shared between checkpoints and copied when one of their
 * pages changes, so a checkpoint costs what changed, and two can be compared at the price of their difference.
 */
export class PageTable {
  private readonly blocks: Block[];
  private readonly store: PageStore;

  private constructor(store: PageStore, blocks: Block[]) {
    this.store = store;
    this.blocks = blocks;
  }

  /** RAM of zeros. @param pages how many */
  static empty(store: PageStore, pages: number): PageTable {
    const count = Math.ceil(pages / BLOCK);
    const zero: Block = { ids: new Int32Array(BLOCK).fill(ZERO_PAGE), uses: count };
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
    for (const block of this.blocks) {
      if (--block.uses > 0) continue;
      for (const id of block.ids) this.store.release(id);
    }
  }

  private copy(block: Block): Block {
    block.uses--;
    for (const id of block.ids) this.store.use(id);
    return { ids: block.ids.slice(), uses: 1 };
  }
}
