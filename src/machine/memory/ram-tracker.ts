import { type Hash64, HashSum, hashWords, placeHash } from '../../bytes/hash.ts';
import { PAGE_FLAG, PAGE_SHIFT, PAGE_SIZE } from '../../isa/layout.ts';
import type { MachineMemory } from './memory.ts';

const WORDS = PAGE_SIZE / 4;
const DIRTY_WORD = PAGE_FLAG.DIRTY * 0x0101_0101;

/**
 * Follows which pages of RAM changed, for all who want to know: the hash, which it keeps up to date page by page, and checkpoints.
 * The cores' DIRTY flags are taken in by {@link collect}; in between they belong to the cores.
 */
export class RamTracker {
  private readonly memory: MachineMemory;
  private readonly clearFlags: () => void;
  private readonly flagWords: Uint32Array;
  /** Place-mixed hash of every page, low and high word. */
  private readonly hashes: Uint32Array;
  private readonly sum = new HashSum();
  /** A hash was asked for: {@link hashes} are filled in. */
  private hashed = false;
  /** 1: changed since its hash was made. */
  private readonly stale: Uint8Array;
  /** 1: changed since the last {@link takeChanged}. */
  private readonly changed: Uint8Array;
  /** 1: changed since the machine was made, when all of RAM was zero. */
  private readonly ever: Uint8Array;
  private changedPages: number[] = [];
  private stalePages: number[] = [];
  private readonly scratch: Hash64 = { low: 0, high: 0 };

  /** @param clearFlags makes the attached core forget which pages are dirty */
  constructor(memory: MachineMemory, clearFlags: () => void) {
    this.memory = memory;
    this.clearFlags = clearFlags;
    this.flagWords = new Uint32Array(memory.buffer, memory.pageFlags.byteOffset, Math.floor(memory.pages / 4));
    this.hashes = new Uint32Array(memory.pages * 2);
    this.stale = new Uint8Array(memory.pages);
    this.changed = new Uint8Array(memory.pages);
    this.ever = new Uint8Array(memory.pages);
  }

  /** Takes in the cores' flags. */
  collect(): void {
    let found = false;
    const { flagWords } = this;
    const { pageFlags, pages } = this.memory;
    for (let i = 0; i < flagWords.length; i++) {
      if ((flagWords[i] & DIRTY_WORD) === 0) continue;
      for (let page = i * 4; page < i * 4 + 4; page++) {
        if ((pageFlags[page] & PAGE_FLAG.DIRTY) !== 0) this.note(page);
      }
      found = true;
    }
    for (let page = flagWords.length * 4; page < pages; page++) {
      if ((pageFlags[page] & PAGE_FLAG.DIRTY) === 0) continue;
      this.note(page);
      found = true;
    }
    if (found) this.clearFlags();
  }

  /** Notes that a page changed by other means than a core or {@link GuestRam}. */
  note(page: number): void {
    this.ever[page] = 1;
    if (this.stale[page] === 0) {
      this.stale[page] = 1;
      this.stalePages.push(page);
    }
    if (this.changed[page] === 0) {
      this.changed[page] = 1;
      this.changedPages.push(page);
    }
  }

  /** Whether a page may be other than zero. Call {@link collect} first. */
  wasChanged(page: number): boolean {
    return this.ever[page] !== 0;
  }

  /** Pages changed since the last call, in no particular order; each once. Call {@link collect} first. */
  takeChanged(): number[] {
    const pages = this.changedPages;
    this.changedPages = [];
    for (const page of pages) this.changed[page] = 0;
    return pages;
  }

  /** Hash of all of RAM. */
  hash(): Hash64 {
    this.collect();
    if (!this.hashed) this.hashZeros();
    for (const page of this.stalePages) {
      this.sum.subtract(this.hashes[page * 2], this.hashes[page * 2 + 1]);
      this.memory.absent.fetch(page);
      hashWords(this.memory.ramWords, page << (PAGE_SHIFT - 2), WORDS, this.scratch);
      this.putHash(page);
      this.stale[page] = 0;
    }
    this.stalePages = [];
    return this.sum.value;
  }

  /** RAM was zero when the machine was made, and what changed since then is stale. */
  private hashZeros(): void {
    this.hashed = true;
    const zero: Hash64 = { low: 0, high: 0 };
    hashWords(new Uint32Array(WORDS), 0, WORDS, zero);
    for (let page = 0; page < this.memory.pages; page++) {
      Object.assign(this.scratch, zero);
      this.putHash(page);
    }
  }

  private putHash(page: number): void {
    placeHash(this.scratch, page);
    this.hashes[page * 2] = this.scratch.low;
    this.hashes[page * 2 + 1] = this.scratch.high;
    this.sum.add(this.scratch.low, this.scratch.high);
  }
}
