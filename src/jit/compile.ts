import { FORWARDED, HELPER_IMPORTS, REGION_SIGNATURE } from './abi.ts';
import { SLOW_PATH, type SlowPath } from './bases.ts';
import { type CodeView, CopiedCode } from './code-pages.ts';
import { discover, type RegionLimits } from './discover.ts';
import { type CodeRegion, codeRanges, type RegionPage } from './region.ts';
import { type Entry, type TranslatedRegion, type TranslationOptions, translate } from './translate.ts';
import { ModuleEncoder } from './wasm-module.ts';

// What can be done on another thread: from copies of code pages to a module. Tasks and results are plain data, so that they can be posted.

/** A region to find and translate. */
export interface RegionTask {
  readonly name: string;
  /** Offsets of its roots from its base. */
  readonly roots: readonly number[];
  /** Pages around it that are mapped for execution. */
  readonly mapped: readonly RegionPage[];
  readonly limits: RegionLimits;
  /** RAM offsets; when a region before it in the task can be entered at all of them, it is left out. None: it is made. */
  readonly unless: readonly number[];
  readonly options: Omit<TranslationOptions, 'slowPathOf'>;
  /** How accesses of a region without floating point take their slow path that no report says anything else of; others leave. */
  readonly slowPath: SlowPath;
}

/** Regions that become one module. */
export interface CompileTask extends CodeView {
  readonly id: number;
  /** RAM offsets of accesses, each followed by the slow path it takes. */
  readonly slowPaths: readonly number[];
  readonly regions: readonly RegionTask[];
}

/** A module and what is in it. */
export interface CompileResult extends RegionResults {
  readonly id: number;
  /** Compiled, or its bytes where a module cannot be posted. */
  readonly module: WebAssembly.Module | Uint8Array<ArrayBuffer>;
}
interface RegionResults {
  /** Bytes of the module. */
  readonly size: number;
  /** By the task's regions; the module has a function for each that was made, in their order. */
  readonly regions: readonly (CompiledRegion | NotCompiled)[];
}
/** Why a region was not made: its first instruction cannot be translated, or an earlier one holds its code. */
type NotCompiled = 'refused' | 'held';
export interface CompiledRegion {
  readonly name: string;
  readonly entries: readonly Entry[];
  readonly mapped: readonly RegionPage[];
  /** RAM that its code was found at, as start and end each, and what was there. */
  readonly ranges: Int32Array;
  readonly code: Uint8Array;
  readonly instructions: number;
  /** Instructions with debug points. */
  readonly probed: number;
  /** Bytes of its function. */
  readonly bytes: number;
}

/** Compiles regions on another thread. What it gives back may come late or never: the guest is interpreted meanwhile. */
export interface RegionCompiler {
  /** @returns false: it cannot, now or ever; the task is the caller's */
  submit(task: CompileTask): boolean;
  /** What was finished since the last call, without waiting. */
  finished(): readonly CompileResult[];
}

/** Called with each region that is translated. @param word the 32 bits at an offset from its base */
type RegionInspector = (
  task: RegionTask,
  region: CodeRegion,
  translated: TranslatedRegion,
  word: (at: number) => number,
) => void;

let encoder: ModuleEncoder | undefined;

/** Does a task up to the module's bytes. */
export function translateTask(
  task: CompileTask,
  inspect?: RegionInspector,
): RegionResults & { readonly module: Uint8Array<ArrayBuffer> } {
  const code = new CopiedCode(task);
  const slowPaths = new Map<number, SlowPath>();
  for (let i = 0; i < task.slowPaths.length; i += 2)
    slowPaths.set(task.slowPaths[i], task.slowPaths[i + 1] as SlowPath);
  const translations: TranslatedRegion[] = [];
  const enterable = new Set<number>();
  const regions = task.regions.map((r): CompiledRegion | NotCompiled => {
    if (r.unless.length > 0 && r.unless.every((ram) => enterable.has(ram))) return 'held';
    const pages = new Map(r.mapped.map(({ delta, ram }) => [delta, ram]));
    const region = discover(code.source(pages), r.roots, r.limits);
    if (!region) return 'refused';
    const ramOf = (at: number): number => pages.get(at >> 12)! + (at & 0xfff);
    for (const b of region.entries) enterable.add(ramOf(region.blocks[b].start));
    // a call costs floating-point loops their registers
    const usesFloat = region.blocks.some((b) => b.code.some(({ decoded }) => decoded.row.fp));
    const usual = usesFloat ? SLOW_PATH.LEAVE : r.slowPath;
    const slowPathOf = (at: number): SlowPath => slowPaths.get(ramOf(at)) ?? usual;
    const translated = translate(region, r.name, { ...r.options, slowPathOf });
    translations.push(translated);
    inspect?.(r, region, translated, (at) => code.word(ramOf(at), ramOf(at + 2)));
    const ranges = codeRanges(region);
    const bytes = new Uint8Array(ranges.reduce((n, { start, end }) => n + end - start, 0));
    let to = 0;
    for (const { start, end } of ranges) {
      for (let at = start; at < end; ) {
        const part = code.bytes(at, Math.min(end, (at | 0xfff) + 1));
        bytes.set(part, to);
        to += part.length;
        at += part.length;
      }
    }
    return {
      name: r.name,
      entries: translated.entries,
      mapped: region.pages,
      ranges: Int32Array.from(ranges.flatMap(({ start, end }) => [start, end])),
      code: bytes,
      instructions: region.blocks.reduce((n, b) => n + b.code.length, 0),
      probed: region.blocks.reduce((n, b) => n + b.code.filter(({ probed }) => probed).length, 0),
      bytes: translated.body.code.length,
    };
  });
  encoder ??= new ModuleEncoder({
    memory: { module: 'env', name: 'memory', minPages: 1 },
    imports: HELPER_IMPORTS,
    forwarded: FORWARDED,
    signature: REGION_SIGNATURE,
  });
  const module = encoder.encode(translations.map((t) => t.body)) as Uint8Array<ArrayBuffer>;
  return { module, size: module.length, regions };
}

/** Does a task: on whatever thread. */
export function compileTask(task: CompileTask): CompileResult {
  const results = translateTask(task);
  return { ...results, id: task.id, module: new WebAssembly.Module(results.module) };
}
