import { HART, PAGE_FLAG, RAM_AT, RAM_BASE, ramTables } from '../isa/layout.ts';
import { WasmCode } from '../jit/wasm-code.ts';
import { ModuleEncoder } from '../jit/wasm-module.ts';
import { OP, TYPE } from '../jit/wasm-opcodes.ts';
import type { LinuxKernel } from '../linux/kernel.ts';
import { BUILTINS } from './builtins.ts';
import type { ScriptEnvironment } from './environment.ts';
import type { ProbeBlock, ScriptExpression, ScriptStatement } from './syntax.ts';
import { COMM_SIZE, HITS_AT, type KeyKind, keyWords, type Tally, WORD } from './tally.ts';

/** What a block is compiled for. */
export interface BlockTarget {
  readonly ramSize: number;
  readonly kernel: LinuxKernel | undefined;
  readonly environment: ScriptEnvironment;
}

/** Gives a statement room for what it counts. @param signed whether the value is */
export type Reserve = (
  statement: { readonly map: string; readonly name: string },
  key: readonly KeyKind[],
  signed: boolean,
) => Tally;

/** The block is none of those that can be compiled: it is run as it is. */
export class Unsupported extends Error {}

type Binary = Extract<ScriptExpression, { readonly kind: 'binary' }>;
type Task = 'tgid' | 'pid' | 'comm';

const LOCAL = { HART: 0, POINTER: 1, TASK: 2, INDEX: 3, VALUE: 4, HASH: 5, FIRST: 6 } as const;
const X_SHIFT = 3;
const TP = 4;
const A0 = 10;
/** Of a task_struct's pages, no field that is read lies beyond so many bytes. */
const TASK_REACH = 16_384n;
/** Names of a task's builtins, and the members of task_struct they read. */
const TASKS: Readonly<Record<string, Task>> = { pid: 'tgid', tid: 'pid', comm: 'comm' };
const PLAIN = {
  '+': OP.I64_ADD,
  '-': OP.I64_SUB,
  '*': OP.I64_MUL,
  '&': OP.I64_AND,
  '|': OP.I64_OR,
  '^': OP.I64_XOR,
  '<<': OP.I64_SHL,
};
const isPlain = (operator: string): operator is keyof typeof PLAIN => Object.hasOwn(PLAIN, operator);
const COMPARES = new Set(['==', '!=', '<', '>', '<=', '>=']);
const MIXER = 0x9e37_79b9_7f4a_7c15n;

/**
 * Compiles a block whose statements are `@map[key] = summary(value)`, of integers in registers and the thread that runs.
 * @returns a module whose function is (address of the hart's block) → 1, or 0 with nothing done @throws Unsupported
 */
export function compileBlock(block: ProbeBlock, target: BlockTarget, reserve: Reserve): Uint8Array<ArrayBuffer> {
  return new BlockCompiler(target, reserve).module(block);
}

class BlockCompiler {
  private readonly target: BlockTarget;
  private readonly reserve: Reserve;
  private readonly code = new WasmCode();
  private readonly taskFields = new Map<Task, number>();

  constructor(target: BlockTarget, reserve: Reserve) {
    this.target = target;
    this.reserve = reserve;
  }

  module({ predicate, body }: ProbeBlock): Uint8Array<ArrayBuffer> {
    const { code } = this;
    if (body.length === 0) throw new Unsupported();
    this.findTask([predicate, body]);
    if (predicate !== undefined) {
      this.condition(predicate);
      code.op(OP.I32_EQZ);
      code.open(OP.IF);
      this.done();
      code.end();
    }
    // All entries first: what has no room for all counts nothing.
    const updates = body.map((statement, i) => this.statement(statement, LOCAL.FIRST + i));
    for (const update of updates) update();
    this.done();
    const encoder = new ModuleEncoder({
      memory: { module: 'env', name: 'memory', minPages: 1 },
      imports: [],
      forwarded: 0,
      signature: { params: [TYPE.I32], results: [TYPE.I32] },
    });
    const locals = [
      [LOCAL.VALUE - LOCAL.POINTER, TYPE.I32],
      [LOCAL.FIRST - LOCAL.VALUE, TYPE.I64],
      [body.length, TYPE.I32],
    ] as const;
    return encoder.encode([{ name: 'probe', locals, code: code.bytes.slice() }]) as Uint8Array<ArrayBuffer>;
  }

