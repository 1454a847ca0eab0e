import { extensionBit } from '../isa/decode.ts';
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
  EXECUTED_AT,
  EXECUTED_SIZE,
  HOTNESS_AT,
  HOTNESS_BITS,
  HOTNESS_COUNTERS,
  hotnessAt,
  KERNEL_ROUNDS,
  LINK_BITS,
  LINK_NEVER,
  LINKS_AT,
  linkIndex,
  NEW_CODE_AT,
  NEW_CODE_COUNT_AT,
  QUEUE_AT,
  QUEUE_COUNT_AT,
  REQUEST,
  REQUEST_SIZE,
  SLOT_ENTRY,
} from './area.ts';
import { SLOW_PATH } from './bases.ts';
import type { CachedRegion, CodeCache } from './code-cache.ts';
import { CodePageList } from './code-pages.ts';
import {
  type CompiledRegion,
  type CompileResult,
  type CompileTask,
  type RegionCompiler,
  type RegionTask,
  translateTask,
} from './compile.ts';
import { DEFAULT_LIMITS, type RegionLimits } from './discover.ts';
import { dumpRegion } from './dump.ts';
import { keyOf } from './entry-table.ts';
import { fresh, type Job, Planner, type RegionLookup, type Request, type TransitionCosts } from './growth.ts';
import { ObservedCode } from './observed.ts';
import type { RegionPage } from './region.ts';
import type { RememberedCode, RememberedRegion } from './remembered.ts';

/** What the translator asks of the core. */
export interface TranslatorHost {
  codePage(hart: number, low: number, high: number, prv: number): number;
  /** Notes in EXECUTED which instructions of a RAM page have been executed. */
  executedCode(page: number): void;
  /** Hash of the page of RAM at an offset. */
  hashPage(ram: number): number;
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
  /** What was hot in earlier runs, as far as it is to be used by now. */
  readonly remembered: () => RememberedCode | undefined;
}

/** A region that is to be made, and what its base's code was then. */
interface Planned {
  readonly job: Job;
  readonly task: RegionTask;
  readonly word: number;
  /** RAM offsets of its roots. */
  readonly roots: readonly number[];
}

/**
 * An instruction of the kernel that leaves so many thousand times has its region translated again with a call of a helper there; those of user
 * programs, whose data outgrow the TLB, have one at once.
 */
const REPORTS_FOR_CALL = 3;
/** One that leaves so often with a helper gets a probe of its own: where it goes, other accesses often are on another page. */
const REPORTS_FOR_UNSHARED = 3;

/** Limits of regions that are translated again to take in more. */
const GROWN_LIMITS: RegionLimits = { ...DEFAULT_LIMITS, instructions: 1500, pages: 16 };

/** A region may reach so many pages beyond those of its roots, */
const AROUND = 2;
/** and is shown so many at most. */
const MAX_PAGES = 32;

/** Turns the requests in the queue into regions of the cache: one module a batch. */
export class Translator implements RegionLookup {
  private readonly memory: DataView;
  private readonly host: TranslatorHost;
  private readonly cache: CodeCache;
  private readonly options: TranslatorOptions;
  private readonly planner: Planner;
  private readonly flagsAt: number;
  private readonly decodeIndexAt: number;
  private readonly extensions: number;
  private readonly reportsForCall: number;
  /** RAM offsets that cannot be translated as they are. */
  private readonly refused = new Set<number>();
  /** Instructions whose slow path is taken often, by page and RAM offset: how often that was reported. */
  private readonly slowPaths = new Map<number, Map<number, number>>();
  /** Places of pages that a debugger looks at. */
  private readonly places = new Set<number>();
  private readonly observed: ObservedCode;
  /** How often code at a RAM page had to be dropped. */
  private readonly drops = new Map<number, number>();
  /** What another thread compiles, by the tasks' numbers; code that it serves, and regions that it will replace. */
  private readonly pending = new Map<number, readonly Planned[]>();
  private readonly served = new Set<number>();
  private readonly replaced = new Set<CachedRegion>();
  private nextTask = 1;
  private stopped = false;
  /** Functions made, modules, bytes of modules, and guest instructions translated. */
  readonly made = { regions: 0, recalled: 0, modules: 0, bytes: 0, instructions: 0, requests: 0 };

