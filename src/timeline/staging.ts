import { PAGE_SIZE } from '../isa/layout.ts';

const WORDS = PAGE_SIZE / 4;
/** Pages it begins with room for. */
const FIRST = 1024;

/** Where pages that changed are copied to at once, to be looked at when there is time. Its memory is used again and again: fresh memory is slow. */
export class Staging {
  /** The pages' contents, one after the other. */
  words = new Uint32Array(FIRST * WORDS);

  /** Copies pages of RAM; `pages` is sorted by this, so that stretches are copied in one go. */
  take(ram: Uint32Array, pages: number[]): void {
    pages.sort((a, b) => a - b);
    if (this.words.length < pages.length * WORDS)
      this.words = new Uint32Array(2 ** Math.ceil(Math.log2(pages.length)) * WORDS);
    for (let i = 0; i < pages.length; ) {
      let end = i + 1;
      while (end < pages.length && pages[end] === pages[end - 1] + 1) end++;
      this.words.set(ram.subarray(pages[i] * WORDS, (pages[i] + end - i) * WORDS), i * WORDS);
      i = end;
    }
  }
}