  /** Counts the hit, and returns. */
  private done(): void {
    const { code } = this;
    this.add(
      () => code.i32(HITS_AT),
      0,
      () => code.i64(1),
    );
    code.i32(1);
    code.op(OP.RETURN);
  }

  private giveUpIf(): void {
    const { code } = this;
    code.open(OP.IF);
    code.i32(0);
    code.op(OP.RETURN);
    code.end();
  }

  /** Adds to a word of memory. */
  private add(address: () => void, offset: number, value: () => void): void {
    const { code } = this;
    address();
    address();
    code.memory(OP.I64_LOAD, 3, offset);
    value();
    code.op(OP.I64_ADD);
    code.memory(OP.I64_STORE, 3, offset);
  }

  // ---- the task that runs

  /** Where the block mentions it: leaves in a local where its task_struct lies in linear memory. As currentTask() finds it. */
  private findTask(block: unknown): void {
    const { code } = this;
    const { kernel, ramSize } = this.target;
    const fields = new Set([...namesIn(block)].map((name) => TASKS[name]).filter((field) => field !== undefined));
    if (fields.size === 0) return;
    if (kernel === undefined || kernel.field('task_struct', 'comm').size !== COMM_SIZE) throw new Unsupported();
    for (const field of fields) this.taskFields.set(field, kernel.field('task_struct', field).offset);
    code.get(LOCAL.HART);
    code.memory(OP.I64_LOAD, 3, HART.sscratch);
    code.get(LOCAL.HART);
    code.memory(OP.I64_LOAD, 3, HART.x + (TP << X_SHIFT));
    code.get(LOCAL.HART);
    code.memory(OP.I64_LOAD, 3, HART.sscratch);
    code.i64(0);
    code.op(OP.I64_NE);
    code.op(OP.SELECT);
    code.set(LOCAL.VALUE);
    code.i32(0);
    code.set(LOCAL.TASK);
    for (const { start, physical, size } of kernel.ranges()) {
      code.get(LOCAL.VALUE);
      code.i64(start);
      code.op(OP.I64_SUB);
      code.i64(size - TASK_REACH);
      code.op(OP.I64_LT_U);
      code.open(OP.IF);
      code.get(LOCAL.VALUE);
      code.i64(physical - BigInt(RAM_BASE) - start);
      code.op(OP.I64_ADD);
      code.op(OP.I32_WRAP_I64);
      code.i32(RAM_AT);
      code.op(OP.I32_ADD);
      code.set(LOCAL.TASK);
      code.end();
    }
    code.get(LOCAL.TASK);
    code.op(OP.I32_EQZ);
    this.giveUpIf();
    const { flags } = ramTables(ramSize);
    for (const offset of this.taskFields.values()) {
      for (const byte of [offset, offset + COMM_SIZE - 1]) {
        code.get(LOCAL.TASK);
        code.i32(byte - RAM_AT);
        code.op(OP.I32_ADD);
        code.i32(12);
        code.op(OP.I32_SHR_U);
        code.memory(OP.I32_LOAD8_U, 0, flags);
        code.i32(PAGE_FLAG.ABSENT);
        code.op(OP.I32_AND);
        this.giveUpIf();
      }
    }
  }

  private commWord(n: number): void {
    this.code.get(LOCAL.TASK);
    this.code.memory(OP.I64_LOAD, 0, this.taskFields.get('comm')! + n * WORD);
  }

  // ---- statements

  /** @param local that will hold the entry's address @returns what emits the update of the entry */
  private statement(statement: ScriptStatement, local: number): () => void {
    if (statement.kind !== 'assign' || statement.target.kind !== 'map' || statement.operator !== undefined)
      throw new Unsupported();
    const { target, value: call } = statement;
    if (call.kind !== 'call' || call.args.length > 1) throw new Unsupported();
    const [argument] = call.args;
    const key = target.key.map((part): KeyKind => {
      if (part.kind === 'name' && part.name === 'comm') return 'comm';
      return this.isSigned(part) ? 'signed' : 'unsigned';
    });
    // Numbers beyond 64 bits and those of no sign's are left to the script as it is.
    const tally = this.reserve(
      { map: target.name, name: call.name },
      key,
      argument !== undefined && this.isSigned(argument),
    );
    this.findEntry(tally, target.key, local);
    return () => this.update(tally, argument, local);
  }

