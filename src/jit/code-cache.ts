import { JUMPS_AT, JUMPS_SIZE } from './area.ts';
import { EntryTable, keyOf } from './entry-table.ts';
import type { RegionPage } from './region.ts';
import type { Entry } from './translate.ts';

/** Where a region's code was found. */
export interface Origin {
  /** Virtual address of its base where it was last seen to run, and the privilege that fetched there. */
  readonly base: bigint;
  readonly prv: number;
  /** Offsets from the base that it was asked for. */
  readonly roots: readonly number[];
  /** How often it was translated again to take in more code. */
  readonly growth: number;
  /** Whether jumps through registers go on inside. */
  readonly inside: boolean;
}

/** Translated code that is live. */
export interface CachedRegion {
  readonly id: number;
  origin: Origin;
  /** RAM offset of the physical page at its base. */
  readonly basePage: number;
  /** Slot in the core's table. */
  readonly func: number;
  /** RAM offsets it can be entered at. */
  readonly entries: readonly number[];
  /** RAM offsets it was asked for. */
  readonly roots: ReadonlySet<number>;
  /** Bytes it was made from, as [start, end) of RAM. */
  readonly ranges: readonly { readonly start: number; readonly end: number }[];
  readonly pages: readonly number[];
  /** Virtual pages of its code, and where they lay in RAM. */
  readonly mapped: readonly RegionPage[];
  readonly name: string;
  readonly instructions: number;
  /** Bytes of WebAssembly code. */
  readonly bytes: number;
}

/** What a new region consists of. */
export interface NewRegion {
  readonly name: string;
  readonly code: CallableFunction;
  readonly entries: readonly Entry[];
  /** RAM offset of the code at an offset from the base. */
  readonly ramOf: (at: number) => number;
  readonly origin: Origin;
  readonly basePage: number;
  readonly ranges: CachedRegion['ranges'];
  readonly mapped: readonly RegionPage[];
  readonly instructions: number;
  readonly bytes: number;
}

/** What the cache needs of the core. */
export interface CacheHost {
  readonly table: WebAssembly.Table;
  /** What is kept of jumps that led to a function of the table holds no longer. */
  forgetFunction(func: number): void;
  markTranslated(page: number): void;
  unmarkTranslated(page: number): void;
}

/**
 * Holds translated regions: puts them where the core finds them, drops those whose bytes change, and bounds how many there are by dropping
 * the oldest.
 */
export class CodeCache {
  private readonly host: CacheHost;
  private readonly table: EntryTable;
  private readonly jumps: Uint8Array;
  private readonly regions = new Map<number, CachedRegion>();
  private readonly byPage = new Map<number, Set<CachedRegion>>();
  /** By the function's slot in the core's table. */
  private readonly byFunction = new Map<number, CachedRegion>();
  private readonly freeSlots: number[] = [];
  private readonly limit: number;
  private nextId = 1;
  /** Regions dropped because their bytes changed, and because the cache was full. */
  dropped = 0;
  evicted = 0;

  /** @param limit regions kept at most */
  constructor(memory: WebAssembly.Memory, host: CacheHost, limit: number) {
    this.table = new EntryTable(memory);
    this.jumps = new Uint8Array(memory.buffer, JUMPS_AT, JUMPS_SIZE);
    this.host = host;
    this.limit = limit;
  }

  get size(): number {
    return this.regions.size;
  }

  values(): IterableIterator<CachedRegion> {
    return this.regions.values();
  }

  /** Whether a region can be entered at a RAM offset. */
  has(ram: number): boolean {
    return this.table.has(keyOf(ram));
  }

  /** The region that is entered at a RAM offset. */
  entered(ram: number): CachedRegion | undefined {
    const func = this.table.get(keyOf(ram));
    return this.byFunction.get(func);
  }

  /** Offset from its region's base of the code that is entered at a RAM offset. */
  offsetOf(ram: number): number | undefined {
    return this.table.offset(keyOf(ram));
  }

  /** Whether a region is still here. */
  holds(region: CachedRegion): boolean {
    return this.regions.has(region.id);
  }

  /** Regions with code on a page. */
  onPage(page: number): Iterable<CachedRegion> {
    return this.byPage.get(page) ?? [];
  }

  add(region: NewRegion): CachedRegion {
    while (this.regions.size >= this.limit) {
      const oldest = this.regions.values().next().value!;
      this.evicted++;
      this.drop(oldest);
    }
    const func = this.freeSlots.pop() ?? this.host.table.grow(1);
    this.host.table.set(func, region.code);
    const pages = [...new Set(region.ranges.map((r) => r.start >>> 12))];
    const cached: CachedRegion = {
      id: this.nextId++,
      func,
      entries: region.entries.map((e) => region.ramOf(e.at)),
      origin: {
        base: region.origin.base,
        prv: region.origin.prv,
        roots: region.origin.roots,
        growth: region.origin.growth,
        inside: region.origin.inside,
      },
      basePage: region.basePage,
      roots: new Set(region.origin.roots.map(region.ramOf)),
      ranges: region.ranges,
      pages,
      mapped: region.mapped,
      name: region.name,
      instructions: region.instructions,
      bytes: region.bytes,
    };
    this.regions.set(cached.id, cached);
    this.byFunction.set(func, cached);
    for (const page of pages) {
      const set = this.byPage.get(page);
      if (set) set.add(cached);
      else {
        this.byPage.set(page, new Set([cached]));
        this.host.markTranslated(page);
      }
    }
    // an entry that another region has already slowPathOf with it, unless it is what this one was first asked for
    const first = region.ramOf(region.origin.roots[0]);
    region.entries.forEach((e, i) => {
      const key = keyOf(cached.entries[i]);
      const before = this.table.get(key);
      if (before >= 0 && cached.entries[i] !== first) return;
      if (before >= 0) this.host.forgetFunction(before);
      this.table.set(key, func, e.label, e.at);
    });
    return cached;
  }

  /** Forgets a region. */
  drop(region: CachedRegion): void {
    if (!this.regions.delete(region.id)) return;
    this.host.forgetFunction(region.func);
    this.release(region);
  }

  private release(region: CachedRegion): void {
    this.byFunction.delete(region.func);
    for (const ram of region.entries) this.table.delete(keyOf(ram), region.func);
    this.host.table.set(region.func, null);
    this.freeSlots.push(region.func);
    for (const page of region.pages) {
      const set = this.byPage.get(page)!;
      set.delete(region);
      if (set.size > 0) continue;
      this.byPage.delete(page);
      this.host.unmarkTranslated(page);
    }
  }

  /** Bytes [offset, offset+length) of RAM, within one page, changed. @returns how many regions that dropped */
  changed(offset: number, length: number): number {
    const end = offset + length;
    let n = 0;
    for (const region of [...this.onPage(offset >>> 12)]) {
      if (!region.ranges.some((r) => r.start < end && r.end > offset)) continue;
      this.drop(region);
      this.dropped++;
      n++;
    }
    return n;
  }

  clear(): void {
    for (const region of this.regions.values()) this.release(region);
    this.regions.clear();
    this.table.clear();
    this.jumps.fill(0);
  }
}
