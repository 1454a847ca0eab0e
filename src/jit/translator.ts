import { type Decoded, decode, extensionBit, isLong } from '../isa/decode.ts';
import {
  DECODE_AT,
  DECODE_STRIDE,
  MACHINE,
  MACHINE_AT,
  PAGE_FLAG,
  RAM_AT,
  ramTables,
  SLOT_SIZE,
} from '../isa/layout.ts';
import {
  HOTNESS_AT,
  HOTNESS_COUNTERS,
  LINK_BITS,
  LINK_NEVER,
  LINKS_AT,
  linkIndex,
  QUEUE_AT,
  QUEUE_COUNT_AT,
  REQUEST,
  REQUEST_SIZE,
  SLOT_ENTRY,
} from './area.ts';
import { SLOW_PATH, type SlowPath } from './bases.ts';
import type { CachedRegion, CodeCache } from './code-cache.ts';
import {
  type CompileResult,
  packRegion,
  type RegionCompiler,
  type RegionPlan,
  type RegionTask,
  regionEncoder,
  regionWords,
  translateRegion,
} from './compile.ts';
import { type CodeSource, DEFAULT_LIMITS, discover, type RegionLimits } from './discover.ts';
import { dumpRegion } from './dump.ts';
import { keyOf } from './entry-table.ts';
import { fresh, type Job, Planner, type RegionLookup, type Request, type TransitionCosts } from './growth.ts';
import { type CodeRegion, codeRanges } from './region.ts';
import type { ModuleEncoder } from './wasm-module.ts';

/** What the translator asks of the core. */
export interface TranslatorHost {
  codePage(hart: number, low: number, high: number, prv: number): number;
  /** Makes functions of a module; undefined: the runtime refuses to, and nothing more is translated. */
  instantiate(module: CompileResult['module']): CallableFunction[] | undefined;
}

export interface TranslatorOptions {
  /** Translate code that has not been executed yet, too. */
  readonly unexecuted?: boolean;
  readonly limits?: RegionLimits;
  readonly costs: TransitionCosts;
  /** Called with each region that is made, as text for people. */
  readonly inspect?: (text: string) => void;
  /** Another thread that compiles. */
  readonly compiler?: RegionCompiler;
}

/** A region that is to be made. */
interface Planned {
  readonly region: CodeRegion;
  readonly name: string;
  readonly plan: RegionPlan;
  /** Words of its instructions, block by block. */
  readonly words: Uint32Array;
  readonly ramOf: (at: number) => number;
  readonly job: Job;
  /** RAM offsets it can be entered at. */
  readonly entryRams: ReadonlySet<number>;
}

/**
 * An instruction of the kernel that leaves so many thousand times has its region translated again with a call of a helper there; those of user
 * programs, whose data outgrow the TLB, have one at once.
 */
const REPORTS_FOR_CALL = 3;
/** One that leaves so often with a helper gets a probe of its own: where it goes, other accesses often are on another page. */
const REPORTS_FOR_UNSHARED = 3;

/** Limits of regions that are translated again to take in more. */
const GROWN_LIMITS: RegionLimits = { ...DEFAULT_LIMITS, instructions: 1500, pages: 8 };

/** Turns the requests in the queue into regions of the cache: one module a batch. */
export class Translator implements RegionLookup {
  private readonly memory: DataView;
  private readonly host: TranslatorHost;
  private readonly cache: CodeCache;
  private readonly options: TranslatorOptions;
  private readonly encoder: ModuleEncoder;
  private readonly planner: Planner;
  private readonly flagsAt: number;
  private readonly decodeIndexAt: number;
  private readonly extensions: number;
  private readonly reportsForCall: number;
  /** RAM offsets that cannot be translated as they are. */
  private readonly refused = new Set<number>();
  /** RAM offsets of instructions whose slow path is taken often: how often that was reported. */
  private readonly slowPaths = new Map<number, number>();
  /** Places of pages that a debugger looks at. */
  private readonly places = new Set<number>();
  /** How often code at a RAM page had to be dropped. */
  private readonly drops = new Map<number, number>();
  /** What another thread compiles, by the tasks' numbers; code that it serves, and regions that it will replace. */
  private readonly pending = new Map<number, readonly Planned[]>();
  private readonly served = new Set<number>();
  private readonly replaced = new Set<CachedRegion>();
  private nextTask = 1;
  private stopped = false;
  /** Functions made, modules, bytes of modules, and guest instructions translated. */
  readonly made = { regions: 0, modules: 0, bytes: 0, instructions: 0, requests: 0 };

