import type { Decoded } from '../isa/decode.ts';
import { classify } from './classify.ts';
import type { Block, CodeRegion, Edge, Ending, Placed, RegionPage } from './region.ts';

/** Guest code as discovery sees it. Offsets are bytes from the region's base, `ram` offsets are bytes into RAM. */
export interface CodeSource {
  /** RAM offset of the virtual page `delta` pages from the base, or −1 when it is not mapped for execution from RAM. */
  page(delta: number): number;
  /** The instruction whose first half lies at `ram` and whose second, if it has one, at `ram2`; undefined when illegal. */
  decode(ram: number, ram2: number): Decoded | undefined;
  /** Whether the instruction at `ram` is worth translating: it has been executed. */
  executed(ram: number): boolean;
  /**
   * Whether a debugger looks at the instruction at `ram` each time: `always` the interpreter executes it, `exact` debug points of one address are there, which
   * {@link ./abi.ts HELPERS.probe} knows.
   */
  observed(ram: number): 'always' | 'exact' | undefined;
}

/** How large a region may grow. */
export interface RegionLimits {
  readonly instructions: number;
  readonly pages: number;
  /** How deep calls are followed. */
  readonly callDepth: number;
}

export const DEFAULT_LIMITS: RegionLimits = { instructions: 250, pages: 4, callDepth: 0 };

class Discovery {
  private readonly source: CodeSource;
  private readonly limits: RegionLimits;
  private readonly pages: RegionPage[] = [];
  private readonly found = new Map<number, Decoded>();
  private readonly leaders = new Set<number>();
  /** Offsets control may come back to from outside. */
  private readonly returns: number[] = [];
  private readonly queues: number[][] = [];
  /** Instructions with debug points. */
  private readonly probed = new Set<number>();
  /** Instructions the interpreter must execute. */
  private readonly leaves = new Set<number>();

  constructor(source: CodeSource, limits: RegionLimits) {
    this.source = source;
    this.limits = limits;
  }

  /** Index of the page, taken into the region when there is room; −1 otherwise. */
  private pageIndex(delta: number, admit: boolean): number {
    const known = this.pages.findIndex((p) => p.delta === delta);
    if (known >= 0 || !admit || this.pages.length === this.limits.pages) return known;
    const ram = this.source.page(delta);
    // a physical page mapped twice would need its bytes watched twice: leave the second out
    if (ram < 0 || this.pages.some((p) => p.ram === ram)) return -1;
    return this.pages.push({ delta, ram }) - 1;
  }

  private ramOf(at: number): number {
    return this.pages[this.pageIndex(at >> 12, false)].ram + (at & 0xfff);
  }

  private later(at: number, depth: number): void {
    if (depth <= this.limits.callDepth) (this.queues[depth] ??= []).push(at);
  }

  run(roots: readonly number[]): CodeRegion | undefined {
    roots.forEach((r) => this.later(r, 0));
    for (let depth = 0; depth < this.queues.length; depth++) {
      const queue = this.queues[depth];
      // breadth first, so that a limit cuts what is far away
      for (let i = 0; i < (queue?.length ?? 0); i++)
        this.explore(queue[i], depth, depth === 0 && roots.includes(queue[i]));
    }
    return this.build(roots);
  }

  private decodeAt(at: number): Decoded | undefined {
    const ram = this.ramOf(at);
    if ((at & 0xfff) !== 0xffe) return this.source.decode(ram, ram + 2);
    const first = this.source.decode(ram, -1);
    if (first) return first;
    const second = this.pageIndex((at + 2) >> 12, true);
    return second < 0 ? undefined : this.source.decode(ram, this.pages[second].ram);
  }

