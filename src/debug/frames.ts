import { AT, FORM, TAG } from '../symbols/dwarf/constants.ts';
import type { FunctionInstance } from '../symbols/dwarf/debug-info.ts';
import type { DebugEntry } from '../symbols/dwarf/entry.ts';
import { evaluateNumber, LocationError, type LocationScope } from '../symbols/dwarf/expression.ts';
import type { SourceLine } from '../symbols/dwarf-lines.ts';
import type { StackFrame } from './backtrace.ts';
import type { GuestInfo } from './guest-info.ts';
import type { SymbolFile } from './symbol-file.ts';
import { TypedValue, type ValueSource } from './values/value.ts';

const TP = 4;
const SP = 2;
const CALL_SITE = {
  tags: new Set([0x48, 0x4109]),
  returnPc: 0x7d,
  value: [0x7e, 0x2111],
  parameters: new Set([0x49, 0x410a]),
};
const MOST_CALLERS = 16;

/** A variable that is visible in a frame. */
export interface Variable {
  readonly name: string;
  readonly parameter: boolean;
  readonly value: TypedValue;
}

/** A function that is being executed: of a frame on the stack, or inlined into one. */
export class ProgramFrame {
  /** The frame on the stack it is in. */
  readonly stack: StackFrame;
  readonly instance: FunctionInstance | undefined;
  /** Where it is: for an outer one, where it called or was inlined into. */
  readonly line: SourceLine | undefined;
  readonly inlined: boolean;
  private readonly guestInfo: GuestInfo;
  private readonly file: SymbolFile | undefined;
  private readonly memory: (address: bigint, length: number) => Uint8Array;
  private readonly outer: () => ProgramFrame | undefined;
  /** The function that has the stack's frame. */
  private readonly subprogram: DebugEntry | undefined;

  constructor(parts: {
    readonly stack: StackFrame;
    readonly guestInfo: GuestInfo;
    readonly file: SymbolFile | undefined;
    readonly memory: (address: bigint, length: number) => Uint8Array;
    readonly outer: () => ProgramFrame | undefined;
    readonly instance?: FunctionInstance;
    readonly subprogram?: DebugEntry;
    readonly line?: SourceLine;
    readonly inlined: boolean;
  }) {
    this.stack = parts.stack;
    this.guestInfo = parts.guestInfo;
    this.file = parts.file;
    this.memory = parts.memory;
    this.outer = parts.outer;
    this.instance = parts.instance;
    this.subprogram = parts.subprogram;
    this.line = parts.line;
    this.inlined = parts.inlined;
  }

  /** Its function's name, or what the symbols say. */
  get name(): string {
    const { pc } = this.stack;
    const symbol = this.guestInfo.frameName(this.stack) ?? `0x${pc.toString(16)}`;
    const own = this.instance?.name;
    // The symbol has how far into the function it is; what was inlined has no symbol.
    return own === undefined || (!this.inlined && symbol.startsWith(own)) ? symbol : own;
  }

  get source(): ValueSource {
    return {
      read: this.memory,
      register: this.stack.register,
      symbol: (a) => this.guestInfo.dataName(a),
    };
  }

  /** The unit that its function was compiled in. */
  get unit(): DebugEntry['unit'] | undefined {
    return this.instance?.entry.unit;
  }

  /** Parameters and variables, the innermost blocks' first. */
  variables(): Variable[] {
    const { instance } = this;
    if (instance === undefined) return [];
    return instance.blocks.flatMap((block) => this.declaredIn(block).map((entry) => this.variable(entry)));
  }

  /** A parameter or variable by its name. */
  local(name: string): TypedValue | undefined {
    for (const block of this.instance?.blocks ?? []) {
      // Of several of one name in a block the last one is meant.
      const entry = this.declaredIn(block).findLast((e) => nameOf(e) === name);
      if (entry !== undefined) return this.variable(entry).value;
    }
    return undefined;
  }

  /** Names of what {@link local} finds. */
  localNames(): string[] {
    return (this.instance?.blocks ?? []).flatMap((b) => this.declaredIn(b).map(nameOf)).filter((n) => n !== undefined);
  }

  /** A global variable, an enumerator or a function by its name: of the frame's own unit and file first. */
  global(name: string): TypedValue | undefined {
    const files = this.file
      ? [this.file, ...this.guestInfo.files.filter((f) => f !== this.file)]
      : this.guestInfo.files;
    for (const file of files) {
      const entry = file.debugInfo?.global(name, this.unit);
      if (entry !== undefined) return this.globalValue(entry, file);
    }
    return undefined;
  }

