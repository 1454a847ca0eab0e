import { decode } from '../isa/decode.ts';
import { HELPER_IMPORTS, REGION_SIGNATURE } from './abi.ts';
import type { SlowPath } from './bases.ts';
import type { Block, CodeRegion, Ending, Placed } from './region.ts';
import { type Entry, type TranslatedRegion, type TranslationOptions, translate } from './translate.ts';
import { ModuleEncoder } from './wasm-module.ts';

// What can be done on another thread: from a region's instructions to a module. Tasks and results are plain data, so that they can be posted.

/** A region to translate, and how. */
export interface RegionTask extends RegionPlan {
  readonly name: string;
  /** {@link packRegion}. */
  readonly region: Int32Array;
}

/** Regions that become one module. */
export interface CompileTask {
  readonly id: number;
  /** Enabled extensions, as in MACHINE.extensions. */
  readonly extensions: number;
  readonly regions: readonly RegionTask[];
}

/** A module and what is in it. */
export interface CompileResult {
  readonly id: number;
  /** Compiled, or its bytes where a module cannot be posted. */
  readonly module: WebAssembly.Module | Uint8Array<ArrayBuffer>;
  /** Bytes of the module. */
  readonly size: number;
  /** In the order of the task's. */
  readonly regions: readonly CompiledRegion[];
}
export interface CompiledRegion {
  readonly name: string;
  readonly entries: readonly Entry[];
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

/** What a region's translation needs to know. */
export type RegionPlan = Omit<TranslationOptions, 'slowPathOf'> & { readonly slowPaths: ReadonlyMap<number, SlowPath> };

/** Translates a region on this thread. */
export const translateRegion = (region: CodeRegion, name: string, plan: RegionPlan): TranslatedRegion =>
  translate(region, name, { ...plan, slowPathOf: (at) => plan.slowPaths.get(at) ?? 0 });

/** The encoder of modules of regions. */
export const regionEncoder = (): ModuleEncoder =>
  new ModuleEncoder({
    memory: { module: 'env', name: 'memory', minPages: 1 },
    imports: HELPER_IMPORTS,
    signature: REGION_SIGNATURE,
  });

/** The words of a region's instructions, block by block. @param word the 32 bits at an offset from the base; high half clear where there are 16 */
export const regionWords = ({ blocks }: CodeRegion, word: (at: number) => number): Uint32Array =>
  Uint32Array.from(
    blocks.flatMap((b) => b.code),
    ({ at }) => word(at),
  );

const ENDINGS = ['next', 'branch', 'jump', 'indirect', 'leave'] as const;

function endingNumbers(e: Ending): readonly number[] {
  switch (e.kind) {
    case 'next':
      return [e.next.to, e.next.block];
    case 'branch':
      return [e.taken.to, e.taken.block, e.next.to, e.next.block];
    case 'jump':
      return [e.taken.to, e.taken.block];
    case 'indirect':
      return [];
    case 'leave':
      return [e.at];
  }
}

/** A region as numbers: copying one array to another thread costs a fraction of what copying its objects would. */
export function packRegion({ blocks, entries, pages, roots }: CodeRegion, words: Uint32Array): Int32Array {
  const out: number[] = [roots];
  const list = (items: readonly number[]): void => void out.push(items.length, ...items);
  list(entries);
  list(pages.flatMap(({ delta, ram }) => [delta, ram]));
  out.push(blocks.length);
  let first = 0;
  for (const { start, code, ending, pages: on } of blocks) {
    out.push(start, ENDINGS.indexOf(ending.kind));
    list(endingNumbers(ending));
    list(on);
    list(Array.from(words.subarray(first, first + code.length)));
    first += code.length;
  }
  return Int32Array.from(out);
}

/** What {@link packRegion} made. @param extensions enabled ones, as in MACHINE.extensions */
function unpackRegion(packed: Int32Array, extensions: number): CodeRegion {
  let next = 0;
  const take = (): number => packed[next++];
  const list = (): number[] => {
    const n = take();
    next += n;
    return Array.from(packed.subarray(next - n, next));
  };
  const roots = take();
  const entries = list();
  const flat = list();
  const pages = flat.flatMap((delta, i) => (i % 2 === 0 ? [{ delta, ram: flat[i + 1] >>> 0 }] : []));
  const blocks = Array.from({ length: take() }, (_, index): Block => {
    const start = take();
    const kind = ENDINGS[take()];
    const ending = endingOf(kind, list());
    const on = list();
    let at = start;
    const code = list().map((word): Placed => {
      const decoded = decode(word, extensions);
      if (!decoded) throw new Error(`compile: ${word.toString(16)} is no instruction`);
      const placed = { at, decoded };
      at += decoded.length;
      return placed;
    });
    return { index, start, code, ending, pages: on };
  });
  return { blocks, entries, pages, roots };
}

function endingOf(kind: Ending['kind'], [a, b, c, d]: readonly number[]): Ending {
  switch (kind) {
    case 'next':
      return { kind, next: { to: a, block: b } };
    case 'branch':
      return { kind, taken: { to: a, block: b }, next: { to: c, block: d } };
    case 'jump':
      return { kind, taken: { to: a, block: b } };
    case 'indirect':
      return { kind };
    case 'leave':
      return { kind, at: a };
  }
}

/** Does a task: on whatever thread. */
export function compileTask({ id, extensions, regions }: CompileTask): CompileResult {
  const translations = regions.map((task) => translateRegion(unpackRegion(task.region, extensions), task.name, task));
  const bytes = regionEncoder().encode(translations.map((t) => t.body)) as Uint8Array<ArrayBuffer>;
  return {
    id,
    module: new WebAssembly.Module(bytes),
    size: bytes.length,
    regions: translations.map(({ body, entries }) => ({ name: body.name, entries, bytes: body.code.length })),
  };
}
