import { MAX_HARTS, RAM_AT, RAM_BASE, TLB_BANKS } from '../../isa/layout.ts';

/** Entries of an array. */
const TLB_ENTRIES = 256;

/** Words of an entry: tag (low, high half of the page's virtual address), addend, RAM offset of the leaf table entry. */
const ENTRY = 4;
const ARRAY = TLB_ENTRIES * ENTRY;
const BANK = 3 * ARRAY;
const HART_BANKS = TLB_BANKS * BANK;
/** Offsets of a bank's arrays. */
export const READ = 0;
export const WRITE = ARRAY;
export const EXECUTE = 2 * ARRAY;

/** Words of the array, a power of two so that a masked index needs no check. */
const TLB_WORDS = 524288;
const EMPTY = -1;
/** Set in the tag of a page that something is derived from. No probe for a plain access compares this bit as set. */
const OBSERVED = 8;
const SEVERAL = 0xffff;
const NONE = -1;

/** Word of an array of a page's entry. */
export const entryOf = (lo: number): number => (lo >>> 10) & ((TLB_ENTRIES - 1) * ENTRY);

/**
 * Cached translations: for every hart 16 banks, each for one (satp, mode), each with an array for loads, stores and fetches.
 * An entry's presence says that a walk would find this translation and that nothing but the plain access would happen.
 * Load and store entries: addend + low half of the address = place in linear memory. Fetch entries: addend = first slot of the decoded page.
 */
export class Tlb {
  readonly entries = new Int32Array(TLB_WORDS).fill(EMPTY);
  private readonly satpLo = new Int32Array(MAX_HARTS * TLB_BANKS);
  private readonly satpHi = new Int32Array(MAX_HARTS * TLB_BANKS);
  private readonly mode = new Int32Array(MAX_HARTS * TLB_BANKS).fill(NONE);
  private readonly victim = new Int32Array(MAX_HARTS);
  private readonly harts: number;
  /** Per RAM page: where store entries lead to it. 0 nowhere, 1 + entry's word when all are at one index of their arrays, else SEVERAL. */
  private readonly writers: Uint16Array;

  constructor(harts: number, pages: number) {
    this.harts = harts;
    this.writers = new Uint16Array(pages);
  }

  /** First word of the bank for a (satp, mode) of a hart; it may be a fresh one. `keep` is a bank that must stay. */
  bank(hart: number, satpLo: number, satpHi: number, mode: number, keep: number): number {
    const first = hart * TLB_BANKS;
    for (let i = first; i < first + TLB_BANKS; i++) {
      if (this.mode[i] === mode && this.satpLo[i] === satpLo && this.satpHi[i] === satpHi) return i * BANK;
    }
    let chosen = first + this.victim[hart];
    if (chosen * BANK === keep) chosen = first + ((this.victim[hart] + 1) % TLB_BANKS);
    this.victim[hart] = (chosen - first + 1) % TLB_BANKS;
    this.satpLo[chosen] = satpLo;
    this.satpHi[chosen] = satpHi;
    this.mode[chosen] = mode;
    this.entries.fill(EMPTY, chosen * BANK, (chosen + 1) * BANK);
    return chosen * BANK;
  }

  /**
   * Installs a translation in an array. @param pte RAM offset of the leaf entry, −1 without one
   * @param observed stores must go the long way: only {@link find} finds it
   */
  install(array: number, lo: number, hi: number, addend: number, pte: number, observed: boolean): void {
    const at = array + entryOf(lo);
    const { entries } = this;
    entries[at] = (lo & -4096) | (observed ? OBSERVED : 0);
    entries[at + 1] = hi;
    entries[at + 2] = addend;
    entries[at + 3] = pte;
  }

  /** Physical address that a load or store array gives for an address of any alignment, or −1. */
  find(array: number, lo: number, hi: number): number {
    const at = array + entryOf(lo);
    const { entries } = this;
    if ((entries[at] & ~OBSERVED) !== (lo & -4096) || entries[at + 1] !== hi) return -1;
    return ((lo + entries[at + 2]) >>> 0) - RAM_AT + RAM_BASE;
  }

  /** Notes that a store entry at this address leads to a RAM page. */
  noteWriter(page: number, lo: number): void {
    const where = entryOf(lo) + 1;
    const known = this.writers[page];
    if (known !== where) this.writers[page] = known === 0 ? where : SEVERAL;
  }

  /** Removes every store entry that leads to a RAM page. */
  dropWriters(page: number): void {
    const where = this.writers[page];
    if (where === 0) return;
    this.writers[page] = 0;
    const target = (RAM_AT + page * 4096) | 0;
    const { entries } = this;
    const banks = this.harts * HART_BANKS;
    const from = where === SEVERAL ? 0 : where - 1;
    const to = where === SEVERAL ? ARRAY : where;
    for (let bank = WRITE; bank < banks; bank += BANK) {
      for (let at = bank + from; at < bank + to; at += ENTRY) {
        if (((entries[at] + entries[at + 2]) | 0) === target) entries[at] = EMPTY;
      }
    }
  }

  /** Removes every translation made from the last-level table entry at a RAM offset. */
  dropEntry(pte: number): void {
    const wanted = pte | 0;
    // the entry's place in its table is the low part of the page number, as is the place in the arrays
    const place = ((pte >>> 3) & (TLB_ENTRIES - 1)) * ENTRY;
    const { entries } = this;
    for (let at = place; at < this.harts * HART_BANKS; at += ARRAY) {
      if (entries[at + 3] === wanted) entries[at] = EMPTY;
    }
  }

  /** Removes every fetch entry that leads to a decoded page. */
  dropDecoded(start: number): void {
    const { entries } = this;
    for (let bank = EXECUTE; bank < this.harts * HART_BANKS; bank += BANK) {
      for (let at = bank; at < bank + ARRAY; at += ENTRY) if (entries[at + 2] === start) entries[at] = EMPTY;
    }
  }

  /** Empties the banks of a hart. */
  dropHart(hart: number): void {
    this.mode.fill(NONE, hart * TLB_BANKS, (hart + 1) * TLB_BANKS);
    this.entries.fill(EMPTY, hart * HART_BANKS, (hart + 1) * HART_BANKS);
  }

  /** Forgets every bank; the ones in use must be chosen again before the next access. */
  dropAll(): void {
    this.mode.fill(NONE);
    this.writers.fill(0);
  }
}
