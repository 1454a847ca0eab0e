import { PAGE_FLAG, PAGE_SHIFT, PAGE_SIZE } from '../../isa/layout.ts';

/** Where the contents of pages of RAM come from that nobody has touched yet. What it holds never changes. */
export interface PageSource {
  /** Puts a page's contents into PAGE_SIZE bytes, all of which it writes. @throws StateError when they are damaged */
  read(page: number, into: Uint8Array): void;
}

/**
 * Pages of RAM whose contents lie elsewhere until they are first touched: a snapshot's, those of a boot image, another machine's. Cores find them by
 * {@link PAGE_FLAG.ABSENT} where a translation is made, which comes before every access; all others who read RAM ask {@link need} first. That
 * a page was absent is no part of the machine's state.
 */
export class AbsentPages {
  private readonly flags: Uint8Array;
  private readonly ram: Uint8Array;
  private from: PageSource | undefined;
  private left = 0;
  private most = 0;
  private readonly noted: number[] = [];

  /** @param flags a byte of PAGE_FLAG bits a page @param ram all of RAM */
  constructor(flags: Uint8Array, ram: Uint8Array) {
    this.flags = flags;
    this.ram = ram;
  }

  /** Where absent pages come from. */
  get source(): PageSource | undefined {
    return this.from;
  }

  /** Notes from now on which pages harts touch first, so many at most. */
  note(most: number): void {
    this.most = most;
  }

  /** Pages that were absent when a hart touched them, since {@link note}. */
  get touched(): readonly number[] {
    return this.noted;
  }

  /** How many there are. */
  get count(): number {
    return this.left;
  }

  has(page: number): boolean {
    return (this.flags[page] & PAGE_FLAG.ABSENT) !== 0;
  }

  /** Makes these pages absent, each given once, and no others: those that were are from now on what RAM holds. */
  set(source: PageSource, pages: Iterable<number>): void {
    this.clear();
    this.from = source;
    for (const page of pages) {
      this.flags[page] |= PAGE_FLAG.ABSENT;
      this.left++;
    }
  }

  /** No page is absent any more: RAM is as it lies there. */
  clear(): void {
    if (this.left > 0) for (let page = 0; page < this.flags.length; page++) this.flags[page] &= ~PAGE_FLAG.ABSENT;
    this.left = 0;
    this.from = undefined;
  }

  /** Fetches a page if it is absent. @throws StateError when its source is damaged; it is absent still then */
  fetch(page: number): void {
    if ((this.flags[page] & PAGE_FLAG.ABSENT) === 0) return;
    this.from!.read(page, this.ram.subarray(page * PAGE_SIZE, (page + 1) * PAGE_SIZE));
    this.drop(page);
  }

  /** Fetches a page that a hart is about to access. @throws as {@link fetch} */
  touch(page: number): void {
    this.fetch(page);
    if (this.noted.length < this.most) this.noted.push(page);
  }

  /** Puts a page there if it is absent. @param contents what its source would give */
  put(page: number, contents: Uint8Array): void {
    if ((this.flags[page] & PAGE_FLAG.ABSENT) === 0) return;
    this.ram.set(contents, page * PAGE_SIZE);
    this.drop(page);
  }

  /** Fetches the absent pages among those of `length` bytes of RAM: before they are read, or written in part. */
  need(offset: number, length: number): void {
    if (this.left === 0 || length === 0) return;
    const last = Math.floor((offset + length - 1) / PAGE_SIZE);
    for (let page = offset >>> PAGE_SHIFT; page <= last; page++) this.fetch(page);
  }

  /** A page is overwritten whole: what it was does not matter. */
  drop(page: number): void {
    if ((this.flags[page] & PAGE_FLAG.ABSENT) === 0) return;
    this.flags[page] &= ~PAGE_FLAG.ABSENT;
    this.left--;
  }
}
