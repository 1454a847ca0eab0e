import { decode, isLong, type Decoded } from '../isa/decode.ts';
import { EXTENSIONS } from '../isa/instruction.ts';
import { DECODE_AT, DECODE_STRIDE, MACHINE, MACHINE_AT, PAGE_FLAG, RAM_AT, SLOT_SIZE, ramTables } from '../isa/layout.ts';
import { HELPER_IMPORTS, REGION_SIGNATURE } from './abi.ts';
import { HEAT_AT, HEAT_COUNTERS, QUEUE_AT, QUEUE_COUNT_AT, REQUEST, REQUEST_SIZE } from './area.ts';
import type { CachedRegion, CodeCache, Origin } from './code-cache.ts';
import { DEFAULT_LIMITS, discover, type CodeSource, type RegionLimits } from './discover.ts';
import { codeRanges, type Region } from './region.ts';
import { translate, type Translation } from './translate.ts';
import { ModuleEncoder } from './wasm-module.ts';

/** What the translator asks of the core. */
export interface TranslatorHost {
  codePage(hart: number, low: number, high: number, prv: number): number;
  /** Makes functions of a module. */
  instantiate(bytes: Uint8Array<ArrayBuffer>): Function[];
}

export interface TranslatorOptions {
  /** Translate code that has not been executed yet, too. */
  readonly unexecuted?: boolean;
  readonly limits?: RegionLimits;
}

interface Request {
  readonly ram: number;
  readonly hart: number;
  readonly va: bigint;
  readonly prv: number;
  /** RAM offset of the entry of the region that control came from, 0: it came from the interpreter. */
  readonly from: number;
}

interface Planned {
  readonly region: Region;
  readonly translation: Translation;
  readonly ramOf: (at: number) => number;
  readonly origin: Origin;
  readonly basePage: number;
  /** RAM offsets it can be entered at. */
  readonly entryRams: ReadonlySet<number>;
}

/** How often a region is made anew to take in code it goes to, up to how many instructions, and how far from its base that may be. */
const MAX_GROWTH = 6;
const MAX_GROWN = 900;
const REACH = 1n << 28n;
const GROWN_LIMITS: RegionLimits = { ...DEFAULT_LIMITS, instructions: 1200, pages: 8 };

/** Turns the requests in the queue into regions of the cache: one module a batch. */
export class Translator {
  private readonly memory: DataView;
  private readonly host: TranslatorHost;
  private readonly cache: CodeCache;
  private readonly options: TranslatorOptions;
  private readonly encoder: ModuleEncoder;
  private readonly flagsAt: number;
  private readonly decodeIndexAt: number;
  private readonly extensions: number;
  /** RAM offsets that cannot be translated as they are. */
  private readonly refused = new Set<number>();
  /** RAM offsets of instructions whose rare cases are common. */
  private readonly common = new Set<number>();
  /** How often code at a RAM page had to be dropped. */
  private readonly drops = new Map<number, number>();
  /** Functions made, modules, bytes of modules, and guest instructions translated. */
  readonly made = { regions: 0, modules: 0, bytes: 0, instructions: 0, requests: 0 };

  constructor(memory: WebAssembly.Memory, host: TranslatorHost, cache: CodeCache, options: TranslatorOptions) {
    this.memory = new DataView(memory.buffer);
    this.host = host;
    this.cache = cache;
    this.options = options;
    const ramSize = Number(this.memory.getBigUint64(MACHINE_AT + MACHINE.ramSize, true));
    this.extensions = Number(this.memory.getBigUint64(MACHINE_AT + MACHINE.extensions, true));
    const tables = ramTables(ramSize);
    this.flagsAt = tables.flags;
    this.decodeIndexAt = tables.decodeIndex;
    this.encoder = new ModuleEncoder({ memory: { module: 'env', name: 'memory', minPages: 1 }, imports: HELPER_IMPORTS, signature: REGION_SIGNATURE });
  }

  /** Translates what waits. */
  translateQueue(): void {
    const count = this.memory.getUint32(QUEUE_COUNT_AT, true);
    const planned: Planned[] = [];
    const grown = new Map<CachedRegion, Request[]>();
    const seen = new Set<number>();
    for (let i = 0; i < count; i++) {
      const request = this.request(QUEUE_AT + i * REQUEST_SIZE);
      this.made.requests++;
      if (seen.has(request.ram) || this.refused.has(request.ram)) continue;
      const from = this.mayGrow(request);
      if (from) grown.set(from, [...(grown.get(from) ?? []), request]);
      else if (!this.cache.has(request.ram)) this.planNew(request, planned);
      else continue;
      seen.add(request.ram);
    }
    for (const [region, requests] of grown) this.planGrowth(region, requests, planned);
    this.install(planned);
  }

  private request(at: number): Request {
    const { memory } = this;
    return {
      ram: (memory.getUint32(at + REQUEST.key, true) & ~1) >>> 0,
      hart: memory.getUint32(at + REQUEST.hart, true),
      va: memory.getBigUint64(at + REQUEST.va, true),
      prv: memory.getUint32(at + REQUEST.prv, true),
      from: (memory.getUint32(at + REQUEST.from, true) & ~1) >>> 0,
    };
  }

  private planNew(request: Request, planned: Planned[]): void {
    const base = request.va & ~0xfffn;
    const plan = this.plan(request.hart, (request.ram & ~0xfff) >>> 0, { base, prv: request.prv, roots: [Number(request.va & 0xfffn)], growth: 0 });
    if (plan) planned.push(plan);
    else this.refused.add(request.ram);
  }