  constructor(memory: WebAssembly.Memory, host: TranslatorHost, cache: CodeCache, options: TranslatorOptions) {
    this.memory = new DataView(memory.buffer);
    this.host = host;
    this.cache = cache;
    this.options = options;
    this.planner = new Planner(this, options.costs);
    const ramSize = Number(this.memory.getBigUint64(MACHINE_AT + MACHINE.ramSize, true));
    this.extensions = Number(this.memory.getBigUint64(MACHINE_AT + MACHINE.extensions, true));
    const tables = ramTables(ramSize);
    this.flagsAt = tables.flags;
    this.decodeIndexAt = tables.decodeIndex;
    this.reportsForCall = options.unexecuted ? 1 : REPORTS_FOR_CALL;
    this.encoder = regionEncoder();
  }

  /** Translates what waits. */
  translateQueue(): void {
    if (this.stopped) return;
    const count = this.memory.getUint32(QUEUE_COUNT_AT, true);
    const requests: Request[] = [];
    const seen = new Set<string>();
    for (let i = 0; i < count; i++) {
      const request = this.request(QUEUE_AT + i * REQUEST_SIZE);
      this.made.requests++;
      const key = `${request.ram} ${request.from}`;
      if (seen.has(key) || this.refused.has(request.ram) || this.served.has(request.ram)) continue;
      seen.add(key);
      requests.push(request);
    }
    const planned: Planned[] = [];
    const jobs = this.planner.plan(requests, (r) => this.unlink(r));
    // a function's beginning before the places in it that calls return to: the region from there holds them, too. In user programs, what is
    // asked for stays a root: it may move into another region
    jobs.sort((a, b) => (a.base === b.base ? a.roots[0] - b.roots[0] : a.base < b.base ? -1 : 1));
    for (const job of jobs) {
      const held =
        job.prv !== 0 &&
        job.replaces.length === 0 &&
        job.serves.every(({ ram }) => planned.some((p) => p.entryRams.has(ram)));
      if (!held) this.take(job, planned);
    }
    this.make(planned);
  }

  /** The two regions of a request stay two: it is not made again. */
  private unlink({ from, ram }: Request): void {
    this.memory.setUint16(LINKS_AT + linkIndex(keyOf(from), keyOf(ram)) * 2, LINK_NEVER, true);
  }

  /** See {@link RegionLookup}. */
  has(region: CachedRegion): boolean {
    return this.cache.holds(region);
  }

  /** See {@link RegionLookup}. */
  entered(ram: number): CachedRegion | undefined {
    return this.cache.entered(ram);
  }

  /** See {@link RegionLookup}. */
  runsAt(region: CachedRegion, ram: number, va: bigint, hart: number): void {
    const offset = this.cache.offsetOf(ram);
    if (offset !== undefined) this.move(region, va - BigInt(offset), hart);
  }

  /** Notes where a region is mapped now: the programs of one file have it at different addresses. */
  private move(region: CachedRegion, at: bigint, hart: number): void {
    const { origin } = region;
    const base = BigInt.asUintN(64, at);
    if (base !== origin.base && this.codePage(hart, base, origin.prv) === region.basePage)
      region.origin = { ...origin, base };
  }

  /** See {@link RegionLookup}. */
  isReplaced(region: CachedRegion): boolean {
    return this.replaced.has(region);
  }

