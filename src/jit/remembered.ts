import { EXECUTED_SIZE } from './area.ts';
import type { CachedRegion } from './code-cache.ts';

/**
 * What was hot in earlier runs, by what the code's pages hold: roots of regions and which instructions are executed. It says what to translate at
 * once, never what the code does: what is wrong in it costs time and nothing else.
 *
 * ```
 * magic u32, version u32, checksum of what follows u32
 * per page: hash of its bytes (53 bits) f64, executed 256 bytes, regions u16
 *   per region based on it: kernel | inside << 1 | growth << 2 u8, roots u8, pages u8
 *     roots i32 each: offsets from its base; then per further page: pages from the base i32, its hash f64
 * ```
 */
const MAGIC = 0x43485348;
const HEADER = 12;
const PAGE = 8 + EXECUTED_SIZE + 2;
/** Pages that are kept at most, those of the last run first: about 2 MB. */
const MAX_PAGES = 6000;
/** Roots and pages of a region that are kept. */
const MAX_LIST = 255;

/** A region of an earlier run. */
export interface RememberedRegion {
  readonly kernel: boolean;
  readonly inside: boolean;
  readonly growth: number;
  /** Offsets from its base. */
  readonly roots: readonly number[];
  /** Hashes of its further pages, by their distance from the base. */
  readonly pages: ReadonlyMap<number, number>;
}

/** FNV-1a over 32-bit words, and the bytes after them. */
function checksum(bytes: Uint8Array): number {
  const words = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let hash = 0x811c9dc5;
  let at = 0;
  for (; at + 4 <= bytes.length; at += 4) hash = Math.imul(hash ^ words.getUint32(at, true), 0x01000193);
  for (; at < bytes.length; at++) hash = Math.imul(hash ^ bytes[at], 0x01000193);
  return hash >>> 0;
}

/** What earlier runs left: read when asked for. */
export class RememberedCode {
  /** Where the records of pages begin and end. */
  private readonly records = new Map<number, readonly [number, number]>();
  private readonly read = new Map<number, readonly RememberedRegion[]>();
  private readonly bytes: Uint8Array;
  private readonly view: DataView;

  /** @param version of translator and core; anything else, or damaged, is as if there were nothing */
  constructor(bytes: Uint8Array, version: number) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (bytes.length < HEADER || this.view.getUint32(0, true) !== MAGIC || this.view.getUint32(4, true) !== version)
      return;
    if (this.view.getUint32(8, true) !== checksum(bytes.subarray(HEADER))) return;
    for (let at = HEADER; at < bytes.length; ) {
      const end = this.skip(at);
      this.records.set(this.view.getFloat64(at, true), [at, end]);
      at = end;
    }
  }

  get size(): number {
    return this.records.size;
  }

  private skip(at: number): number {
    let end = at + PAGE;
    for (let n = this.view.getUint16(end - 2, true); n > 0; n--)
      end += 3 + this.view.getUint8(end + 1) * 4 + this.view.getUint8(end + 2) * 12;
    return end;
  }

  has(hash: number): boolean {
    return this.records.has(hash);
  }

  /** Which instructions of a page were executed. */
  executed(hash: number): Uint8Array | undefined {
    const record = this.records.get(hash);
    return record && this.bytes.subarray(record[0] + 8, record[0] + 8 + EXECUTED_SIZE);
  }

  /** The region that was entered at an offset on a page, which is its base. */
  regionAt(hash: number, root: number, kernel: boolean): RememberedRegion | undefined {
    return this.regions(hash).find((r) => r.kernel === kernel && r.roots.includes(root));
  }

  /** The regions whose base a page is. */
  regions(hash: number): readonly RememberedRegion[] {
    const record = this.records.get(hash);
    if (!record) return [];
    let regions = this.read.get(hash);
    if (!regions) this.read.set(hash, (regions = this.readRegions(record[0] + PAGE)));
    return regions;
  }

  private readRegions(start: number): readonly RememberedRegion[] {
    const { view } = this;
    let at = start;
    return Array.from({ length: view.getUint16(at - 2, true) }, () => {
      const flags = view.getUint8(at);
      const roots = view.getUint8(at + 1);
      const pages = view.getUint8(at + 2);
      const pagesAt = at + 3 + roots * 4;
      const region = {
        kernel: (flags & 1) !== 0,
        inside: (flags & 2) !== 0,
        growth: flags >> 2,
        roots: Array.from({ length: roots }, (_, i) => view.getInt32(at + 3 + i * 4, true)),
        pages: new Map(
          Array.from({ length: pages }, (_, i): [number, number] => [
            view.getInt32(pagesAt + i * 12, true),
            view.getFloat64(pagesAt + 4 + i * 12, true),
          ]),
        ),
      };
      at = pagesAt + pages * 12;
      return region;
    });
  }

  /** The bytes of a page's record, to be kept. */
  record(hash: number): Uint8Array {
    const [start, end] = this.records.get(hash)!;
    return this.bytes.subarray(start, end);
  }

  hashes(): IterableIterator<number> {
    return this.records.keys();
  }
}

