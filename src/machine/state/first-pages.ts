import { PAGE_SIZE } from '../../isa/layout.ts';
import type { AbsentPages, PageSource } from '../memory/absent-pages.ts';

/**
 * The pages of a snapshot that machines touch first, as they are: one piece in place of a thousand that are unpacked one by one.
 *
 * ```
 * "HSFIRST1" · pages u32, and the number of each u32 · their contents
 * ```
 */
const MAGIC = 'HSFIRST1';
const HEAD = MAGIC.length + 4;
/** Pages that are kept at most: 8 MiB. */
const MOST = 2048;

/** Pages by their numbers, ascending, and their contents one after the other. */
export interface FirstPages {
  readonly pages: Uint32Array;
  readonly contents: Uint8Array;
}

export const NO_PAGES: FirstPages = { pages: new Uint32Array(), contents: new Uint8Array() };

const contentsOf = (contents: Uint8Array, i: number): Uint8Array =>
  contents.subarray(i * PAGE_SIZE, (i + 1) * PAGE_SIZE);

/** Reads what {@link packFirstPages} made; no pages where it is something else. Whether it is sound is checked by the code that stores it. */
export function readFirstPages(bytes: Uint8Array): FirstPages {
  if (bytes.length < HEAD || String.fromCharCode(...bytes.subarray(0, MAGIC.length)) !== MAGIC) return NO_PAGES;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const count = view.getUint32(HEAD - 4, true);
  if (bytes.length !== HEAD + count * (4 + PAGE_SIZE)) return NO_PAGES;
  const pages = Uint32Array.from({ length: count }, (_, i) => view.getUint32(HEAD + i * 4, true));
  return { pages, contents: bytes.subarray(HEAD + count * 4) };
}

/** Gives a machine that has just been made from a snapshot the pages that others touched first, and notes which more it touches. */
export function putFirstPages(absent: AbsentPages, { pages, contents }: FirstPages): void {
  for (const [i, page] of pages.entries()) absent.put(page, contentsOf(contents, i));
  absent.note(MOST - pages.length);
}

/** The pages that were known, and those that a machine touched besides. @param source of the snapshot's pages @throws StateError when one is damaged */
export function packFirstPages(before: FirstPages, touched: readonly number[], source: PageSource): Uint8Array {
  const at = new Map([...before.pages].map((page, i) => [page, i]));
  const pages = [...before.pages, ...new Set(touched.filter((page) => !at.has(page)))].slice(0, MOST);
  pages.sort((a, b) => a - b);
  const bytes = new Uint8Array(HEAD + pages.length * (4 + PAGE_SIZE));
  for (let i = 0; i < MAGIC.length; i++) bytes[i] = MAGIC.charCodeAt(i);
  const view = new DataView(bytes.buffer);
  view.setUint32(HEAD - 4, pages.length, true);
  const contents = bytes.subarray(HEAD + pages.length * 4);
  for (const [i, page] of pages.entries()) {
    view.setUint32(HEAD + i * 4, page, true);
    const known = at.get(page);
    if (known === undefined) source.read(page, contentsOf(contents, i));
    else contentsOf(contents, i).set(contentsOf(before.contents, known));
  }
  return bytes;
}