  /** The region control came from, when it may take in the code it went to. */
  private mayGrow({ from, ram, va, prv, hart }: Request): CachedRegion | undefined {
    if (from === 0) return undefined;
    const region = this.cache.entered(from);
    // places that calls return to are left alone: it is the callee that moves in
    if (this.cache.has(ram) && !this.cache.isRoot(ram)) return undefined;
    if (!region || region.origin.prv !== prv || region.origin.growth >= MAX_GROWTH || region.instructions > MAX_GROWN) return undefined;
    const distance = BigInt.asIntN(64, va - region.origin.base);
    if (distance < -REACH || distance > REACH) return undefined;
    const page = this.codePage(hart, region.origin.base, prv);
    return page === region.basePage ? region : undefined;
  }

  private planGrowth(region: CachedRegion, requests: readonly Request[], planned: Planned[]): void {
    const { base, prv, roots, growth } = region.origin;
    const more = requests.map((r) => Number(BigInt.asIntN(64, r.va - base)));
    const plan = this.plan(requests[0].hart, region.basePage, { base, prv, roots: [...roots, ...more], growth: growth + 1 });
    // what did not fit becomes a region of its own
    for (const r of requests) if (!plan?.entryRams.has(r.ram) && !this.cache.has(r.ram)) this.planNew(r, planned);
    if (!plan || !requests.some((r) => plan.entryRams.has(r.ram))) return;
    this.cache.drop(region);
    planned.push(plan);
  }

  /** A rare case of the instruction at a RAM offset is common: its region is made anew, with the helper. */
  becameCommon(ram: number): void {
    this.common.add(ram);
    for (const region of [...this.cache.onPage(ram >>> 12)]) {
      if (region.ranges.some((r) => r.start <= ram && r.end > ram)) this.cache.drop(region);
    }
  }

  /** Bytes of RAM that translated code was made from changed. */
  changed(offset: number, length: number): void {
    if (length === 0) return;
    const page = offset >>> 12;
    if (this.cache.changed(offset, length) > 0) this.drops.set(page, (this.drops.get(page) ?? 0) + 1);
    for (let at = offset & ~1; at < offset + length; at += 2) {
      this.refused.delete(at);
      this.common.delete(at);
    }
  }

  /** Forgets what was learnt of the code. */
  clear(): void {
    this.refused.clear();
    this.common.clear();
    this.drops.clear();
    new Uint8Array(this.memory.buffer, HEAT_AT, HEAT_COUNTERS * 2).fill(0);
    this.memory.setUint32(QUEUE_COUNT_AT, 0, true);
  }

  private codePage(hart: number, va: bigint, prv: number): number {
    const at = BigInt.asUintN(64, va);
    const page = this.host.codePage(hart, Number(at & 0xffff_ffffn), Number(at >> 32n), prv);
    return page === -1 ? -1 : page >>> 0;
  }

  /** Guest code around a base whose physical page is known. */
  private source(hart: number, basePage: number, { base, prv }: Origin): CodeSource {
    return {
      page: (delta) => (delta === 0 ? basePage : this.codePage(hart, base + BigInt(delta) * 4096n, prv)),
      decode: (first, second) => this.decodeAt(first, second),
      executed: (at) => this.options.unexecuted === true || this.wasExecuted(at),
    };
  }

  private decodeAt(first: number, second: number): Decoded | undefined {
    const low = this.memory.getUint16(RAM_AT + first, true);
    if (!isLong(low)) return decode(low, this.extensions);
    if (second < 0) return undefined;
    return decode(low | (this.memory.getUint16(RAM_AT + second, true) << 16), this.extensions);
  }

  /** Whether the interpreter has decoded the instruction there: it does so when it comes by. */
  private wasExecuted(ram: number): boolean {
    const page = ram >>> 12;
    if ((this.memory.getUint8(this.flagsAt + page) & PAGE_FLAG.DECODED) === 0) return false;
    const decoded = DECODE_AT + this.memory.getUint16(this.decodeIndexAt + page * 2, true) * DECODE_STRIDE;
    return this.memory.getUint32(decoded + ((ram & 0xffe) >>> 1) * SLOT_SIZE, true) !== 0;
  }

  private plan(hart: number, basePage: number, origin: Origin): Planned | undefined {
    const limits = this.options.limits ?? (origin.growth > 0 ? GROWN_LIMITS : DEFAULT_LIMITS);
    const region = discover(this.source(hart, basePage, origin), origin.roots, limits);
    if (!region) return undefined;
    const pages = new Map(region.pages.map((p) => [p.delta, p.ram]));
    const ramOf = (at: number): number => pages.get(at >> 12)! + (at & 0xfff);
    const address = BigInt.asUintN(64, origin.base + BigInt(origin.roots[0])).toString(16);
    const translation = translate(region, `guest ${address}`, {
      compressed: (this.extensions & (1 << EXTENSIONS.indexOf('c'))) !== 0,
      stays: (at) => this.common.has(ramOf(at)),
    });
    return { region, translation, ramOf, origin, basePage, entryRams: new Set(translation.entries.map((e) => ramOf(e.at))) };
  }

  private install(planned: readonly Planned[]): void {
    if (planned.length === 0) return;
    const bytes = this.encoder.encode(planned.map((p) => p.translation.body));
    const functions = this.host.instantiate(bytes as Uint8Array<ArrayBuffer>);
    this.made.modules++;
    this.made.bytes += bytes.length;
    planned.forEach(({ region, translation, ramOf, origin, basePage }, i) => {
      const instructions = region.blocks.reduce((n, b) => n + b.code.length, 0);
      this.made.regions++;
      this.made.instructions += instructions;
      this.cache.add({
        name: translation.body.name, code: functions[i], entries: translation.entries, ramOf, origin, basePage, ranges: codeRanges(region),
        instructions, bytes: translation.body.code.length,
      });
    });
  }
}