  /** See {@link RegionLookup}. */
  inPlace(region: CachedRegion, hart: number): boolean {
    return this.codePage(hart, region.origin.base, region.origin.prv) === region.basePage;
  }

  private request(at: number): Request {
    const { memory } = this;
    return {
      ram: (memory.getUint32(at + REQUEST.key, true) & ~1) >>> 0,
      hart: memory.getUint32(at + REQUEST.hart, true),
      va: memory.getBigUint64(at + REQUEST.va, true),
      fromVa: memory.getBigUint64(at + REQUEST.fromVa, true),
      prv: memory.getUint32(at + REQUEST.prv, true),
      from: (memory.getUint32(at + REQUEST.from, true) & ~1) >>> 0,
    };
  }

  /** Translates a job; what it was to serve but does not becomes a region of its own. */
  private take(job: Job, planned: Planned[]): void {
    const plan = this.plan(job);
    if (!plan) {
      if (job.replaces.length === 0) for (const r of job.serves) this.refused.add(r.ram);
      else for (const r of job.serves) this.take(fresh(r), planned);
      return;
    }
    planned.push(plan);
    if (job.replaces.length === 0) return;
    for (const r of job.serves) if (!plan.entryRams.has(r.ram)) this.take(fresh(r), planned);
  }

  /** The slow path of the instruction at a RAM offset, executed at `va`, is taken often: its regions are translated again, with the helper. */
  slowPathIsHot(hart: number, ram: number, va: bigint): void {
    if (this.stopped) return;
    const reports = (this.slowPaths.get(ram) ?? 0) + 1;
    this.slowPaths.set(ram, reports);
    if (reports !== this.reportsForCall && reports !== REPORTS_FOR_UNSHARED) return;
    const planned: Planned[] = [];
    const regions = [...this.cache.onPage(ram >>> 12)].filter((region) =>
      region.ranges.some((r) => r.start <= ram && r.end > ram),
    );
    // the next report is this one again: what replaces it was planned before
    if (regions.some((region) => this.replaced.has(region))) this.slowPaths.set(ram, reports - 1);
    for (const region of regions) {
      if (this.replaced.has(region)) continue;
      const page = region.mapped.find((p) => p.ram === (ram & ~0xfff) >>> 0);
      if (page) this.move(region, (va & ~0xfffn) - BigInt(page.delta) * 4096n, hart);
      if (this.inPlace(region, hart))
        this.take({ ...region.origin, hart, basePage: region.basePage, replaces: [region], serves: [] }, planned);
      else this.cache.drop(region);
    }
    this.make(planned);
  }

  /** Bytes of RAM that translated code was made from changed. */
  changed(offset: number, length: number): void {
    if (length === 0) return;
    const page = offset >>> 12;
    if (this.cache.changed(offset, length) > 0) this.drops.set(page, (this.drops.get(page) ?? 0) + 1);
    for (let at = offset & ~1; at < offset + length; at += 2) {
      this.refused.delete(at);
      this.slowPaths.delete(at);
    }
  }

  /** MACHINE.places changed: code that goes over one of them stops there from now on. */
  observe(): void {
    this.places.clear();
    const count = this.memory.getUint32(MACHINE_AT + MACHINE.placeCount, true);
    for (let i = 0; i < count; i++) this.places.add(this.memory.getUint16(MACHINE_AT + MACHINE.places + i * 2, true));
    this.refused.clear();
    this.forgetPending();
    for (const region of [...this.cache.values()]) {
      const over = region.ranges.some(({ start, end }) => {
        for (let at = start; at < end; at += 2) if (this.places.has(at & 0xfff)) return true;
        return false;
      });
      if (over) this.cache.drop(region);
    }
  }

