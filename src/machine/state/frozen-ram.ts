import { PAGE_SIZE } from '../../isa/layout.ts';
import type { Engine } from '../engine/engine.ts';
import type { PageSource } from '../memory/absent-pages.ts';

const WORDS = PAGE_SIZE / 4;

/**
 * RAM of a machine as it was at an instant, for others that go on from there. Pages that the machine had not touched are read from where it would
 * have had them; of the others there is one copy, which all that were frozen of it share while they are equal.
 */
export class FrozenRam implements PageSource {
  /** Pages that are not all zeros, as far as is known without reading them. */
  readonly pages: readonly number[];
  /** Copies of the pages that had been touched. */
  readonly own: ReadonlyMap<number, Uint32Array>;
  /** Where all others lie. */
  readonly base: PageSource | undefined;

  private constructor(pages: readonly number[], own: ReadonlyMap<number, Uint32Array>, base: PageSource | undefined) {
    this.pages = pages;
    this.own = own;
    this.base = base;
  }

  /** A machine's RAM as it is, between two instructions. */
  static of(engine: Engine): FrozenRam {
    const { memory, tracker } = engine;
    const { absent, ramWords } = memory;
    tracker.collect();
    const { source } = absent;
    const before = latest.get(engine)?.own;
    const below = source instanceof FrozenRam ? source : undefined;
    const pages: number[] = [];
    const own = new Map<number, Uint32Array>();
    const changed: number[] = [];
    for (let page = 0; page < memory.pages; page++) {
      if (!tracker.wasChanged(page)) continue;
      pages.push(page);
      if (absent.has(page)) {
        const words = below?.own.get(page);
        if (words !== undefined) own.set(page, words);
        continue;
      }
      const words = before?.get(page) ?? below?.own.get(page);
      if (words !== undefined && isSame(ramWords, page * WORDS, words)) own.set(page, words);
      else changed.push(page);
    }
    const copies = new Uint32Array(changed.length * WORDS);
    changed.forEach((page, i) => {
      const copy = copies.subarray(i * WORDS, (i + 1) * WORDS);
      copy.set(ramWords.subarray(page * WORDS, (page + 1) * WORDS));
      own.set(page, copy);
    });
    const frozen = new FrozenRam(pages, own, below === undefined ? source : below.base);
    latest.set(engine, frozen);
    return frozen;
  }

  read(page: number, into: Uint8Array): void {
    const words = this.own.get(page);
    if (words === undefined) this.base!.read(page, into);
    else into.set(new Uint8Array(words.buffer, words.byteOffset, PAGE_SIZE));
  }
}

/** What was frozen of a machine last. */
const latest = new WeakMap<Engine, FrozenRam>();

function isSame(ram: Uint32Array, at: number, words: Uint32Array): boolean {
  for (let i = 0; i < WORDS; i++) if (ram[at + i] !== words[i]) return false;
  return true;
}