  constructor(memory: WebAssembly.Memory, host: TranslatorHost, cache: CodeCache, options: TranslatorOptions) {
    this.memory = new DataView(memory.buffer);
    this.observed = new ObservedCode(memory);
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
    const jobs = this.asRemembered(this.planner.plan(requests, (r) => this.unlink(r)));
    // a function's beginning before the places in it that calls return to: the region from there holds them, too. In user programs, what is
    // asked for stays a root: it may move into another region
    jobs.sort((a, b) => (a.base === b.base ? a.roots[0] - b.roots[0] : a.base < b.base ? -1 : 1));
    this.make(jobs);
  }

  /** Looks at the pages that code was executed on for the first time: what was hot there in an earlier run is at once. */
  recall(threshold: number): void {
    const remembered = this.options.remembered();
    const count = this.memory.getUint32(NEW_CODE_COUNT_AT, true);
    this.memory.setUint32(NEW_CODE_COUNT_AT, 0, true);
    for (let i = 0; i < count; i++) {
      const ram = this.memory.getUint32(NEW_CODE_AT + i * 4, true) * 4096;
      for (const { roots, kernel } of remembered?.regions(this.host.hashPage(ram)) ?? []) {
        for (const root of roots) {
          const slot = root >= 0 && root < 4096 ? this.slotOf(ram + root) : 0;
          if (slot === 0) continue;
          const rounds = kernel ? KERNEL_ROUNDS - 1 : 0;
          this.memory.setUint16(hotnessAt(slot), (rounds << HOTNESS_BITS) | threshold, true);
        }
      }
    }
  }

  /** New regions as an earlier run had them. */
  private asRemembered(jobs: readonly Job[]): Job[] {
    const remembered = this.options.remembered();
    if (!remembered) return [...jobs];
    const result: Job[] = [];
    const first = new Map<RememberedRegion, number>();
    for (const job of jobs) {
      const region =
        job.replaces.length > 0
          ? undefined
          : remembered.regionAt(this.host.hashPage(job.basePage), job.roots[0], job.prv !== 0);
      const same = region && first.get(region);
      if (!region) result.push(job);
      else if (same !== undefined && result[same].base === job.base)
        result[same] = { ...result[same], serves: [...result[same].serves, ...job.serves] };
      else {
        this.made.recalled++;
        first.set(region, result.push(this.recalled(job, region)) - 1);
      }
    }
    return result;
  }