  /** Forgets what was learnt of the code. */
  clear(): void {
    this.refused.clear();
    this.slowPaths.clear();
    this.forgetPending();
    this.drops.clear();
    this.planner.clear();
    new Uint8Array(this.memory.buffer, HOTNESS_AT, HOTNESS_COUNTERS * 2).fill(0);
    new Uint8Array(this.memory.buffer, LINKS_AT, 2 * 2 ** LINK_BITS).fill(0);
    this.memory.setUint32(QUEUE_COUNT_AT, 0, true);
  }

  private codePage(hart: number, va: bigint, prv: number): number {
    const at = BigInt.asUintN(64, va);
    const page = this.host.codePage(hart, Number(at & 0xffff_ffffn), Number(at >> 32n), prv);
    return page === -1 ? -1 : page >>> 0;
  }

  /** Guest code around a base whose physical page is known. */
  private source({ hart, basePage, base, prv }: Job): CodeSource {
    return {
      page: (delta) => (delta === 0 ? basePage : this.codePage(hart, base + BigInt(delta) * 4096n, prv)),
      decode: (first, second) => this.decodeAt(first, second),
      executed: (at) => this.options.unexecuted === true || this.wasExecuted(at),
      observed: (at) => this.places.has(at & 0xfff),
    };
  }

  /** The 32 bits at an offset; a region holds both halves of its instructions only. */
  private word(ramOf: (at: number) => number, at: number): number {
    const low = this.memory.getUint16(RAM_AT + ramOf(at), true);
    return (isLong(low) ? low | (this.memory.getUint16(RAM_AT + ramOf(at + 2), true) << 16) : low) >>> 0;
  }

  private decodeAt(first: number, second: number): Decoded | undefined {
    const low = this.memory.getUint16(RAM_AT + first, true);
    if (!isLong(low)) return decode(low, this.extensions);
    if (second < 0) return undefined;
    return decode(low | (this.memory.getUint16(RAM_AT + second, true) << 16), this.extensions);
  }

  /** Whether the interpreter has decoded the instruction there: it does so when it comes by. */
  private wasExecuted(ram: number): boolean {
    const slot = this.slotOf(ram);
    return slot !== 0 && this.memory.getUint32(slot, true) !== 0;
  }

  /** The decoded slot of a RAM offset, 0 when its page has none. */
  private slotOf(ram: number): number {
    const page = ram >>> 12;
    if ((this.memory.getUint8(this.flagsAt + page) & PAGE_FLAG.DECODED) === 0) return 0;
    const decoded = DECODE_AT + this.memory.getUint16(this.decodeIndexAt + page * 2, true) * DECODE_STRIDE;
    return decoded + ((ram & 0xffe) >>> 1) * SLOT_SIZE;
  }

  /** Has the interpreter look for a region whenever it jumps there. */
  private markEntry(ram: number): void {
    const slot = this.slotOf(ram);
    const word = slot === 0 ? 0 : this.memory.getUint32(slot, true);
    if (word !== 0) this.memory.setUint32(slot, word | SLOT_ENTRY, true);
  }

  private plan(job: Job): Planned | undefined {
    const limits = this.options.limits ?? (job.growth > 0 ? GROWN_LIMITS : DEFAULT_LIMITS);
    const region = discover(this.source(job), job.roots, limits);
    if (!region) return undefined;
    const pages = new Map(region.pages.map((p) => [p.delta, p.ram]));
    const ramOf = (at: number): number => pages.get(at >> 12)! + (at & 0xfff);
    const address = BigInt.asUintN(64, job.base + BigInt(job.roots[0])).toString(16);
    const slowPaths = new Map<number, SlowPath>();
    for (const block of region.blocks) {
      for (const { at } of block.code) {
        const reports = this.slowPaths.get(ramOf(at)) ?? 0;
        if (job.prv === 0 || reports >= this.reportsForCall)
          slowPaths.set(at, reports < REPORTS_FOR_UNSHARED ? SLOW_PATH.CALL : SLOW_PATH.CALL_UNSHARED);
      }
    }
    return {
      region,
      name: `guest ${address}`,
      plan: {
        compressed: (this.extensions & extensionBit('c')) !== 0,
        float: (this.extensions & extensionBit('f')) !== 0,
        slowPaths,
        inside: job.inside,
        through: job.prv !== 0 && job.growth === 0,
      },
      words: regionWords(region, (at) => this.word(ramOf, at)),
      ramOf,
      job,
      entryRams: new Set(region.entries.map((b) => ramOf(region.blocks[b].start))),
    };
  }

