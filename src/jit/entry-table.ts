import { ENTRIES_AT, ENTRY, ENTRY_HASH, ENTRY_SIZE, ENTRY_SLOTS } from './area.ts';

/** Key of the code at a RAM offset. */
export const keyOf = (ram: number): number => (ram | 1) >>> 0;

const FREE = 0;
const DELETED = 2;

/** The table in linear memory through which the core finds translated code; see {@link ./area.ts}. */
export class EntryTable {
  private readonly words: Uint32Array;
  private live = 0;
  /** Live and deleted slots. */
  private taken = 0;

  constructor(memory: WebAssembly.Memory) {
    this.words = new Uint32Array(memory.buffer, ENTRIES_AT, (ENTRY_SLOTS * ENTRY_SIZE) / 4);
  }

  /** Entries in use. */
  get size(): number {
    return this.live;
  }

  private slot(i: number): number {
    return (i & (ENTRY_SLOTS - 1)) * (ENTRY_SIZE / 4);
  }

  private find(key: number): number {
    for (let i = Math.imul(key, ENTRY_HASH) >>> 16; ; i++) {
      const at = this.slot(i);
      const k = this.words[at + ENTRY.key / 4];
      if (k === key) return at;
      if (k === FREE) return -1;
    }
  }

  has(key: number): boolean {
    return this.find(key) >= 0;
  }

  /** The function an entry leads to, −1 when there is none. */
  get(key: number): number {
    const at = this.find(key);
    return at < 0 ? -1 : this.words[at + ENTRY.func / 4];
  }

  /** Offset of an entry's code from its region's base, undefined when there is none. */
  offset(key: number): number | undefined {
    const at = this.find(key);
    return at < 0 ? undefined : this.words[at + ENTRY.offset / 4] | 0;
  }

  /** Adds an entry; one of the same key is replaced. */
  set(key: number, func: number, label: number, offset: number): void {
    let at = this.find(key);
    if (at < 0) {
      if (this.taken > ENTRY_SLOTS / 2) this.rehash();
      let i = Math.imul(key, ENTRY_HASH) >>> 16;
      while (this.words[this.slot(i)] !== FREE && this.words[this.slot(i)] !== DELETED) i++;
      at = this.slot(i);
      if (this.words[at] === FREE) this.taken++;
      this.live++;
    }
    this.words[at + ENTRY.key / 4] = key;
    this.words[at + ENTRY.func / 4] = func;
    this.words[at + ENTRY.label / 4] = label;
    this.words[at + ENTRY.offset / 4] = offset;
  }

  /** Removes the entry of `key` when it leads to `func`. */
  delete(key: number, func: number): void {
    const at = this.find(key);
    if (at < 0 || this.words[at + ENTRY.func / 4] !== func) return;
    this.words[at] = DELETED;
    this.live--;
  }

  clear(): void {
    this.words.fill(0);
    this.live = 0;
    this.taken = 0;
  }

  private rehash(): void {
    const old = this.words.slice();
    this.clear();
    const n = ENTRY_SIZE / 4;
    for (let at = 0; at < old.length; at += n)
      if (old[at] & 1) this.set(old[at], old[at + 1], old[at + 2], old[at + 3] | 0);
  }
}