  /** A job as a region of an earlier run was, as far as its pages are there and hold the same. */
  private recalled(job: Job, { roots, pages, growth, inside }: RememberedRegion): Job {
    const [root] = job.roots;
    const same = new Map([[0, true]]);
    const isSame = (delta: number): boolean => {
      let known = same.get(delta);
      if (known === undefined) {
        const ram = this.codePage(job.hart, job.base + BigInt(delta) * 4096n, job.prv);
        same.set(delta, (known = ram >= 0 && this.host.hashPage(ram) === pages.get(delta)));
      }
      return known;
    };
    return { ...job, roots: [root, ...roots.filter((r) => r !== root && isSame(r >> 12))], growth, inside };
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

  /** The slow path of the instruction at a RAM offset, executed at `va`, is taken often: its regions are translated again, with the helper. */
  slowPathIsHot(hart: number, ram: number, va: bigint): void {
    if (this.stopped) return;
    let reported = this.slowPaths.get(ram >>> 12);
    if (!reported) this.slowPaths.set(ram >>> 12, (reported = new Map()));
    const reports = (reported.get(ram) ?? 0) + 1;
    reported.set(ram, reports);
    if (reports !== this.reportsForCall && reports !== REPORTS_FOR_UNSHARED) return;
    const jobs: Job[] = [];
    const regions = [...this.cache.onPage(ram >>> 12)].filter((region) =>
      region.ranges.some((r) => r.start <= ram && r.end > ram),
    );
    // the next report is this one again: what replaces it was planned before
    if (regions.some((region) => this.replaced.has(region))) reported.set(ram, reports - 1);
    for (const region of regions) {
      if (this.replaced.has(region)) continue;
      const page = region.mapped.find((p) => p.ram === (ram & ~0xfff) >>> 0);
      if (page) this.move(region, (va & ~0xfffn) - BigInt(page.delta) * 4096n, hart);
      if (this.inPlace(region, hart))
        jobs.push({ ...region.origin, hart, basePage: region.basePage, replaces: [region], serves: [] });
      else this.cache.drop(region);
    }
    this.make(jobs);
  }

  /** Bytes of RAM that translated code was made from changed. */
  changed(offset: number, length: number): void {
    if (length === 0) return;
    const page = offset >>> 12;
    if (this.cache.changed(offset, length) > 0) this.drops.set(page, (this.drops.get(page) ?? 0) + 1);
    const reported = this.slowPaths.get(page);
    for (let at = offset & ~1; at < offset + length; at += 2) {
      this.refused.delete(at);
      reported?.delete(at);
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

  private word(ram: number): number {
    return this.memory.getUint32(RAM_AT + ram, true);
  }

  /** A copy of a page, and of what the interpreter has decoded there: it does so when it comes by. */
  private copy(ram: number): readonly [Uint8Array, Uint8Array] {
    this.host.executedCode(ram >>> 12);
    const bytes = (at: number, length: number): Uint8Array => new Uint8Array(this.memory.buffer, at, length);
    const executed = bytes(EXECUTED_AT, EXECUTED_SIZE).slice();
    const remembered = this.options.remembered();
    const before = remembered?.executed(this.host.hashPage(ram));
    before?.forEach((b, i) => (executed[i] |= b));
    return [bytes(RAM_AT + ram, 4096), executed];
  }

  /** Whether code of the page is worth a look: it was executed, now or in an earlier run. */
  private isUsed(ram: number): boolean {
    return this.isDecoded(ram) || this.options.remembered()?.has(this.host.hashPage(ram)) === true;
  }

  private isDecoded(ram: number): boolean {
    return (this.memory.getUint8(this.flagsAt + (ram >>> 12)) & PAGE_FLAG.DECODED) !== 0;
  }

  /** The pages around a job's roots that may hold code of its region. */
  private pagesOf({ hart, base, basePage, prv, roots }: Job): RegionPage[] {
    const pages = new Map<number, number>([[0, basePage]]);
    for (const root of roots) {
      const middle = root >> 12;
      for (let delta = middle - AROUND; delta <= middle + AROUND && pages.size < MAX_PAGES; delta++) {
        if (pages.has(delta)) continue;
        const ram = this.codePage(hart, base + BigInt(delta) * 4096n, prv);
        // an instruction may reach into the next
        if (ram >= 0 && (delta === middle || delta === middle + 1 || this.options.unexecuted || this.isUsed(ram)))
          pages.set(delta, ram);
      }
    }
    return [...pages].map(([delta, ram]) => ({ delta, ram }));
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

  private plan(job: Job): Planned {
    const address = BigInt.asUintN(64, job.base + BigInt(job.roots[0])).toString(16);
    const task: RegionTask = {
      name: `guest ${address}`,
      roots: job.roots,
      mapped: this.pagesOf(job),
      limits: this.options.limits ?? (job.growth > 0 ? GROWN_LIMITS : DEFAULT_LIMITS),
      unless: job.prv !== 0 && job.replaces.length === 0 ? job.serves.map((r) => r.ram) : [],
      options: {
        compressed: (this.extensions & extensionBit('c')) !== 0,
        float: (this.extensions & extensionBit('f')) !== 0,
        inside: job.inside,
        through: job.growth > 0 ? 'never' : job.prv === 0 ? 'without-loops' : 'always',
      },
      slowPath: job.prv === 0 ? SLOW_PATH.CALL : SLOW_PATH.LEAVE,
    };
    const pages = new Map(task.mapped.map(({ delta, ram }) => [delta, ram]));
    const roots = job.roots.flatMap((r) => {
      const ram = pages.get(r >> 12);
      return ram === undefined ? [] : [ram + (r & 0xfff)];
    });
    return { job, task, roots, word: this.word(job.basePage + (job.roots[0] & 0xfff)) };
  }

  /** How accesses on these pages take their slow paths, for {@link CompileTask}. */
  private slowPathsOn(pages: readonly number[]): number[] {
    const found: number[] = [];
    const add = (reports: number, ram: number): void => {
      if (reports >= this.reportsForCall)
        found.push(ram, reports < REPORTS_FOR_UNSHARED ? SLOW_PATH.CALL : SLOW_PATH.CALL_UNSHARED);
    };
    for (const page of pages) this.slowPaths.get(page >>> 12)?.forEach(add);
    return found;
  }

  /** Has regions made: on another thread, where there is one, else here and now. */
  private make(jobs: readonly Job[]): void {
    if (jobs.length === 0) return;
    const planned = jobs.map((job) => this.plan(job));
    const list = new CodePageList();
    for (const { task } of planned) for (const { ram } of task.mapped) list.add(ram, () => this.copy(ram));
    const pages = list.finish();
    const task: CompileTask = {
      id: this.nextTask++,
      extensions: this.extensions,
      unexecuted: this.options.unexecuted === true,
      places: [...this.places],
      observed: pages.ram.flatMap((ram) => this.observed.within(ram, ram + 4096)),
      pages,
      slowPaths: this.slowPathsOn(pages.ram),
      regions: planned.map((p) => p.task),
    };
    const { compiler, inspect } = this.options;
    if (compiler && !inspect && compiler.submit(task)) {
      this.pending.set(task.id, planned);
      for (const { job, roots } of planned) {
        for (const r of job.replaces) this.replaced.add(r);
        for (const ram of roots) this.served.add(ram);
      }
      return;
    }
    this.publish(
      planned,
      translateTask(
        task,
        inspect &&
          ((made, region, { body }, word) => {
            const { base } = planned[task.regions.indexOf(made)].job;
            inspect(dumpRegion(region, body, base, word));
          }),
      ),
    );
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
      for (const { job, roots } of planned) {
        for (const r of job.replaces) this.replaced.delete(r);
        for (const ram of roots) this.served.delete(ram);
      }
      if (!this.stopped) this.publish(planned, result);
    }
  }

  private forgetPending(): void {
    this.pending.clear();
    this.served.clear();
    this.replaced.clear();
  }

  /** Whether the code that a region was made of is still there. */
  private isCurrent({ ranges, code, probed }: CompiledRegion): boolean {
    const ram = new Uint8Array(this.memory.buffer, RAM_AT);
    let n = 0;
    let observed = 0;
    for (let i = 0; i < ranges.length; i += 2)
      observed += this.observed.within(ranges[i] >>> 0, ranges[i + 1] >>> 0).length;
    // Debug points that it knows nothing of have come.
    if (observed > probed) return false;
    for (let i = 0; i < ranges.length; i += 2)
      for (let at = ranges[i] >>> 0; at < ranges[i + 1] >>> 0; at++) if (ram[at] !== code[n++]) return false;
    return true;
  }

  private publish(planned: readonly Planned[], { module, size, regions }: Omit<CompileResult, 'id'>): void {
    const again: Job[] = [];
    let functions: CallableFunction[] | undefined;
    let next = 0;
    for (const [i, { job, word }] of planned.entries()) {
      const region = regions[i];
      if (region === 'held') continue;
      if (region === 'refused') {
        // what it was to serve becomes regions of their own; code that has changed since is counted again
        if (job.replaces.length > 0) again.push(...job.serves.map(fresh));
        else if (this.word(job.basePage + (job.roots[0] & 0xfff)) === word)
          for (const r of job.serves) this.refused.add(r.ram);
        continue;
      }
      if (!functions) {
        functions = this.host.instantiate(module);
        if (!functions) {
          this.stopped = true;
          return;
        }
        this.made.modules++;
        this.made.bytes += size;
      }
      const code = functions[next++];
      if (this.isCurrent(region)) again.push(...this.add(job, region, code));
    }
    this.make(again);
  }

  /** Takes a region into use. @returns what it was to serve and does not */
  private add(job: Job, region: CompiledRegion, code: CallableFunction): Job[] {
    for (const old of job.replaces) this.cache.drop(old);
    this.made.regions++;
    this.made.instructions += region.instructions;
    const pages = new Map(region.mapped.map((p) => [p.delta, p.ram]));
    const ranges: { start: number; end: number }[] = [];
    for (let i = 0; i < region.ranges.length; i += 2)
      ranges.push({ start: region.ranges[i] >>> 0, end: region.ranges[i + 1] >>> 0 });
    const added = this.cache.add({
      name: region.name,
      code,
      entries: region.entries,
      ramOf: (at) => pages.get(at >> 12)! + (at & 0xfff),
      origin: job,
      basePage: job.basePage,
      ranges,
      mapped: region.mapped,
      instructions: region.instructions,
      bytes: region.bytes,
    });
    for (const ram of added.entries) this.markEntry(ram);
    // only how it deals with rare cases has changed
    if (job.replaces.length === 1 && job.growth === job.replaces[0].origin.growth)
      this.planner.replaced(job.replaces[0], added);
    return job.replaces.length === 0 ? [] : job.serves.filter((r) => !added.entries.includes(r.ram)).map(fresh);
  }
}