  /** Has planned regions made: on another thread, where there is one, else here and now. */
  private make(planned: readonly Planned[]): void {
    if (planned.length === 0) return;
    const { compiler, inspect } = this.options;
    if (compiler && !inspect) {
      const id = this.nextTask++;
      const regions = planned.map(
        ({ region, name, plan, words }): RegionTask => ({ ...plan, name, region: packRegion(region, words) }),
      );
      if (compiler.submit({ id, extensions: this.extensions, regions })) {
        this.pending.set(id, planned);
        for (const { job } of planned) {
          for (const r of job.replaces) this.replaced.add(r);
          for (const { ram } of job.serves) this.served.add(ram);
        }
        return;
      }
    }
    const translations = planned.map((p) => translateRegion(p.region, p.name, p.plan));
    const bytes = this.encoder.encode(translations.map((t) => t.body)) as Uint8Array<ArrayBuffer>;
    if (inspect) {
      planned.forEach(({ region, job, ramOf }, i) => {
        inspect(dumpRegion(region, translations[i].body, job.base, (at) => this.word(ramOf, at)));
      });
    }
    this.publish(planned, {
      id: 0,
      module: bytes,
      size: bytes.length,
      regions: translations.map(({ body, entries }) => ({ name: body.name, entries, bytes: body.code.length })),
    });
  }

  /** Whether another thread may have finished something. */
  get awaits(): boolean {
    return this.pending.size > 0;
  }

  /** Takes over what another thread has finished. Call it between two runs. */
  receive(): void {
    for (const result of this.options.compiler?.finished() ?? []) {
      const planned = this.pending.get(result.id);
      // forgotten meanwhile
      if (!planned) continue;
      this.pending.delete(result.id);
      for (const { job } of planned) {
        for (const r of job.replaces) this.replaced.delete(r);
        for (const { ram } of job.serves) this.served.delete(ram);
      }
      if (!this.stopped) this.publish(planned, result);
    }
  }

  private forgetPending(): void {
    this.pending.clear();
    this.served.clear();
    this.replaced.clear();
  }

  /** Whether the code that a region was planned from is still there. */
  private isCurrent({ region, words, ramOf }: Planned): boolean {
    let n = 0;
    return region.blocks.every((block) => block.code.every(({ at }) => this.word(ramOf, at) === words[n++]));
  }

  private publish(planned: readonly Planned[], { module, size, regions }: CompileResult): void {
    const functions = this.host.instantiate(module);
    if (!functions) {
      this.stopped = true;
      return;
    }
    this.made.modules++;
    this.made.bytes += size;
    planned.forEach((p, i) => {
      const { region, ramOf, job } = p;
      if (!this.isCurrent(p)) return;
      for (const old of job.replaces) this.cache.drop(old);
      const instructions = region.blocks.reduce((n, b) => n + b.code.length, 0);
      this.made.regions++;
      this.made.instructions += instructions;
      const added = this.cache.add({
        name: regions[i].name,
        code: functions[i],
        entries: regions[i].entries,
        ramOf,
        origin: job,
        basePage: job.basePage,
        ranges: codeRanges(region),
        mapped: region.pages,
        instructions,
        bytes: regions[i].bytes,
      });
      for (const ram of added.entries) this.markEntry(ram);
      // only how it deals with rare cases has changed
      if (job.replaces.length === 1 && job.growth === job.replaces[0].origin.growth)
        this.planner.replaced(job.replaces[0], added);
    });
  }
}
