import { POLICIES, type PolicyName } from './policy.ts';

/** Bytes of a block of a simulated cache. */
export const CACHE_BLOCK = 4096;

/** What a machine asked of its disks, in order, in blocks of {@link CACHE_BLOCK}. */
export class BlockTrace {
  /** Blocks, numbered as they come up first; a write's is negative, minus 1. */
  private entries = new Int32Array(1 << 16);
  private used = 0;
  private reading = 0;
  private readonly numbers = new Map<number, number>();

  /** Disks are told apart by a number of their own, 0 to 255. */
  add(disk: number, write: boolean, offset: number, length: number): void {
    const first = Math.floor(offset / CACHE_BLOCK);
    const end = Math.ceil((offset + length) / CACHE_BLOCK);
    for (let block = first; block < end; block++) {
      if (this.used === this.entries.length) {
        const bigger = new Int32Array(this.used * 2);
        bigger.set(this.entries);
        this.entries = bigger;
      }
      const number = this.number(block * 256 + disk);
      this.entries[this.used++] = write ? -number - 1 : number;
      if (!write) this.reading++;
    }
  }

  /** How many blocks were read and written, counted each time. */
  get length(): number {
    return this.used;
  }

  /** How many of them were reads. */
  get reads(): number {
    return this.reading;
  }

  /** How many different blocks. */
  get blocks(): number {
    return this.numbers.size;
  }

  /** What a cache of that policy and size, empty at first, would have done. Writes put their blocks into it. */
  simulate(policy: PolicyName, bytes: number): { readonly hits: number; readonly misses: number } {
    const cache = POLICIES[policy](Math.max(1, Math.floor(bytes / CACHE_BLOCK)));
    let hits = 0;
    for (let i = 0; i < this.used; i++) {
      const entry = this.entries[i];
      if (entry < 0) cache.use(-entry - 1);
      else if (cache.use(entry)) hits++;
    }
    return { hits, misses: this.reading - hits };
  }

  private number(block: number): number {
    const known = this.numbers.get(block);
    if (known !== undefined) return known;
    const number = this.numbers.size;
    this.numbers.set(block, number);
    return number;
  }
}