/** Notes what is hot now, and after it what earlier runs left. @param hashOf hash of a page of RAM @returns bytes for {@link RememberedCode} */
export function remember(
  regions: Iterable<CachedRegion>,
  hashOf: (ram: number) => number,
  before: RememberedCode | undefined,
  version: number,
): Uint8Array<ArrayBuffer> {
  const hashes = new Map<number, number>();
  const hashAt = (ram: number): number => {
    let hash = hashes.get(ram);
    if (hash === undefined) hashes.set(ram, (hash = hashOf(ram)));
    return hash;
  };
  const pages = new Map<number, { readonly executed: Uint8Array; readonly regions: Uint8Array[] }>();
  const pageOf = (hash: number): { readonly executed: Uint8Array; readonly regions: Uint8Array[] } => {
    let page = pages.get(hash);
    if (!page) pages.set(hash, (page = { executed: new Uint8Array(EXECUTED_SIZE), regions: [] }));
    return page;
  };
  for (const { origin, ranges, mapped, basePage } of regions) {
    for (const { start, end } of ranges) {
      for (let at = start & ~1; at < end; at += 2) {
        const bit = (at & 0xfff) >>> 1;
        pageOf(hashAt((at & ~0xfff) >>> 0)).executed[bit >>> 3] |= 1 << (bit & 7);
      }
    }
    const further = mapped.filter((p) => p.delta !== 0).slice(0, MAX_LIST);
    const roots = origin.roots.slice(0, MAX_LIST);
    const record = new Uint8Array(3 + roots.length * 4 + further.length * 12);
    const view = new DataView(record.buffer);
    view.setUint8(0, (origin.prv === 0 ? 0 : 1) | (origin.inside ? 2 : 0) | (origin.growth << 2));
    view.setUint8(1, roots.length);
    view.setUint8(2, further.length);
    roots.forEach((r, i) => view.setInt32(3 + i * 4, r, true));
    further.forEach(({ delta, ram }, i) => {
      view.setInt32(3 + roots.length * 4 + i * 12, delta, true);
      view.setFloat64(7 + roots.length * 4 + i * 12, hashAt(ram), true);
    });
    pageOf(hashAt(basePage)).regions.push(record);
  }
  const parts: Uint8Array[] = [];
  for (const [hash, { executed, regions: own }] of pages) {
    if (parts.length >= MAX_PAGES) break;
    const length = PAGE + own.reduce((n, r) => n + r.length, 0);
    const part = new Uint8Array(length);
    const view = new DataView(part.buffer);
    view.setFloat64(0, hash, true);
    part.set(executed, 8);
    view.setUint16(PAGE - 2, own.length, true);
    let at = PAGE;
    for (const r of own) {
      part.set(r, at);
      at += r.length;
    }
    parts.push(part);
  }
  for (const hash of before?.hashes() ?? [])
    if (parts.length < MAX_PAGES && !pages.has(hash)) parts.push(before!.record(hash));
  const bytes = new Uint8Array(HEADER + parts.reduce((n, p) => n + p.length, 0));
  let at = HEADER;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC, true);
  view.setUint32(4, version, true);
  view.setUint32(8, checksum(bytes.subarray(HEADER)), true);
  return bytes;
}
