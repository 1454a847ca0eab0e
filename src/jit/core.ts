import type { Core, CoreHost } from '../core/core.ts';
import { type CoreExports, coreOver, instantiateCore } from '../core/wasm/core.ts';
import { JIT_CORE_WASM_BASE64 } from '../generated/jit-core-wasm.ts';
import { ACTIONS_AT, type Exit, MACHINE, MACHINE_AT, MAX_POINTS } from '../isa/layout.ts';
import { HELPERS, LEAVE } from './abi.ts';
import {
  BATCH_DELAY_AT,
  COUNT,
  COUNTS_AT,
  HOTNESS_MASK,
  LINK_MASK_AT,
  NEW_CODE_COUNT_AT,
  PAGE_HASH_AT,
  SAMPLE_STRIDE_AT,
  THRESHOLD_AT,
} from './area.ts';
import { CodeCache } from './code-cache.ts';
import type { RegionCompiler } from './compile.ts';
import type { RegionLimits } from './discover.ts';
import { RememberedCode, remember } from './remembered.ts';
import { Translator } from './translator.ts';

/** Ticks that a request may wait for others to share its module: a module costs more than a function in it. */
const BATCH_DELAY = 1_500_000;

/** Jumps to a place in a round of counting: a user program's is translated after one. */
const THRESHOLD = 8000;
/** The same where another thread translates. */
const THRESHOLD_ELSEWHERE = 2000;
const BATCH_DELAY_ELSEWHERE = 1_000_000;
/** One of so many transitions is looked at; a prime, so that no loop hides from it. */
const SAMPLE_STRIDE = 13;
/** Transitions between two regions that are reported together. */
const LINK = 512 * SAMPLE_STRIDE;
/** Transitions that cost what translating an instruction does: about 60 ns against 60 µs. */
const INSTRUCTION = 500;

/** What assembly/jit-index.ts exports besides the core's. */
interface JitExports extends CoreExports {
  readonly table: WebAssembly.Table;
  codePage(hart: number, low: number, high: number, prv: number): number;
  executedCode(page: number): void;
  forgetFunction(func: number): void;
  hashPage(page: number): void;
  markTranslated(page: number): void;
  unmarkTranslated(page: number): void;
}

/** Of what is remembered: a core or translator with other habits begins again. */
const VERSION = [...JIT_CORE_WASM_BASE64.slice(-4096)].reduce(
  (hash, c) => Math.imul(hash ^ c.charCodeAt(0), 0x01000193) >>> 0,
  JIT_CORE_WASM_BASE64.length ^ 1,
);

/** When and how much the translator translates. None of it can change what the guest sees. */
export interface JitOptions {
  /** Jumps to a place before it is translated, below 2^14. 0: at first execution. */
  readonly threshold?: number;
  /** Transitions between regions that translating an instruction again may cost. */
  readonly instruction?: number;
  /** Regions kept at most. */
  readonly regions?: number;
  readonly limits?: RegionLimits;
  /** A clock in milliseconds for statistics; without it compile time is not known. */
  readonly now?: () => number;
  /** Called with each region that is made: its guest code and the WebAssembly it became, as text. */
  readonly inspect?: (text: string) => void;
  /** In place of the runtime's compiler. May throw: then the machine goes on interpreting. */
  readonly compile?: (bytes: Uint8Array<ArrayBuffer>) => WebAssembly.Module;
  /** What {@link JitCore.remember} gave in an earlier run. Anything that does not fit is ignored. */
  readonly remembered?: Uint8Array;
  /** Ticks after which what is remembered is used: a run that is over sooner does not earn the time it takes to translate. Default 0. */
  readonly recallAfter?: number;
  /** Another thread that translates and compiles; without one it happens between two regions. */
  readonly compiler?: RegionCompiler;
}

