import { AGGREGATES, isAggregate } from './aggregates.ts';
import { BUILTINS } from './builtins.ts';
import { btfOf, compileCast, compileIndex, compileMember, loadValue, typeNumber } from './compile-memory.ts';
import type { ProbeArguments, ProbeContext, ScriptEnvironment } from './environment.ts';
import { compileCall, FUNCTION_NAMES } from './functions.ts';
import { ScriptMap } from './maps.ts';
import { type Output, printMap } from './output.ts';
import { ScriptError, type Span, suggestion } from './script-error.ts';
import type { BinaryOperator, ScriptExpression, Target } from './syntax.ts';
import { isTrue, type ScriptType, SIGNED, STRING, typeText, UNSIGNED, type Value, wrap, zeroOf } from './values.ts';

/** An expression that is ready to run. */
export interface CompiledScript {
  readonly type: ScriptType;
  readonly run: (frame: RunFrame) => Value;
}

/** One run of a block. */
export interface RunFrame {
  readonly context: ProbeContext;
  readonly variables: Value[];
}

/** State that all blocks of a script share while it runs. */
export class ScriptState {
  readonly maps = new Map<string, ScriptMap>();
  /** exit() was called. */
  exited = false;
  readonly output: Output;

  constructor(output: Output) {
    this.output = output;
  }
}

/** Turns expressions of a script into functions; types are checked on the way. */
export class ExpressionCompiler {
  readonly script: string;
  readonly environment: ScriptEnvironment;
  readonly state: ScriptState;
  protected readonly mapTypes = new Map<string, { readonly key: readonly ScriptType[]; readonly value: ScriptType }>();
  /** Of the block that is being compiled. */
  protected variables = new Map<string, { readonly index: number; type: ScriptType }>();
  args: ProbeArguments = new Map();

  constructor(script: string, environment: ScriptEnvironment, state: ScriptState) {
    this.script = script;
    this.environment = environment;
    this.state = state;
  }

  fail(span: Span, reason: string): never {
    throw new ScriptError(reason, this.script, span);
  }

  /** Checks a map's key and value against how it is used elsewhere. */
  protected key(target: Extract<Target, { kind: 'map' }>, value: ScriptType | undefined): (frame: RunFrame) => Value[] {
    const parts = target.key.map((part) => this.expression(part));
    for (const [i, { type }] of parts.entries()) {
      if (type.kind === 'nothing' || type.kind === 'arguments' || type.kind === 'object' || type.kind === 'aggregate')
        this.fail(target.key[i]!, `${typeText(type)} is no key of a map`);
    }
    const known = this.mapTypes.get(target.name);
    const key = parts.map(({ type }) => type);
    if (known === undefined) this.mapTypes.set(target.name, { key, value: value ?? SIGNED });
    else {
      if (known.key.length !== key.length)
        this.fail(target, `${target.name} has a key of ${known.key.length} parts elsewhere, of ${key.length} here`);
      for (const [i, type] of key.entries()) {
        if (group(type) !== group(known.key[i]!))
          this.fail(
            target.key[i]!,
            `${typeText(type)} where the key of ${target.name} is ${typeText(known.key[i]!)} elsewhere`,
          );
      }
      if (value !== undefined && group(value) !== group(known.value))
        this.fail(target, `${target.name} holds ${typeText(known.value)} elsewhere, ${typeText(value)} here`);
    }
    const runs = parts.map(({ run }) => run);
    return (frame) => runs.map((run) => run(frame));
  }

  map(name: string): ScriptMap {
    const { maps } = this.state;
    let map = maps.get(name);
    if (map === undefined) maps.set(name, (map = new ScriptMap(name, this.environment.mapLimit)));
    return map;
  }

  protected condition(expression: ScriptExpression): (frame: RunFrame) => boolean {
    const { type, run } = this.expression(expression);
    if (type.kind === 'nothing' || type.kind === 'arguments')
      this.fail(expression, `${typeText(type)} is neither true nor false`);
    return (frame) => isTrue(run(frame));
  }

  /** An expression that must be an integer; a pointer is one. */
  integer(expression: ScriptExpression): CompiledScript {
    const compiled = this.expression(expression);
    const { kind } = compiled.type;
    if (kind === 'integer') return compiled;
    if (kind === 'pointer') return { type: UNSIGNED, run: compiled.run };
    return this.fail(expression, `${typeText(compiled.type)} where an integer was expected`);
  }