  /** The variables of the frame's own source file that are outside of functions. */
  fileVariables(): Variable[] {
    const { unit, file } = this;
    if (unit === undefined || file === undefined) return [];
    return unit.root.children.flatMap((entry) => {
      const name = nameOf(entry);
      if (
        entry.tag !== TAG.variable ||
        name === undefined ||
        !entry.inherited((e) => (e.has(AT.location) ? e : undefined))
      )
        return [];
      return [{ name, parameter: false, value: this.globalValue(entry, file) }];
    });
  }

  private globalValue(entry: DebugEntry, file: SymbolFile): TypedValue {
    const info = entry.unit.info;
    const { source } = this;
    if (entry.tag === TAG.subprogram) {
      const [range] = entry.unit.ranges(entry);
      return range === undefined
        ? TypedValue.missing(source, info.types.of(entry), 'optimized out')
        : TypedValue.at(source, info.types.of(entry), range[0] + file.bias);
    }
    if (entry.tag === 0x28) {
      const parent = entry.unit.index.parents.get(entry.offset);
      const type = parent === undefined ? info.typeOf(entry) : info.types.of(entry.unit.entry(parent));
      return TypedValue.of(source, type, entry.number(AT.constValue) ?? 0n);
    }
    return this.located(entry, undefined, { ...this.scope(), bias: file.bias, threadLocal: this.threadLocal(file) });
  }

  private declaredIn(block: DebugEntry): DebugEntry[] {
    const own = block.children.filter(isVariable);
    const list = own.filter((e) => !(e.flag(AT.declaration) && !e.has(AT.location)));
    const abstract = block.reference(AT.abstractOrigin);
    if (abstract === undefined) return list;
    // What was optimized away has no entry in the instance.
    const known = new Set(origins(block));
    const gone = abstract.children.filter((e) => isVariable(e) && !known.has(e.offset));
    return [...list, ...gone.filter((e) => !e.flag(AT.declaration))];
  }

  private variable(entry: DebugEntry): Variable {
    const pc = this.file === undefined ? undefined : this.stack.at - this.file.bias;
    return {
      name: nameOf(entry) ?? '?',
      parameter: entry.tag === TAG.formalParameter,
      value: this.located(entry, pc, this.scope()),
    };
  }

  private located(entry: DebugEntry, pc: bigint | undefined, scope: LocationScope): TypedValue {
    const { info } = entry.unit;
    const { source } = this;
    const type = this.sized(info.typeOf(entry), pc, scope);
    try {
      return TypedValue.located(source, type, info.locate(entry, pc, scope));
    } catch (e) {
      if (e instanceof LocationError) return TypedValue.missing(source, type, 'optimized out');
      if (e instanceof RangeError) return TypedValue.missing(source, type, `error: ${e.message}`);
      throw e;
    }
  }

  /** An array whose length only the running program knows, with that length. */
  private sized(type: TypedValue['type'], pc: bigint | undefined, scope: LocationScope): TypedValue['type'] {
    if (type.kind !== 'array' || type.bound === undefined) return type;
    const { entry, expression, isCount } = type.bound;
    let bound: bigint | undefined;
    try {
      if (expression) bound = evaluateNumber(expression, this.unit, scope);
      else if (entry && this.unit) {
        const value = TypedValue.located(
          this.source,
          entry.unit.info.typeOf(entry),
          entry.unit.info.locate(entry, pc, scope),
        );
        bound = value.missing === undefined ? value.number : undefined;
      }
    } catch (e) {
      if (!(e instanceof LocationError || e instanceof RangeError)) throw e;
    }
    if (bound === undefined) return type;
    const count = Math.max(0, Number(BigInt.asIntN(64, bound)) + (isCount ? 0 : 1));
    const element = this.sized(type.element, pc, scope);
    return { kind: 'array', element, count, size: count * element.size };
  }

  private scope(): LocationScope {
    const { stack, file, memory, subprogram, guestInfo } = this;
    const bias = file?.bias ?? 0n;
    const pc = stack.at - bias;
    const base = { bias, read: memory, register: stack.register };
    const cfa = (): bigint | undefined =>
      file?.callFrames?.cfa(pc, base, bias) ?? guestInfo.callerOf(stack, memory)?.sp;
    const inner: LocationScope = {
      ...base,
      cfa,
      ...(file && { threadLocal: this.threadLocal(file) }),
      atEntry: (expression) => this.atEntry(expression, 0),
    };
    return {
      ...inner,
      frameBase: () => subprogram?.unit.info.frameBase(subprogram, pc, inner),
    };
  }

  /** The program's own thread-local objects lie at the thread pointer (RISC-V ABIs Specification, "Thread Local Storage"). */
  private threadLocal(file: SymbolFile): (offset: bigint) => bigint | undefined {
    return (offset) => {
      const tp = file.isProgram ? this.stack.register(TP) : undefined;
      return tp === undefined ? undefined : BigInt.asUintN(64, tp + offset);
    };
  }