  private findEntry(
    { key, at, size, capacity, roomAt }: Tally,
    parts: readonly ScriptExpression[],
    local: number,
  ): void {
    const { code } = this;
    if (key.length === 0) {
      code.i32(at);
      code.set(local);
      this.useEntry(local, roomAt);
      return;
    }
    const words = parts.flatMap((part, i) =>
      key[i] === 'comm' ? [0, 1].map((n) => () => this.commWord(n)) : [() => this.value(part)],
    );
    const slotOf = (push: () => void): void => {
      push();
      code.i32(capacity - 1);
      code.op(OP.I32_AND);
    };
    code.i64(0);
    for (const push of words) {
      push();
      code.op(OP.I64_XOR);
      code.i64(MIXER);
      code.op(OP.I64_MUL);
      code.i64(29);
      code.op(OP.I64_ROTL);
    }
    code.set(LOCAL.HASH);
    code.get(LOCAL.HASH);
    code.op(OP.I32_WRAP_I64);
    code.set(LOCAL.INDEX);
    code.open(OP.BLOCK);
    code.open(OP.LOOP);
    slotOf(() => code.get(LOCAL.INDEX));
    code.i32(size);
    code.op(OP.I32_MUL);
    code.i32(at);
    code.op(OP.I32_ADD);
    code.set(local);
    code.get(local);
    code.memory(OP.I32_LOAD, 2, 0);
    code.op(OP.I32_EQZ);
    code.open(OP.IF);
    this.useEntry(local, roomAt);
    words.forEach((push, i) => {
      code.get(local);
      push();
      code.memory(OP.I64_STORE, 3, (1 + i) * WORD);
    });
    code.branch(OP.BR, 2);
    code.end();
    words.forEach((push, i) => {
      code.get(local);
      code.memory(OP.I64_LOAD, 3, (1 + i) * WORD);
      push();
      code.op(OP.I64_EQ);
      if (i > 0) code.op(OP.I32_AND);
    });
    code.branch(OP.BR_IF, 1);
    code.get(LOCAL.INDEX);
    code.i32(1);
    code.op(OP.I32_ADD);
    code.set(LOCAL.INDEX);
    // all round, and no place
    slotOf(() => code.get(LOCAL.INDEX));
    slotOf(() => {
      code.get(LOCAL.HASH);
      code.op(OP.I32_WRAP_I64);
    });
    code.op(OP.I32_EQ);
    this.giveUpIf();
    code.branch(OP.BR, 0);
    code.end();
    code.end();
  }

  /** Takes an entry, unless it is taken; gives up where the map may not grow. */
  private useEntry(local: number, roomAt: number): void {
    const { code } = this;
    code.get(local);
    code.memory(OP.I32_LOAD, 2, 0);
    code.op(OP.I32_EQZ);
    code.open(OP.IF);
    code.i32(roomAt);
    code.memory(OP.I64_LOAD, 3, 0);
    code.op(OP.I64_EQZ);
    this.giveUpIf();
    this.add(
      () => code.i32(roomAt),
      0,
      () => code.i64(-1),
    );
    code.get(local);
    code.i32(1);
    code.memory(OP.I32_STORE, 2, 0);
    code.end();
  }