  expression(expression: ScriptExpression): CompiledScript {
    switch (expression.kind) {
      case 'number': {
        const { value } = expression;
        return { type: SIGNED, run: () => value };
      }
      case 'string': {
        const { value } = expression;
        return { type: STRING, run: () => value };
      }
      case 'name':
        return this.name(expression);
      case 'variable': {
        const variable = this.variables.get(expression.name);
        if (variable === undefined)
          return this.fail(
            expression,
            `${expression.name} has no value yet${suggestion(expression.name, this.variables.keys())}`,
          );
        const { index, type } = variable;
        return { type, run: ({ variables }) => variables[index] ?? zeroOf(type) };
      }
      case 'map':
        return this.readMap(expression);
      case 'unary':
        return this.unary(expression);
      case 'binary':
        return this.binary(expression);
      case 'conditional': {
        const test = this.condition(expression.test);
        const then = this.expression(expression.then);
        const otherwise = this.expression(expression.otherwise);
        if (group(then.type) !== group(otherwise.type))
          this.fail(expression, `one side is ${typeText(then.type)}, the other ${typeText(otherwise.type)}`);
        return { type: then.type, run: (frame) => (test(frame) ? then : otherwise).run(frame) };
      }
      case 'call':
        if (AGGREGATES[expression.name] !== undefined)
          this.fail(expression, `${expression.name}() belongs to a map: write  @name = ${expression.name}(…)`);
        return (
          compileCall(this, expression) ??
          this.fail(
            expression.nameSpan,
            `there is no function ${expression.name}()${suggestion(expression.name, [...FUNCTION_NAMES, ...Object.keys(AGGREGATES)])}`,
          )
        );
      case 'member':
        return compileMember(this, expression);
      case 'index':
        return compileIndex(this, expression);
      case 'cast':
        return compileCast(this, expression);
      case 'sizeof': {
        const value = BigInt(btfOf(this, expression).sizeOf(typeNumber(this, expression.type)));
        return { type: UNSIGNED, run: () => (expression.type.pointers > 0 ? 8n : value) };
      }
      case 'tuple': {
        const items = expression.items.map((item) => this.expression(item));
        return {
          type: { kind: 'tuple', items: items.map(({ type }) => type) },
          run: (frame) => items.map(({ run }) => run(frame)),
        };
      }
    }
  }

  private name(expression: Extract<ScriptExpression, { kind: 'name' }>): CompiledScript {
    const { name } = expression;
    if (name === 'args') return { type: { kind: 'arguments' }, run: () => 0n };
    const builtin = Object.hasOwn(BUILTINS, name) ? BUILTINS[name] : undefined;
    if (builtin !== undefined) {
      const { read } = builtin;
      if (name === 'curtask') {
        const task = this.environment.btf?.named('task_struct');
        if (task !== undefined) return { type: { kind: 'pointer', to: task }, run: ({ context }) => read(context) };
      }
      return { type: builtin.type, run: ({ context }) => read(context) };
    }
    const value = this.environment.btf?.enumerator(name);
    if (value !== undefined) return { type: SIGNED, run: () => value };
    return this.fail(expression, `there is no builtin ${name}${suggestion(name, ['args', ...Object.keys(BUILTINS)])}`);
  }

  private readMap(expression: Extract<ScriptExpression, { kind: 'map' }>): CompiledScript {
    const key = this.key(expression, undefined);
    const map = this.map(expression.name);
    const { value } = this.mapTypes.get(expression.name)!;
    const type = value.kind === 'aggregate' ? SIGNED : value;
    const none = zeroOf(type);
    return {
      type,
      run: (frame) => {
        const found = map.get(key(frame));
        return found === undefined ? none : isAggregate(found) ? found.order : found;
      },
    };
  }

  private unary({ operator, operand, start, end }: Extract<ScriptExpression, { kind: 'unary' }>): CompiledScript {
    if (operator === '!') {
      const test = this.condition(operand);
      return { type: UNSIGNED, run: (frame) => (test(frame) ? 0n : 1n) };
    }
    if (operator === '*') {
      const pointer = this.expression(operand);
      if (pointer.type.kind === 'pointer') return loadValue(this, pointer.type.to, pointer.run, operand);
      const address = this.integer(operand);
      return { type: UNSIGNED, run: (frame) => frame.context.number(address.run(frame) as bigint, 8) };
    }
    if (operator === '&') {
      const object = this.expression(operand);
      if (object.type.kind !== 'object')
        return this.fail({ start, end }, 'only the address of a structure or array can be taken');
      return { type: { kind: 'pointer', to: object.type.type }, run: object.run };
    }
    const { run } = this.integer(operand);
    return operator === '-'
      ? { type: SIGNED, run: (frame) => wrap(-(run(frame) as bigint), true) }
      : { type: UNSIGNED, run: (frame) => wrap(~(run(frame) as bigint), false) };
  }

