import { compress, decompress } from '../bytes/compress.ts';
import { hashWords } from '../bytes/hash.ts';
import { StateError } from '../bytes/state-stream.ts';
import { PAGE_SIZE } from '../isa/layout.ts';
import type { PageSource } from '../machine/memory/absent-pages.ts';
import type { StoredPage } from '../record/recording.ts';

/** Contents of a page, shared by all checkpoints that have it. */
interface Page {
  /** Of its contents; {@link LENT} for those that others keep, {@link ADOPTED} for those of a recording. */
  readonly key: number;
  /** Another page of the same key; 0 for none. */
  next: number;
  /** Raw or compressed; nothing while others keep it. */
  bytes: Uint8Array;
  /** Who keeps it, and as which page. */
  readonly lent?: { readonly source: PageSource; readonly page: number };
  packed: boolean;
  uses: number;
  /** Under which it lies in the recording; 0 while it does not. */
  number: number;
}

/** Id of a page of zeros, which takes no room. */
export const ZERO_PAGE = 0;
const LENT = -1;
const ADOPTED = -2;
/** What a page costs besides its bytes. */
const OVERHEAD = 160;

const NOTHING = new Uint8Array(0);

const WORDS = PAGE_SIZE / 4;
const scratchWords = new Uint32Array(WORDS);
const scratch = new Uint8Array(scratchWords.buffer);
const hash = { low: 0, high: 0 };

/** Pages by contents: equal ones are kept once, counted, and compressed once they rest. */
export class PageStore {
  private readonly pages: (Page | undefined)[] = [undefined];
  private readonly free: number[] = [];
  /** First page of each key. */
  private readonly byKey = new Map<number, number>();
  /** Pages of a recording that was opened, by their numbers in it. */
  private readonly byNumber = new Map<number, number>();
  private young: number[] = [];
  /** Bytes kept, page tables included: they count themselves here. */
  size = 0;

  /**
   * Keeps a page's contents and counts one use.
   * @param from words that hold it from index `at` on
   * @param likely id of a page it may be equal to @returns its id
   */
  keep(from: Uint32Array, at: number, likely = ZERO_PAGE): number {
    let zero = at;
    while (zero < at + WORDS && from[zero] === 0) zero++;
    if (zero === at + WORDS) return ZERO_PAGE;
    if (likely !== ZERO_PAGE && this.holds(likely, from, at)) {
      this.pages[likely]!.uses++;
      return likely;
    }
    hashWords(from, at, WORDS, hash);
    // 53 of its 64 bits; contents decide.
    const key = hash.low + (hash.high & 0x1f_ffff) * 2 ** 32;
    const first = this.byKey.get(key) ?? 0;
    for (let id = first; id !== 0; id = this.pages[id]!.next) {
      if (!this.holds(id, from, at)) continue;
      this.pages[id]!.uses++;
      return id;
    }
    const id = this.free.pop() ?? this.pages.length;
    const bytes = new Uint8Array(from.buffer, from.byteOffset + at * 4, PAGE_SIZE).slice();
    this.pages[id] = { key, next: first, bytes, packed: false, uses: 1, number: 0 };
    this.byKey.set(key, id);
    this.young.push(id);
    this.size += bytes.length + OVERHEAD;
    return id;
  }

  /** A page that others keep anyway, and that never changes: it takes no room, and is read when it is needed. @returns its id, used once */
  lend(source: PageSource, page: number): number {
    const id = this.free.pop() ?? this.pages.length;
    this.pages[id] = { key: LENT, next: 0, bytes: NOTHING, packed: false, uses: 1, number: 0, lent: { source, page } };
    return id;
  }

  /** A page's contents as they are to be stored. */
  packed(id: number): StoredPage {
    this.pack(id);
    const page = this.pages[id]!;
    if (page.lent === undefined) return page;
    const bytes = new Uint8Array(PAGE_SIZE);
    page.lent.source.read(page.lent.page, bytes);
    return { bytes, packed: false };
  }

  /** The number under which a page lies in the recording; 0 while it does not. */
  numberOf(id: number): number {
    return this.pages[id]!.number;
  }

  /** A page is put into the recording. */
  setNumber(id: number, number: number): void {
    this.pages[id]!.number = number;
  }

  /** Whether the page that lies in the recording under a number is here. */
  has(number: number): boolean {
    return this.byNumber.has(number);
  }

  /** The page that lies in the recording under a number, if it is here: counts one use. @returns its id */
  numbered(number: number): number | undefined {
    const id = this.byNumber.get(number);
    if (id !== undefined) this.use(id);
    return id;
  }

  /** Keeps a page of a recording, and counts one use. It is looked at when it is needed. @returns its id */
  adopt(number: number, { packed, bytes }: StoredPage): number {
    if (!packed && bytes.length !== PAGE_SIZE) throw new StateError(`a stored page has ${bytes.length} bytes`);
    const id = this.free.pop() ?? this.pages.length;
    this.pages[id] = { key: ADOPTED, next: 0, bytes, packed, uses: 1, number };
    this.byNumber.set(number, id);
    this.size += bytes.length + OVERHEAD;
    return id;
  }

  /** One more user of a page. */
  use(id: number): void {
    if (id !== ZERO_PAGE) this.pages[id]!.uses++;
  }

  /** One user less. */
  release(id: number): void {
    if (id === ZERO_PAGE) return;
    const page = this.pages[id]!;
    if (--page.uses > 0) return;
    this.pages[id] = undefined;
    this.free.push(id);
    if (page.key === LENT) return;
    this.size -= page.bytes.length + OVERHEAD;
    if (page.key === ADOPTED) this.byNumber.delete(page.number);
    else this.unlink(page, id);
  }

  private unlink({ key, next }: Page, id: number): void {
    let at = this.byKey.get(key)!;
    if (at === id) {
      if (next === 0) this.byKey.delete(key);
      else this.byKey.set(key, next);
      return;
    }
    while (this.pages[at]!.next !== id) at = this.pages[at]!.next;
    this.pages[at]!.next = next;
  }

  /** Writes a page's contents. */
  read(id: number, into: Uint8Array): void {
    if (id === ZERO_PAGE) {
      into.fill(0);
      return;
    }
    const { bytes, packed, lent } = this.pages[id]!;
    if (lent !== undefined) lent.source.read(lent.page, into);
    else if (packed) decompress(bytes, into);
    else into.set(bytes);
  }

  /** Compresses up to `count` pages that were not looked at yet. @returns whether there are more */
  rest(count: number): boolean {
    for (let i = 0; i < count; i++) {
      const id = this.young.pop();
      if (id === undefined) return false;
      if (this.pages[id] !== undefined) this.pack(id);
    }
    return this.young.length > 0;
  }

  private pack(id: number): void {
    const page = this.pages[id]!;
    if (page.packed || page.key < 0) return;
    const packed = compress(page.bytes);
    if (packed.length >= page.bytes.length) return;
    this.size -= page.bytes.length - packed.length;
    page.bytes = packed;
    page.packed = true;
  }

  private holds(id: number, from: Uint32Array, at: number): boolean {
    const { bytes, packed, lent } = this.pages[id]!;
    if (
      !packed &&
      lent === undefined &&
      (bytes[0] !== (from[at] & 0xff) || bytes[PAGE_SIZE - 1] !== from[at + WORDS - 1] >>> 24)
    )
      return false;
    this.read(id, scratch);
    for (let i = 0; i < WORDS; i++) if (scratchWords[i] !== from[at + i]) return false;
    return true;
  }
}
