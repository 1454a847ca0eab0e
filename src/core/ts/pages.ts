import { hartAt, MAX_HARTS, PAGE_SIZE } from '../../isa/layout.ts';
import { DecodedPages } from './decoded.ts';
import { H, type State } from './state.ts';
import { TableBits } from './tables.ts';
import { Tlb } from './tlb.ts';

/** Stores into a decoded page after which it is taken for data again. */
const STORES_TO_FORGET = 512;

/**
 * What is derived from the contents of RAM pages (decoded code and translations), and how stores reach it. A page that anything is
 * derived from has no store entries in the TLB, so every store to it comes through {@link stored}.
 */
export class Pages {
  readonly tlb: Tlb;
  readonly decoded: DecodedPages;
  private readonly tables: TableBits;
  private readonly state: State;
  /** A translation or decoded page that may be the running one was dropped: enter the page again before the next instruction. */
  refetch = false;

  constructor(state: State) {
    const pages = Math.ceil(state.ramSize / PAGE_SIZE);
    this.state = state;
    this.tlb = new Tlb(MAX_HARTS, pages);
    this.decoded = new DecodedPages(state, pages);
    this.tables = new TableBits(this.tlb, pages);
  }

  /** Whether stores to a RAM page need nothing but the store (and the page's DIRTY flag). */
  isPlain(page: number): boolean {
    return this.decoded.find(page) < 0 && !this.tables.has(page);
  }

  /** Whether the entries of one walk can be noted; makes room at the price of every translation. */
  prepare(): void {
    if (this.tables.hasRoom) return;
    this.tables.dropAll();
    this.refetch = true;
  }

  /** Notes a page-table entry that a translation about to be cached was read from. */
  noteEntry(offset: number, upper: boolean): void {
    if (this.tables.note(offset, upper)) this.tlb.dropWriters(Math.floor(offset / PAGE_SIZE));
  }

  /** First slot of a RAM page's decoded page, made when there is none. */
  decodedPage(page: number): number {
    const start = this.decoded.find(page);
    if (start >= 0) return start;
    const { victim } = this.decoded;
    if (victim >= 0) this.forgetDecoded(victim);
    this.tlb.dropWriters(page);
    return this.decoded.acquire(page);
  }

  private forgetDecoded(page: number): void {
    this.tlb.dropDecoded(this.decoded.find(page));
    this.decoded.release(page);
  }

  /** Bytes of one RAM page are about to be, or were, stored: marks it dirty and drops what was derived from them. */
  stored(offset: number, length: number): void {
    this.state.markDirty(offset);
    const page = Math.floor(offset / PAGE_SIZE);
    if (this.tables.has(page) && this.tables.changed(offset, length)) this.refetch = true;
    if (this.decoded.find(page) < 0) return;
    if (this.decoded.changed(page, offset % PAGE_SIZE, length) >= STORES_TO_FORGET) {
      this.forgetDecoded(page);
      this.refetch = true;
    }
  }

  /** The host changed any bytes: as {@link stored}, and reservations on them are lost. */
  changedByHost(offset: number, length: number, ramBase: number): void {
    const end = offset + length;
    for (let at = offset; at < end; ) {
      const next = Math.min(end, at - (at % PAGE_SIZE) + PAGE_SIZE);
      this.stored(at, next - at);
      at = next;
    }
    const { m32 } = this.state;
    for (let hart = 0; hart < MAX_HARTS; hart++) {
      const h = hartAt(hart) >> 2;
      const from = this.state.number(h + H.reservation) - ramBase;
      if (from < end && from + m32[h + H.reservationWidth] > offset)
        m32.fill(-1, h + H.reservation, h + H.reservation + 2);
    }
  }

  /** Drops everything derived. */
  dropAll(): void {
    this.tables.dropAll();
    this.decoded.releaseAll();
    this.refetch = true;
  }

  /** Drops every translation. */
  dropTranslations(): void {
    this.tables.dropAll();
    this.refetch = true;
  }
}
