import { type Decoded, decode, isLong } from '../isa/decode.ts';
import type { CodeSource } from './discover.ts';

// Pages of guest code as they were when regions were asked for: what another thread sees of the guest.

const PAGE = 4096;
/** One bit a half-word. */
const EXECUTED_BYTES = PAGE / 2 / 8;
const STRIDE = PAGE + EXECUTED_BYTES;

/** Copies of pages. */
interface CodePages {
  /** Their RAM offsets. */
  readonly ram: readonly number[];
  /** Per page its bytes, then a bit per half-word: an instruction that begins there has been executed. */
  readonly data: Uint8Array<ArrayBuffer>;
}

/** Collects copies of pages. */
export class CodePageList {
  private readonly index = new Map<number, number>();
  private readonly bytes: Uint8Array[] = [];

  /** The number of a page's copy, which is made when there is none. @param copy its bytes and its executed bits */
  add(ram: number, copy: () => readonly [Uint8Array, Uint8Array]): number {
    let index = this.index.get(ram);
    if (index === undefined) {
      index = this.index.size;
      this.index.set(ram, index);
      this.bytes.push(...copy());
    }
    return index;
  }

  finish(): CodePages {
    const data = new Uint8Array(this.index.size * STRIDE);
    this.bytes.forEach((b, i) => data.set(b, (i >> 1) * STRIDE + (i & 1) * PAGE));
    return { ram: [...this.index.keys()], data };
  }
}

/** How guest code is looked at. */
export interface CodeView {
  readonly pages: CodePages;
  /** Enabled extensions, as in MACHINE.extensions. */
  readonly extensions: number;
  /** Code that has not been executed counts, too. */
  readonly unexecuted: boolean;
  /** Places of pages that a debugger looks at. */
  readonly places: readonly number[];
  /** RAM offsets of instructions that one looks at. */
  readonly observed: readonly number[];
}

/** Guest code in copies of pages. */
export class CopiedCode {
  private readonly indexOf: ReadonlyMap<number, number>;
  private readonly data: Uint8Array;
  private readonly view: CodeView;

  constructor(view: CodeView) {
    this.view = view;
    this.data = view.pages.data;
    this.indexOf = new Map(view.pages.ram.map((ram, i) => [ram, i]));
  }

  /** Where the byte at a RAM offset is among the copies. */
  private at(ram: number): number {
    return this.indexOf.get((ram & ~0xfff) >>> 0)! * STRIDE + (ram & 0xfff);
  }

  private half(ram: number): number {
    const at = this.at(ram);
    return this.data[at] | (this.data[at + 1] << 8);
  }

  /** The 32 bits of the instruction whose halves are there; the high half is clear where there are 16. */
  word(first: number, second: number): number {
    const low = this.half(first);
    return (isLong(low) ? low | (this.half(second) << 16) : low) >>> 0;
  }

  /** Bytes [start, end) of RAM, within one page. */
  bytes(start: number, end: number): Uint8Array {
    const at = this.at(start);
    return this.data.subarray(at, at + end - start);
  }

  /** Code as discovery sees it. @param mapped RAM offsets of the pages by their distance from the base */
  source(mapped: ReadonlyMap<number, number>): CodeSource {
    const { extensions, unexecuted, places } = this.view;
    const observed = new Set(this.view.observed);
    return {
      page: (delta) => mapped.get(delta) ?? -1,
      decode: (first, second): Decoded | undefined => {
        const low = this.half(first);
        if (!isLong(low)) return decode(low, extensions);
        return second < 0 ? undefined : decode((low | (this.half(second) << 16)) >>> 0, extensions);
      },
      executed: (ram) => {
        if (unexecuted) return true;
        const bit = (ram & 0xfff) >>> 1;
        return ((this.data[this.at(ram & ~0xfff) + PAGE + (bit >>> 3)] >>> (bit & 7)) & 1) !== 0;
      },
      observed: (ram) => (places.includes(ram & 0xfff) ? 'always' : observed.has(ram) ? 'exact' : undefined),
    };
  }
}
