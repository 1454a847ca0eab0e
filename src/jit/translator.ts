import { decode, isLong, type Decoded } from '../isa/decode.ts';
import { EXTENSIONS } from '../isa/instruction.ts';
import { DECODE_AT, DECODE_STRIDE, MACHINE, MACHINE_AT, PAGE_FLAG, RAM_AT, SLOT_SIZE, ramTables } from '../isa/layout.ts';
import { HELPER_IMPORTS, REGION_SIGNATURE } from './abi.ts';
import { HEAT_AT, HEAT_COUNTERS, QUEUE_AT, QUEUE_COUNT_AT, REQUEST, REQUEST_SIZE } from './area.ts';
import type { CodeCache } from './code-cache.ts';
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
}

interface Planned {
  readonly region: Region;
  readonly translation: Translation;
  readonly ramOf: (at: number) => number;
  readonly root: number;
}

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
    const seen = new Set<number>();
    for (let i = 0; i < count; i++) {
      const at = QUEUE_AT + i * REQUEST_SIZE;
      const ram = (this.memory.getUint32(at + REQUEST.key, true) & ~1) >>> 0;
      this.made.requests++;
      if (seen.has(ram) || this.cache.has(ram) || this.refused.has(ram)) continue;
      seen.add(ram);
      const plan = this.plan({
        ram, hart: this.memory.getUint32(at + REQUEST.hart, true), va: this.memory.getBigUint64(at + REQUEST.va, true),
        prv: this.memory.getUint32(at + REQUEST.prv, true),
      });
      if (plan) planned.push(plan);
      else this.refused.add(ram);
    }
    this.install(planned);
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

  /** Guest code around a request. Its base is the page of the request. */
  private source({ ram, hart, va, prv }: Request): CodeSource {
    const base = va & ~0xfffn;
    return {
      page: (delta) => {
        if (delta === 0) return (ram & ~0xfff) >>> 0;
        const at = BigInt.asUintN(64, base + BigInt(delta) * 4096n);
        const page = this.host.codePage(hart, Number(at & 0xffff_ffffn), Number(at >> 32n), prv);
        return page === -1 ? -1 : page >>> 0;
      },
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

  private plan(request: Request): Planned | undefined {
    const region = discover(this.source(request), [Number(request.va & 0xfffn)], this.options.limits ?? DEFAULT_LIMITS);
    if (!region) return undefined;
    const pages = new Map(region.pages.map((p) => [p.delta, p.ram]));
    const ramOf = (at: number): number => pages.get(at >> 12)! + (at & 0xfff);
    const translation = translate(region, `guest ${request.va.toString(16)}`, {
      compressed: (this.extensions & (1 << EXTENSIONS.indexOf('c'))) !== 0,
      stays: (at) => this.common.has(ramOf(at)),
    });
    return { region, translation, ramOf, root: request.ram };
  }

  private install(planned: readonly Planned[]): void {
    if (planned.length === 0) return;
    const bytes = this.encoder.encode(planned.map((p) => p.translation.body));
    const functions = this.host.instantiate(bytes as Uint8Array<ArrayBuffer>);
    this.made.modules++;
    this.made.bytes += bytes.length;
    planned.forEach(({ region, translation, ramOf, root }, i) => {
      const instructions = region.blocks.reduce((n, b) => n + b.code.length, 0);
      this.made.regions++;
      this.made.instructions += instructions;
      this.cache.add({
        name: translation.body.name, code: functions[i], entries: translation.entries, ramOf, roots: [root], ranges: codeRanges(region),
        instructions, bytes: translation.body.code.length,
      });
    });
  }
}