  private update({ name, key, signed }: Tally, argument: ScriptExpression | undefined, local: number): void {
    const { code } = this;
    const count = (1 + keyWords(key)) * WORD;
    const state = count + WORD;
    const entry = (): void => code.get(local);
    if (argument !== undefined) {
      this.value(argument);
      code.set(LOCAL.VALUE);
    }
    if (name === 'sum') this.add(entry, state, () => code.get(LOCAL.VALUE));
    if (name === 'min' || name === 'max') {
      const kept = (): void => {
        entry();
        code.memory(OP.I64_LOAD, 3, state);
      };
      entry();
      code.memory(OP.I64_LOAD, 3, count);
      code.op(OP.I64_EQZ);
      if (name === 'max') kept();
      code.get(LOCAL.VALUE);
      if (name === 'min') kept();
      code.op(signed ? OP.I64_LT_S : OP.I64_LT_U);
      code.op(OP.I32_OR);
      code.open(OP.IF);
      entry();
      code.get(LOCAL.VALUE);
      code.memory(OP.I64_STORE, 3, state);
      code.end();
    }
    if (name === 'avg' || name === 'stats') {
      this.add(entry, state, () => code.get(LOCAL.VALUE));
      // The upper half: the sign's, and the carry.
      this.add(entry, state + WORD, () => {
        if (signed) {
          code.get(LOCAL.VALUE);
          code.i64(63);
          code.op(OP.I64_SHR_S);
        } else code.i64(0);
        entry();
        code.memory(OP.I64_LOAD, 3, state);
        code.get(LOCAL.VALUE);
        code.op(OP.I64_LT_U);
        code.op(OP.I64_EXTEND_I32_U);
        code.op(OP.I64_ADD);
      });
    }
    if (name === 'hist') {
      entry();
      code.i64(65);
      code.get(LOCAL.VALUE);
      code.op(OP.I64_CLZ);
      code.op(OP.I64_SUB);
      if (signed) {
        code.i64(0);
        code.get(LOCAL.VALUE);
        code.i64(0);
        code.op(OP.I64_GE_S);
        code.op(OP.SELECT);
      }
      code.op(OP.I32_WRAP_I64);
      code.i32(WORD);
      code.op(OP.I32_MUL);
      code.op(OP.I32_ADD);
      code.set(LOCAL.POINTER);
      this.add(
        () => code.get(LOCAL.POINTER),
        state,
        () => code.i64(1),
      );
    }
    this.add(entry, count, () => code.i64(1));
  }

  // ---- expressions

  /** Whether an expression's value is signed: the rules of {@link ./compile-expression.ts}. */
  private isSigned(expression: ScriptExpression): boolean {
    switch (expression.kind) {
      case 'number':
        return true;
      case 'name': {
        const { name } = expression;
        if (/^arg[0-7]$/.test(name) || ['pid', 'tid', 'cpu', 'hart'].includes(name)) return false;
        if (name === 'retval' || this.enumerator(name) !== undefined) return true;
        throw new Unsupported();
      }
      case 'unary':
        return expression.operator === '-';
      case 'binary': {
        const { operator } = expression;
        return operator !== '&&' && operator !== '||' && !COMPARES.has(operator) && this.operatesSigned(expression);
      }
      default:
        throw new Unsupported();
    }
  }

  private operatesSigned({ left, right }: Binary): boolean {
    if (left.kind === 'number') return this.isSigned(right);
    if (right.kind === 'number') return this.isSigned(left);
    return this.isSigned(left) && this.isSigned(right);
  }

  private enumerator(name: string): bigint | undefined {
    return Object.hasOwn(BUILTINS, name) ? undefined : this.target.environment.btf?.enumerator(name);
  }

  /** Pushes a value that is kept or used as it is. */
  private value(expression: ScriptExpression): void {
    if (expression.kind === 'number' && BigInt.asIntN(64, expression.value) !== expression.value)
      throw new Unsupported();
    this.push(expression);
  }

  /** Pushes an i64. */
  private push(expression: ScriptExpression): void {
    const { code } = this;
    switch (expression.kind) {
      case 'number':
        return code.i64(expression.value);
      case 'name':
        return this.name(expression.name);
      case 'unary': {
        const { operator, operand } = expression;
        if (operator === '!') break;
        if (operator !== '-' && operator !== '~') throw new Unsupported();
        this.isSigned(operand);
        code.i64(operator === '-' ? 0 : -1);
        this.push(operand);
        return code.op(operator === '-' ? OP.I64_SUB : OP.I64_XOR);
      }
      case 'binary': {
        const { operator, left, right } = expression;
        if (operator !== '>>' && !isPlain(operator)) break;
        const signed = this.operatesSigned(expression);
        this.push(left);
        this.push(right);
        return code.op(isPlain(operator) ? PLAIN[operator] : signed ? OP.I64_SHR_S : OP.I64_SHR_U);
      }
    }
    this.condition(expression);
    code.op(OP.I64_EXTEND_I32_U);
  }