  /** What a register was worth when the function was entered, as the caller's call site tells (DWARF 5, section 3.4). */
  private atEntry(expression: Uint8Array, depth: number): bigint | undefined {
    const caller = this.outer();
    const file = caller?.file;
    const unit = caller?.unit;
    if (caller === undefined || file === undefined || unit === undefined || depth > MOST_CALLERS) return undefined;
    const wanted = registerOf(expression);
    if (wanted === undefined) return undefined;
    const returns = caller.stack.pc - file.bias;
    const site = caller.instance && findSite(unit.functionAt(returns - 1n), returns);
    const parameter = site?.children.find(
      (c) => CALL_SITE.parameters.has(c.tag) && registerOf(c.block(AT.location)) === wanted,
    );
    const value = parameter?.block(CALL_SITE.value[0]) ?? parameter?.block(CALL_SITE.value[1]);
    if (value === undefined) return undefined;
    try {
      return evaluateNumber(value, unit, { ...caller.scope(), atEntry: (e) => caller.atEntry(e, depth + 1) });
    } catch (e) {
      if (e instanceof LocationError || e instanceof RangeError) return undefined;
      throw e;
    }
  }

  /** The stack pointer of its caller: tells frames of one function apart. */
  get caller(): bigint {
    return this.scope().cfa?.() ?? this.stack.register(SP) ?? 0n;
  }
}

/** What has no name was made by the compiler, for lengths of arrays. */
const isVariable = (entry: DebugEntry): boolean =>
  (entry.tag === TAG.formalParameter || entry.tag === TAG.variable) && nameOf(entry) !== undefined;

const nameOf = (entry: DebugEntry): string | undefined => entry.inherited((e) => e.text(AT.name));

/** The register that an expression consists of: DW_OP_reg0 to reg31, regx, regval_type. */
function registerOf(expression: Uint8Array | undefined): number | undefined {
  const [op, operand] = expression ?? [];
  if (op >= 0x50 && op <= 0x6f) return op - 0x50;
  return op === 0x90 || op === 0xa5 || op === 0xf5 ? operand : undefined;
}

/** Offsets of the abstract entries that a block's own ones are instances of. */
function* origins(block: DebugEntry, depth = 0): Generator<number> {
  for (const child of block.children) {
    const origin = child.has(AT.abstractOrigin) && child.form(AT.abstractOrigin) !== FORM.refSig8;
    const abstract = origin ? child.reference(AT.abstractOrigin) : undefined;
    if (abstract) yield abstract.offset;
    if (child.tag === TAG.lexicalBlock && depth < 64) yield* origins(child, depth + 1);
  }
}

function findSite(entry: DebugEntry | undefined, returns: bigint, depth = 0): DebugEntry | undefined {
  if (entry === undefined || depth > 64) return undefined;
  for (const child of entry.children) {
    if (CALL_SITE.tags.has(child.tag)) {
      if ((child.address(CALL_SITE.returnPc) ?? child.address(AT.lowPc)) === returns) return child;
    } else if (child.tag === TAG.lexicalBlock || child.tag === TAG.inlinedSubroutine) {
      const found = findSite(child, returns, depth + 1);
      if (found) return found;
    }
  }
  return undefined;
}

/** The functions that a stack's frames execute, the innermost first: those that were inlined have frames of their own. */
export function framesOf(
  guestInfo: GuestInfo,
  stack: readonly StackFrame[],
  memory: (address: bigint, length: number) => Uint8Array,
): ProgramFrame[] {
  const out: ProgramFrame[] = [];
  stack.forEach((frame) => {
    const file = guestInfo.fileAt(frame.at);
    const common = { stack: frame, guestInfo, file, memory };
    const first = out.length;
    let line = guestInfo.line(frame.at);
    const instances = guestInfo.functionsAt(frame.at);
    const subprogram = instances.at(-1)?.entry;
    // The frame that called this one on the stack follows what was inlined into it.
    const outer = (): ProgramFrame | undefined => out[first + Math.max(1, instances.length)];
    if (instances.length === 0 || subprogram === undefined)
      out.push(new ProgramFrame({ ...common, outer, inlined: false, ...(line && { line }) }));
    instances.forEach((instance, i) => {
      const inlined = i < instances.length - 1;
      out.push(new ProgramFrame({ ...common, outer, instance, subprogram, inlined, ...(line && { line }) }));
      const { call } = instance;
      line = call && {
        line: call.line,
        file: file?.lines?.fileName(subprogram!.unit.root.small(AT.stmtList) ?? 0, call.file) ?? line?.file ?? '?',
      };
    });
  });
  return out;
}
