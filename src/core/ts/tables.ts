import type { Tlb } from './tlb.ts';

/** Room for this many tracked page-table pages; when it is used up every translation is dropped. */
const ROOM = 4096;
const WORDS = 16;

/**
 * Which page-table entries live translations were read from: a bit for each of the 512 entries of every such page. A store to an entry
 * without its bit (the ordinary case: filling in an absent one) costs no translation.
 */
export class TableBits {
  private readonly bits = new Int32Array(ROOM * WORDS);
  private readonly live = new Uint16Array(ROOM);
  /** Whether the page was read as an upper level. */
  private readonly upper = new Uint8Array(ROOM);
  private readonly pages = new Int32Array(ROOM);
  private readonly free = new Uint16Array(ROOM);
  private freeCount = 0;
  /** Place of each RAM page, plus one. */
  private readonly place: Uint16Array;
  private readonly tlb: Tlb;

  constructor(tlb: Tlb, pages: number) {
    this.tlb = tlb;
    this.place = new Uint16Array(pages);
    this.fillFree();
  }

  private fillFree(): void {
    this.freeCount = ROOM;
    for (let i = 0; i < ROOM; i++) this.free[i] = i;
  }

  /** Whether a RAM page is tracked. */
  has(page: number): boolean {
    return this.place[page] !== 0;
  }

  /** Whether a whole walk's entries can still be noted. */
  get hasRoom(): boolean {
    return this.freeCount >= 8;
  }

  /** Notes a live entry. @param offset RAM offset of it @returns whether its page was not tracked before */
  note(offset: number, upper: boolean): boolean {
    const page = Math.floor(offset / 4096);
    let place = this.place[page] - 1;
    const added = place < 0;
    if (added) {
      place = this.free[--this.freeCount];
      this.place[page] = place + 1;
      this.pages[place] = page;
      this.upper[place] = 0;
      this.live[place] = 0;
    }
    const entry = (offset >>> 3) & 511;
    const word = place * WORDS + (entry >> 5);
    const bit = 1 << (entry & 31);
    if ((this.bits[word] & bit) === 0) {
      this.bits[word] |= bit;
      this.live[place]++;
    }
    if (upper) this.upper[place] = 1;
    return added;
  }

  /**
   * Bytes of a tracked page changed: drops the translations read from them.
   * @returns whether there were any
   */
  changed(offset: number, length: number): boolean {
    let any = false;
    const page = Math.floor(offset / 4096);
    for (let at = offset - (offset % 8); at < offset + length; at += 8) {
      const place = this.place[page] - 1;
      if (place < 0) break;
      const entry = (at >>> 3) & 511;
      const word = place * WORDS + (entry >> 5);
      const bit = 1 << (entry & 31);
      if ((this.bits[word] & bit) === 0) continue;
      any = true;
      if (this.upper[place] !== 0) {
        this.dropAll();
        break;
      }
      this.tlb.dropEntry(at);
      this.bits[word] &= ~bit;
      if (--this.live[place] === 0) {
        this.place[page] = 0;
        this.free[this.freeCount++] = place;
      }
    }
    return any;
  }

  /** Drops every translation. */
  dropAll(): void {
    this.tlb.dropAll();
    for (let i = 0; i < ROOM; i++) {
      if (this.place[this.pages[i]] === i + 1) {
        this.place[this.pages[i]] = 0;
        this.bits.fill(0, i * WORDS, (i + 1) * WORDS);
      }
    }
    this.fillFree();
  }
}