  protected binary(expression: Extract<ScriptExpression, { kind: 'binary' }>): CompiledScript {
    const { operator } = expression;
    if (operator === '&&' || operator === '||') {
      const left = this.condition(expression.left);
      const right = this.condition(expression.right);
      return operator === '&&'
        ? { type: UNSIGNED, run: (frame) => (left(frame) && right(frame) ? 1n : 0n) }
        : { type: UNSIGNED, run: (frame) => (left(frame) || right(frame) ? 1n : 0n) };
    }
    const first = this.expression(expression.left);
    const second = this.expression(expression.right);
    if (first.type.kind === 'string' && second.type.kind === 'string') {
      if (operator !== '==' && operator !== '!=')
        this.fail(expression, `strings can be compared by == and !=, not by ${operator}`);
      const equal = operator === '==';
      return { type: UNSIGNED, run: (frame) => ((first.run(frame) === second.run(frame)) === equal ? 1n : 0n) };
    }
    if (first.type.kind === 'string' || second.type.kind === 'string')
      this.fail(expression, `${typeText(first.type)} and ${typeText(second.type)} cannot be combined by ${operator}`);
    const a = this.integer(expression.left);
    const b = this.integer(expression.right);
    // As in C: one unsigned operand makes the operation unsigned. A number as written takes the other's side.
    const written = (side: ScriptExpression): boolean => side.kind === 'number';
    const signed = (x: CompiledScript): boolean => x.type.kind === 'integer' && x.type.signed;
    const isSigned = written(expression.left)
      ? signed(b)
      : written(expression.right)
        ? signed(a)
        : signed(a) && signed(b);
    const calculate = OPERATIONS[operator];
    const compares = ['==', '!=', '<', '>', '<=', '>='].includes(operator);
    const pointer = [first, second].find(({ type }) => type.kind === 'pointer')?.type;
    if (pointer?.kind === 'pointer' && (operator === '+' || operator === '-') && this.environment.btf !== undefined) {
      const size = BigInt(Math.max(1, this.environment.btf.sizeOf(pointer.to)));
      const scaled = first.type.kind === 'pointer' ? second.type.kind !== 'pointer' : false;
      if (scaled)
        return {
          type: pointer,
          run: (frame) => wrap(calculate(a.run(frame) as bigint, (b.run(frame) as bigint) * size), false),
        };
    }
    return {
      type: compares || !isSigned ? UNSIGNED : SIGNED,
      run: (frame) =>
        wrap(
          calculate(wrap(a.run(frame) as bigint, isSigned), wrap(b.run(frame) as bigint, isSigned)),
          isSigned && !compares,
        ),
    };
  }

  /** What print() of a map does. */
  printer(name: string, limit: number | undefined): (frame: RunFrame) => void {
    const map = this.map(name);
    const { output } = this.state;
    return () => printMap(output, map, limit);
  }
}

const OPERATIONS: Readonly<Record<BinaryOperator, (a: bigint, b: bigint) => bigint>> = {
  '+': (a, b) => a + b,
  '-': (a, b) => a - b,
  '*': (a, b) => a * b,
  // eBPF's rule (RFC 9669, section 4.1): division by zero is zero, and the remainder is what was to be divided.
  '/': (a, b) => (b === 0n ? 0n : a / b),
  '%': (a, b) => (b === 0n ? a : a % b),
  '&': (a, b) => a & b,
  '|': (a, b) => a | b,
  '^': (a, b) => a ^ b,
  '<<': (a, b) => a << (b & 63n),
  '>>': (a, b) => a >> (b & 63n),
  '==': (a, b) => (a === b ? 1n : 0n),
  '!=': (a, b) => (a === b ? 0n : 1n),
  '<': (a, b) => (a < b ? 1n : 0n),
  '>': (a, b) => (a > b ? 1n : 0n),
  '<=': (a, b) => (a <= b ? 1n : 0n),
  '>=': (a, b) => (a >= b ? 1n : 0n),
  '&&': () => 0n,
  '||': () => 0n,
};

/** Types that can stand for each other in a map or a variable. */
export function group(type: ScriptType): string {
  if (type.kind === 'pointer') return 'integer';
  if (type.kind === 'tuple') return `(${type.items.map(group).join()})`;
  return type.kind === 'aggregate' ? type.name : type.kind;
}