/** What the translator did so far. */
export interface JitStatistics {
  /** Ticks executed in translated code. */
  readonly ticks: number;
  /** Times a region was entered, and why regions were left. */
  readonly entered: number;
  readonly left: {
    readonly go: number;
    readonly interpret: number;
    readonly budget: number;
    readonly rare: number;
    readonly check: number;
  };
  /** Regions live; made, dropped because code changed, evicted. */
  readonly regions: {
    readonly live: number;
    readonly made: number;
    readonly dropped: number;
    readonly evicted: number;
  };
  /** Regions made because they were hot in an earlier run. */
  readonly recalled: number;
  readonly modules: number;
  readonly instructions: number;
  readonly bytes: number;
  /** Time spent translating and compiling, 0 without a clock. V8 optimises hot functions besides, on other threads. */
  readonly milliseconds: number;
  /** Why the runtime refused to compile a module; everything is interpreted since then. */
  readonly refused?: string;
}

/** The core with the translator. */
export interface JitCore extends Core {
  readonly kind: 'jit';
  statistics(): JitStatistics;
  /** What is hot now, for {@link JitOptions.remembered} of a later run; at most about 2 MB. Changes nothing. */
  remember(): Uint8Array<ArrayBuffer>;
}

const LEFT_ELSE = [LEAVE.INTERPRET, LEAVE.BUDGET, LEAVE.RARE, LEAVE.CHECK];

const addressOf = (low: number, high: number): bigint => (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);

const compileHere = (bytes: Uint8Array<ArrayBuffer>): WebAssembly.Module => new WebAssembly.Module(bytes);

/** Whether this runtime compiles WebAssembly at run time: some allow it only while starting. `validate` does not tell. */
export function jitAllowed({ compile = compileHere }: JitOptions = {}): boolean {
  try {
    return compile(new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0])) instanceof WebAssembly.Module;
  } catch {
    return false;
  }
}

/**
 * The core that translates hot guest code to WebAssembly. @param memory laid out as {@link ../isa/layout.ts} says, with MACHINE.ramSize,
 * hartCount and extensions already set
 */