  /** Follows straight-line code from `at`. */
  private explore(start: number, depth: number, isRoot: boolean): void {
    let at = start;
    if (this.pageIndex(at >> 12, true) < 0 || (!isRoot && !this.source.executed(this.ramOf(at)))) return;
    this.leaders.add(at);
    let previous: Placed | undefined;
    for (;;) {
      if (this.found.has(at)) return;
      if (this.found.size >= this.limits.instructions || this.pageIndex(at >> 12, true) < 0) return;
      const decoded = this.decodeAt(at);
      if (!decoded) return;
      const kind = classify(decoded);
      const next = at + decoded.length;
      const observed = this.source.observed(this.ramOf(at));
      if (kind === 'leave' || observed === 'always') {
        this.leaves.add(at);
        this.returns.push(next);
        this.later(next, depth);
        return;
      }
      this.found.set(at, decoded);
      if (observed === 'exact') {
        // where the interpreter has to see to it, it comes back after the instruction
        this.probed.add(at);
        this.leaders.add(next);
        this.returns.push(next);
      }
      const crosses = (at & 0xfff) === 0xffe && decoded.length === 4;
      if (crosses) {
        this.leaders.add(at);
        this.leaders.add(next);
      }
      if (kind === 'branch') {
        this.leaders.add(next);
        this.later(at + decoded.imm, depth);
        this.later(next, depth);
        return;
      }
      if (kind === 'jump' || kind === 'indirect') {
        const target = kind === 'jump' ? at + decoded.imm : pairTarget(previous, decoded);
        const linked = decoded.rd !== 0;
        if (target !== undefined) this.later(target, linked ? depth + 1 : depth);
        if (linked) {
          this.returns.push(next);
          this.later(next, depth);
        }
        return;
      }
      previous = crosses ? undefined : { at, decoded };
      at = next;
    }
  }

  private build(roots: readonly number[]): CodeRegion | undefined {
    const starts = [...this.leaders].filter((l) => this.found.has(l)).sort((a, b) => a - b);
    const index = new Map(starts.map((s, i) => [s, i]));
    const edge = (to: number): Edge => ({ to, block: index.get(to) ?? -1 });
    const blocks = starts.map((start, i): Block => {
      const code: Placed[] = [];
      const pages = [this.pageIndex(start >> 12, false)];
      let at = start;
      let ending: Ending | undefined;
      while (!ending) {
        const decoded = this.found.get(at);
        if (!decoded) ending = this.leaves.has(at) ? { kind: 'leave', at } : { kind: 'next', next: edge(at) };
        else if (code.length > 0 && (index.has(at) || (at & 0xfff) === 0)) ending = { kind: 'next', next: edge(at) };
        else {
          const placed = { at, decoded, ...(this.probed.has(at) && { probed: true }) };
          const kind = classify(decoded);
          const target =
            kind === 'jump'
              ? at + decoded.imm
              : kind === 'indirect'
                ? pairTarget(code[code.length - 1], decoded)
                : undefined;
          code.push(placed);
          if (kind === 'branch')
            ending = { kind: 'branch', taken: edge(at + decoded.imm), next: edge(at + decoded.length) };
          else if (target !== undefined) ending = { kind: 'jump', taken: edge(target) };
          else if (kind === 'indirect') ending = { kind: 'indirect' };
          if ((at & 0xfff) === 0xffe && decoded.length === 4) {
            pages.push(this.pageIndex((at + 2) >> 12, false));
            ending ??= { kind: 'next', next: edge(at + 4) };
          }
          at += decoded.length;
        }
      }
      return { index: i, start, code, ending, pages };
    });
    const entries = new Set<number>();
    for (const at of [...roots, ...this.returns]) {
      const b = index.get(at);
      // a page must be known to be mapped before it is entered: only the first is
      if (b !== undefined && blocks[b].pages.length === 1) entries.add(b);
    }
    if (!roots.some((r) => index.has(r) && entries.has(index.get(r)!))) return undefined;
    return { blocks, entries: [...entries], pages: this.pages, roots: roots.filter((r) => index.has(r)).length };
  }
}

/** Target of a jalr that directly follows the auipc of its base register. */
function pairTarget(previous: Placed | undefined, jalr: Decoded): number | undefined {
  if (previous?.decoded.row.name !== 'auipc' || previous.decoded.rd !== jalr.rs1 || jalr.rs1 === 0) return undefined;
  return (previous.at + previous.decoded.imm + jalr.imm) & ~1;
}

/**
 * Finds the code reachable from the roots by direct jumps, branches and calls. @param roots offsets; the first names the region
 * @returns undefined when the first instruction itself cannot be translated
 */
export function discover(
  source: CodeSource,
  roots: readonly number[],
  limits: RegionLimits = DEFAULT_LIMITS,
): CodeRegion | undefined {
  return new Discovery(source, limits).run(roots);
}
