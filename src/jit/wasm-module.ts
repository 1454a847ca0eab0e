import { WasmCode } from './wasm-code.ts';
import type { ValueType } from './wasm-opcodes.ts';

/** The type of a function. */
export interface Signature {
  readonly params: readonly ValueType[];
  readonly results: readonly ValueType[];
}

/** A function a module takes from outside. */
export interface FunctionImport {
  readonly module: string;
  readonly name: string;
  readonly signature: Signature;
}

/** A function of a module: its locals after the parameters, as (count, type) runs, and its body without the final `end`. */
export interface FunctionBody {
  /** Shown in profiles and stack traces. */
  readonly name: string;
  readonly locals: readonly (readonly [count: number, type: ValueType])[];
  readonly code: Uint8Array;
  /** Branches that are seldom taken, in order: offsets into `code` of `if` and `br_if` instructions. */
  readonly unlikely?: readonly number[];
}

/** What all functions of a module share. */
export interface ModuleShape {
  /** Where memory comes from, its least and (shared growable memories aside) no greatest size in 64 KiB pages. */
  readonly memory: { readonly module: string; readonly name: string; readonly minPages: number };
  readonly imports: readonly FunctionImport[];
  /** For so many imports, the first, there is a function that calls it with its own arguments: their indexes follow those of all imports. */
  readonly forwarded: number;
  /** The type of every function defined. */
  readonly signature: Signature;
}

const SECTION = { CUSTOM: 0, TYPE: 1, IMPORT: 2, FUNCTION: 3, EXPORT: 7, CODE: 10 } as const;
const utf8 = new TextEncoder();

/**
 * Builds modules of one shape: the same imports and one signature, only the functions differ. Exports are named by their index: `0`, `1`, …
 * Everything but the functions is encoded once.
 */
export class ModuleEncoder {
  private readonly head = new WasmCode();
  private readonly importCount: number;
  /** Types and bodies of the functions that pass on to imports. */
  private readonly forwarders: readonly { readonly type: number; readonly body: Uint8Array }[];
  private readonly out = new WasmCode(16384);
  private readonly scratch = new WasmCode(16384);

  constructor(shape: ModuleShape) {
    const h = this.head;
    for (const b of [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0]) h.byte(b);
    this.importCount = shape.imports.length;
    this.forwarders = shape.imports
      .slice(0, shape.forwarded)
      .map(({ signature }, i) => ({ type: i + 1, body: forwarder(i, signature.params.length) }));
    this.section(h, SECTION.TYPE, (s) => {
      s.unsigned(shape.imports.length + 1);
      for (const { params, results } of [shape.signature, ...shape.imports.map((i) => i.signature)]) {
        s.byte(0x60);
        for (const list of [params, results]) {
          s.unsigned(list.length);
          for (const t of list) s.byte(t);
        }
      }
    });
    this.section(h, SECTION.IMPORT, (s) => {
      s.unsigned(shape.imports.length + 1);
      name(s, shape.memory.module);
      name(s, shape.memory.name);
      s.byte(2);
      s.byte(0);
      s.unsigned(shape.memory.minPages);
      shape.imports.forEach((f, i) => {
        name(s, f.module);
        name(s, f.name);
        s.byte(0);
        s.unsigned(i + 1);
      });
    });
  }

  /** Index of the first function that {@link encode} is given. */
  private get firstFunction(): number {
    return this.importCount + this.forwarders.length;
  }

  private section(to: WasmCode, id: number, fill: (s: WasmCode) => void): void {
    const s = this.scratch;
    s.clear();
    fill(s);
    to.byte(id);
    to.unsigned(s.length);
    to.append(s.bytes);
  }

  /** @returns the module; a copy the caller owns. */
  encode(functions: readonly FunctionBody[]): Uint8Array {
    const out = this.out;
    out.clear();
    out.append(this.head.bytes);
    this.section(out, SECTION.FUNCTION, (s) => {
      s.unsigned(this.forwarders.length + functions.length);
      for (const { type } of this.forwarders) s.unsigned(type);
      for (let i = 0; i < functions.length; i++) s.byte(0);
    });
    this.section(out, SECTION.EXPORT, (s) => {
      s.unsigned(functions.length);
      functions.forEach((_, i) => {
        name(s, String(i));
        s.byte(0);
        s.unsigned(this.firstFunction + i);
      });
    });
    const heads = functions.map((f) => localDeclarations(f.locals));
    if (functions.some((f) => f.unlikely?.length)) this.branchHints(functions, heads);
    this.section(out, SECTION.CODE, (s) => {
      s.unsigned(this.forwarders.length + functions.length);
      for (const { body } of this.forwarders) {
        s.unsigned(body.length);
        s.append(body);
      }
      functions.forEach((f, i) => {
        s.unsigned(heads[i].length + f.code.length + 1);
        s.append(heads[i]);
        s.append(f.code);
        s.end();
      });
    });
    this.section(out, SECTION.CUSTOM, (s) => {
      name(s, 'name');
      const names = new WasmCode();
      names.unsigned(functions.length);
      functions.forEach((f, i) => {
        names.unsigned(this.firstFunction + i);
        name(names, f.name);
      });
      s.byte(1);
      s.unsigned(names.length);
      s.append(names.bytes);
    });
    return out.bytes.slice();
  }

  /** Branch hinting (WebAssembly code metadata, "Branch Hints"): engines that don't know the section pass over it. */
  private branchHints(functions: readonly FunctionBody[], heads: readonly Uint8Array[]): void {
    this.section(this.out, SECTION.CUSTOM, (s) => {
      name(s, 'metadata.code.branch_hint');
      s.unsigned(functions.filter((f) => f.unlikely?.length).length);
      functions.forEach((f, i) => {
        if (!f.unlikely?.length) return;
        s.unsigned(this.firstFunction + i);
        s.unsigned(f.unlikely.length);
        for (const at of f.unlikely) {
          s.unsigned(heads[i].length + at);
          s.byte(1);
          s.byte(0);
        }
      });
    });
  }
}

/** The body of a function that calls another with its own arguments. */
function forwarder(callee: number, params: number): Uint8Array {
  const out = new WasmCode(16);
  out.unsigned(0);
  for (let i = 0; i < params; i++) out.get(i);
  out.call(callee);
  out.end();
  return out.bytes;
}

function name(to: WasmCode, text: string): void {
  const bytes = utf8.encode(text);
  to.unsigned(bytes.length);
  to.append(bytes);
}

function localDeclarations(locals: FunctionBody['locals']): Uint8Array {
  const out = new WasmCode(16);
  const runs = locals.filter(([count]) => count > 0);
  out.unsigned(runs.length);
  for (const [count, type] of runs) {
    out.unsigned(count);
    out.byte(type);
  }
  return out.bytes;
}