export function createJitCore(memory: WebAssembly.Memory, host: CoreHost, options: JitOptions = {}): JitCore {
  const view = new DataView(memory.buffer);
  const elsewhere = options.compiler !== undefined;
  const threshold = options.threshold ?? (elsewhere ? THRESHOLD_ELSEWHERE : THRESHOLD);
  let milliseconds = 0;
  const timed = (work: () => void): void => {
    const start = options.now?.() ?? 0;
    work();
    milliseconds += (options.now?.() ?? 0) - start;
  };
  const compile = options.compile ?? compileHere;
  let refused: string | undefined;
  let translator: Translator | undefined;
  const exports = instantiateCore<JitExports>(
    JIT_CORE_WASM_BASE64,
    memory,
    host,
    (offset, length) => translator?.changed(offset >>> 0, length),
    {
      jit: {
        translate: (): void => timed(() => translator?.translateQueue()),
        slowPathIsHot: (hart: number, ram: number, low: number, high: number): void =>
          timed(() => translator?.slowPathIsHot(hart, ram >>> 0, addressOf(low, high))),
      },
    },
  );
  const cache = new CodeCache(memory, exports, options.regions ?? 8000);
  const all = exports as unknown as Record<string, CallableFunction>;
  const imports = {
    env: { memory },
    core: Object.fromEntries(Object.keys(HELPERS).map((name) => [name, all[name]])),
  } as WebAssembly.Imports;
  const hashPage = (ram: number): number => {
    exports.hashPage(ram >>> 12);
    return view.getFloat64(PAGE_HASH_AT, true);
  };
  let earlier: RememberedCode | undefined;
  /** What earlier runs left, which is read once. */
  const known = (): RememberedCode | undefined => {
    if (options.remembered === undefined) return undefined;
    earlier ??= new RememberedCode(options.remembered, VERSION);
    return earlier.size > 0 ? earlier : undefined;
  };
  let untilRecall = options.recallAfter ?? 0;
  /** Guest time in ticks. */
  const now = (): number =>
    Number(view.getBigUint64(MACHINE_AT + MACHINE.timeEnd, true)) - view.getUint32(MACHINE_AT + MACHINE.left, true);
  const made = new Translator(
    memory,
    {
      codePage: exports.codePage,
      executedCode: exports.executedCode,
      hashPage,
      instantiate: (module) => {
        try {
          const compiled = module instanceof WebAssembly.Module ? module : compile(module);
          const functions = new WebAssembly.Instance(compiled, imports).exports;
          return Object.keys(functions).map((_, i) => functions[i] as CallableFunction);
        } catch (error) {
          // out of memory for code, or a policy that forbids it
          refused = error instanceof Error ? error.message : String(error);
          view.setUint32(THRESHOLD_AT, HOTNESS_MASK + 1, true);
          return undefined;
        }
      },
    },
    cache,
    {
      unexecuted: options.threshold === 0,
      limits: options.limits,
      inspect: options.inspect,
      compiler: options.compiler,
      remembered: () => (untilRecall <= 0 ? known() : undefined),
      // a jump to code without a region costs several transitions
      costs:
        options.threshold === 0
          ? { link: 1, miss: 1, instruction: 0 }
          : { link: LINK, miss: threshold * 3, instruction: options.instruction ?? INSTRUCTION },
    },
  );
  translator = made;
  cache.clear();
  made.clear();
  view.setUint32(THRESHOLD_AT, threshold, true);
  view.setUint32(LINK_MASK_AT, threshold === 0 ? 3 : LINK / SAMPLE_STRIDE - 1, true);
  view.setUint32(SAMPLE_STRIDE_AT, threshold === 0 ? 1 : SAMPLE_STRIDE, true);
  view.setUint32(BATCH_DELAY_AT, options.threshold === 0 ? 0 : elsewhere ? BATCH_DELAY_ELSEWHERE : BATCH_DELAY, true);
  const count = (offset: number): number => Number(view.getBigUint64(COUNTS_AT + offset, true));
  const left = (why: number): number => count(COUNT.left + why * 8);
  const core = coreOver(exports, memory, 'jit');
  /** Of the core's table, kept for actions of debug points; and how many points may have one. */
  const actionSlots: number[] = [];
  let served = 0;
  return {
    ...core,
    kind: 'jit',
    run(hart: number, ticks: number): Exit {
      if (made.awaits) timed(() => made.receive());
      if (untilRecall > 0) {
        const before = now();
        const exit = core.run(hart, ticks);
        untilRecall -= now() - before;
        return exit;
      }
      if (options.remembered !== undefined && view.getUint32(NEW_CODE_COUNT_AT, true) > 0)
        timed(() => made.recall(threshold));
      return core.run(hart, ticks);
    },
    remember: () => remember(cache.values(), hashPage, known(), VERSION),
    dropDerived(): void {
      cache.clear();
      made.clear();
      core.dropDerived();
    },
    debugPointsChanged(places: boolean): void {
      if (places) made.observe();
      core.debugPointsChanged(places);
    },
    setActions(actions: readonly (CallableFunction | undefined)[]): void {
      const numbers = new Uint32Array(memory.buffer, ACTIONS_AT, MAX_POINTS);
      const slots = new Map<CallableFunction, number>();
      numbers.fill(0, 0, Math.max(actions.length, served));
      served = actions.length;
      for (const [place, action] of actions.entries()) {
        if (action === undefined) continue;
        let slot = slots.get(action);
        if (slot === undefined) {
          slot = actionSlots[slots.size] ?? exports.table.grow(1);
          actionSlots[slots.size] = slot;
          exports.table.set(slot, action);
          slots.set(action, slot);
        }
        numbers[place] = slot;
      }
    },
    statistics: () => ({
      ticks: count(COUNT.ticks),
      entered: count(COUNT.entered),
      left: {
        go: count(COUNT.entered) - LEFT_ELSE.reduce((sum, why) => sum + left(why), 0),
        interpret: left(LEAVE.INTERPRET),
        budget: left(LEAVE.BUDGET),
        rare: left(LEAVE.RARE),
        check: left(LEAVE.CHECK),
      },
      regions: { live: cache.size, made: made.made.regions, dropped: cache.dropped, evicted: cache.evicted },
      recalled: made.made.recalled,
      modules: made.made.modules,
      instructions: made.made.instructions,
      bytes: made.made.bytes,
      milliseconds,
      ...(refused !== undefined && { refused }),
    }),
  };
}
