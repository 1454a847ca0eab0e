import { compress, decompress } from '../machine/compress.ts';
import { hashWords } from '../machine/hash.ts';
import { PAGE_SIZE } from '../isa/layout.ts';
import { StateError } from '../machine/state.ts';

/** Contents of a page, shared by all checkpoints that have it. */
interface Page {
  readonly key: string;
  /** Raw or compressed. */
  bytes: Uint8Array;
  packed: boolean;
  uses: number;
}

/** Id of a page of zeros, which takes no room. */
export const ZERO_PAGE = 0;
/** What a page costs besides its bytes. */
const OVERHEAD = 160;

const NO_BYTES = new Uint8Array(0);
const words = new Uint32Array(PAGE_SIZE / 4);
const copy = new Uint8Array(words.buffer);

/** Pages by contents: equal ones are kept once, counted, and compressed once they rest. */
export class PageStore {
  private readonly pages: (Page | undefined)[] = [undefined];
  private readonly free: number[] = [];
  private readonly byKey = new Map<string, number[]>();
  private young: number[] = [];
  /** Bytes kept. */
  size = 0;

  /** Keeps the page's contents and counts one use. @param packed the same compressed, if it is there @returns its id */
  keep(page: Uint8Array, packed?: Uint8Array): number {
    copy.set(page);
    let at = 0;
    while (at < words.length && words[at] === 0) at++;
    if (at === words.length) return ZERO_PAGE;
    const hash = { low: 0, high: 0 };
    hashWords(words, 0, words.length, hash);
    const key = `${hash.high.toString(36)}.${hash.low.toString(36)}`;
    const candidates = this.byKey.get(key) ?? [];
    for (const id of candidates) {
      if (!this.holds(id, page)) continue;
      this.pages[id]!.uses++;
      return id;
    }
    const id = this.free.pop() ?? this.pages.length;
    const bytes = packed ?? page.slice();
    this.pages[id] = { key, bytes, packed: packed !== undefined, uses: 1 };
    this.byKey.set(key, [...candidates, id]);
    if (packed === undefined) this.young.push(id);
    this.size += bytes.length + OVERHEAD;
    return id;
  }

  /** A page's contents as they are to be stored. */
  packed(id: number): { readonly packed: boolean; readonly bytes: Uint8Array } {
    if (id === ZERO_PAGE) return { packed: false, bytes: NO_BYTES };
    this.pack(id);
    return this.pages[id]!;
  }

  /** Keeps a page that {@link packed} gave, and counts one use. @returns its id */
  adopt(packed: boolean, bytes: Uint8Array): number {
    if (bytes.length === 0) return ZERO_PAGE;
    if (packed) decompress(bytes, copy);
    else if (bytes.length === PAGE_SIZE) copy.set(bytes);
    else throw new StateError(`a stored page has ${bytes.length} bytes`);
    return this.keep(copy.slice(), packed ? bytes : undefined);
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
    this.size -= page.bytes.length + OVERHEAD;
    this.pages[id] = undefined;
    this.free.push(id);
    const rest = this.byKey.get(page.key)!.filter((other) => other !== id);
    if (rest.length > 0) this.byKey.set(page.key, rest);
    else this.byKey.delete(page.key);
  }

  /** Writes a page's contents. */
  read(id: number, into: Uint8Array): void {
    if (id === ZERO_PAGE) {
      into.fill(0);
      return;
    }
    const page = this.pages[id]!;
    if (page.packed) decompress(page.bytes, into);
    else into.set(page.bytes);
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
    if (page.packed) return;
    const packed = compress(page.bytes);
    if (packed.length >= page.bytes.length) return;
    this.size -= page.bytes.length - packed.length;
    page.bytes = packed;
    page.packed = true;
  }

  private holds(id: number, contents: Uint8Array): boolean {
    const page = this.pages[id]!;
    let bytes = page.bytes;
    if (page.packed) {
      decompress(page.bytes, scratch);
      bytes = scratch;
    }
    for (let i = 0; i < PAGE_SIZE; i++) if (bytes[i] !== contents[i]) return false;
    return true;
  }
}

const scratch = new Uint8Array(PAGE_SIZE);