  private name(name: string): void {
    const { code } = this;
    const register = name === 'retval' ? 0 : /^arg([0-7])$/.exec(name)?.[1];
    if (register !== undefined) {
      code.get(LOCAL.HART);
      return code.memory(OP.I64_LOAD, 3, HART.x + ((A0 + Number(register)) << X_SHIFT));
    }
    if (name === 'cpu' || name === 'hart') {
      code.get(LOCAL.HART);
      return code.memory(OP.I64_LOAD32_U, 2, HART.index);
    }
    if (name === 'pid' || name === 'tid') {
      code.get(LOCAL.TASK);
      return code.memory(OP.I64_LOAD32_S, 2, this.taskFields.get(TASKS[name]!)!);
    }
    const value = this.enumerator(name);
    if (value === undefined) throw new Unsupported();
    code.i64(value);
  }

  /** Pushes an i32: whether an expression is true. */
  private condition(expression: ScriptExpression): void {
    const { code } = this;
    if (expression.kind === 'unary' && expression.operator === '!') {
      this.condition(expression.operand);
      return code.op(OP.I32_EQZ);
    }
    if (expression.kind === 'binary') {
      const { operator, left, right } = expression;
      if (operator === '&&' || operator === '||') {
        this.condition(left);
        this.condition(right);
        return code.op(operator === '&&' ? OP.I32_AND : OP.I32_OR);
      }
      if (COMPARES.has(operator)) return this.compare(expression);
      if (operator !== '>>' && !isPlain(operator)) throw new Unsupported();
    } else if (expression.kind !== 'number') this.isSigned(expression);
    this.push(expression);
    code.i64(0);
    code.op(OP.I64_NE);
  }

  private compare(expression: Binary): void {
    const { code } = this;
    const { operator, left, right } = expression;
    const isComm = (side: ScriptExpression): boolean => side.kind === 'name' && side.name === 'comm';
    if (isComm(left) || isComm(right)) return this.compareComm(operator, isComm(left) ? right : left);
    const signed = this.operatesSigned(expression);
    const swapped = operator === '>' || operator === '<=';
    this.push(swapped ? right : left);
    this.push(swapped ? left : right);
    if (operator === '==' || operator === '!=') return code.op(operator === '==' ? OP.I64_EQ : OP.I64_NE);
    const less = operator === '<' || operator === '>';
    code.op(less ? (signed ? OP.I64_LT_S : OP.I64_LT_U) : signed ? OP.I64_GE_S : OP.I64_GE_U);
  }

  /** Compares the name of the thread with a text: its bytes and the NUL after them. */
  private compareComm(operator: string, text: ScriptExpression): void {
    const { code } = this;
    if (text.kind !== 'string' || !/^[\x01-\x7f]{0,15}$/.test(text.value) || !['==', '!='].includes(operator))
      throw new Unsupported();
    const wanted = new DataView(new ArrayBuffer(COMM_SIZE));
    const mask = new DataView(new ArrayBuffer(COMM_SIZE));
    for (let i = 0; i <= text.value.length; i++) {
      mask.setUint8(i, 0xff);
      if (i < text.value.length) wanted.setUint8(i, text.value.charCodeAt(i));
    }
    for (const n of [0, 1]) {
      this.commWord(n);
      code.i64(mask.getBigUint64(n * WORD, true));
      code.op(OP.I64_AND);
      code.i64(wanted.getBigUint64(n * WORD, true));
      code.op(OP.I64_EQ);
    }
    code.op(OP.I32_AND);
    if (operator === '!=') code.op(OP.I32_EQZ);
  }
}

/** Every name that a part of a script mentions. */
function namesIn(part: unknown, found = new Set<string>()): ReadonlySet<string> {
  if (Array.isArray(part)) for (const item of part) namesIn(item, found);
  else if (typeof part === 'object' && part !== null) {
    const { kind, name } = part as { readonly kind?: unknown; readonly name?: unknown };
    if (kind === 'name' && typeof name === 'string') found.add(name);
    for (const value of Object.values(part)) namesIn(value, found);
  }
  return found;
}
