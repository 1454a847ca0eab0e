import type { Decoded } from '../isa/decode.ts';

/** A guest instruction inside a region. */
export interface Placed {
  /** Bytes from the region's base: the start of the virtual page its first root lies on. May be negative. */
  readonly at: number;
  readonly decoded: Decoded;
  /** Debug points may be met before it. */
  readonly probed?: boolean;
}

/** Where control goes: an offset, and the block there when it belongs to the region. */
export interface Edge {
  readonly to: number;
  /** Index of the block, −1 outside the region. */
  readonly block: number;
}

/** How a block ends. The instruction that decides, where there is one, is the last of the block's. */
export type Ending =
  | { readonly kind: 'next'; readonly next: Edge }
  | { readonly kind: 'branch'; readonly taken: Edge; readonly next: Edge }
  /** A jump whose target is known (jal, or auipc with jalr). */
  | { readonly kind: 'jump'; readonly taken: Edge }
  | { readonly kind: 'indirect' }
  /** The interpreter executes the instruction at `at`, which is none of the block's. */
  | { readonly kind: 'leave'; readonly at: number };

/** Straight-line code: entered at its first instruction, left after its last. */
export interface Block {
  readonly index: number;
  readonly start: number;
  readonly code: readonly Placed[];
  readonly ending: Ending;
  /** Indexes into {@link CodeRegion.pages} that its bytes lie on: one, or two when its only instruction crosses. */
  readonly pages: readonly number[];
}

/** A virtual page of a region and where it lay when it was translated. */
export interface RegionPage {
  /** Pages from the base. */
  readonly delta: number;
  /** RAM offset of the physical page. */
  readonly ram: number;
}

/** Guest code that becomes one function. */
export interface CodeRegion {
  readonly blocks: readonly Block[];
  /** Blocks the function can be entered at, in order of their labels; the first is the root it was asked for. */
  readonly entries: readonly number[];
  readonly pages: readonly RegionPage[];
  /** How many of the places it was asked for were found; they are the first entries. */
  readonly roots: number;
}

/** Bytes of guest code a region was made from, as [start, end) of RAM. */
export function codeRanges(region: CodeRegion): { start: number; end: number }[] {
  const ranges: { start: number; end: number }[] = [];
  const ram = new Map(region.pages.map((p) => [p.delta, p.ram]));
  const add = (at: number, length: number): void => {
    const start = ram.get(at >> 12)! + (at & 0xfff);
    const last = ranges[ranges.length - 1];
    if (last && last.end === start) last.end += length;
    else ranges.push({ start, end: start + length });
  };
  for (const block of region.blocks) {
    for (const { at, decoded } of block.code) {
      const here = Math.min(decoded.length, 4096 - (at & 0xfff));
      add(at, here);
      if (here < decoded.length) add(at + here, decoded.length - here);
    }
  }
  return ranges;
}
