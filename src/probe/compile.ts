import { AGGREGATES, isAggregate } from './aggregates.ts';
import { BUILTINS } from './builtins.ts';
import type { ProbeArguments, ProbeContext, ScriptEnvironment } from './environment.ts';
import { compileCall, FUNCTION_NAMES } from './functions.ts';
import { ScriptMap } from './maps.ts';
import { type Output, printMap } from './output.ts';
import { ScriptError, type Span, suggestion } from './script-error.ts';
import type { BinaryOperator, ProbeBlock, ScriptExpression, ScriptStatement, Target, TypeName } from './syntax.ts';
import { isTrue, type ScriptType, SIGNED, STRING, textOf, typeText, UNSIGNED, type Value, wrap } from './values.ts';

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

type Act = (frame: RunFrame) => void;

/** Left a block, a loop or the script. */
class Leave {
  readonly what: 'return' | 'break' | 'continue';
  constructor(what: Leave['what']) {
    this.what = what;
  }
}
const RETURN = new Leave('return');
const BREAK = new Leave('break');
const CONTINUE = new Leave('continue');

/** Most turns of a loop in one run of a block: a script must end. */
const LOOP_LIMIT = 1_000_000;
const UNROLL_LIMIT = 4096;

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

/** Turns the blocks of one script into functions; types are checked on the way. */
export class Compiler {
  readonly script: string;
  readonly environment: ScriptEnvironment;
  readonly state: ScriptState;
  private readonly mapTypes = new Map<string, { readonly key: readonly ScriptType[]; readonly value: ScriptType }>();
  /** Of the block that is being compiled. */
  private variables = new Map<string, { readonly index: number; type: ScriptType }>();
  private args: ProbeArguments = new Map();
  private loops = 0;

  constructor(script: string, environment: ScriptEnvironment, state: ScriptState) {
    this.script = script;
    this.environment = environment;
    this.state = state;
  }

  /**
   * @param args what the block's probes bring, by name; only what all of them bring
   * @throws ScriptError
   */
  block(block: ProbeBlock, args: ProbeArguments): (context: ProbeContext) => void {
    this.variables = new Map();
    this.args = args;
    const predicate = block.predicate && this.condition(block.predicate);
    const body = this.sequence(block.body);
    return (context) => {
      const frame: RunFrame = { context, variables: [] };
      if (predicate !== undefined && !predicate(frame)) return;
      try {
        body(frame);
      } catch (left) {
        if (!(left instanceof Leave)) throw left;
      }
    };
  }

  fail(span: Span, reason: string): never {
    throw new ScriptError(reason, this.script, span);
  }

  // ---- statements

  private sequence(statements: readonly ScriptStatement[]): Act {
    const acts = statements.map((statement) => this.statement(statement));
    return (frame) => {
      for (const act of acts) act(frame);
    };
  }

  private statement(statement: ScriptStatement): Act {
    switch (statement.kind) {
      case 'expression': {
        const { run } = this.expression(statement.expression);
        return (frame) => void run(frame);
      }
      case 'assign':
        return this.assign(statement.target, statement.operator, statement.value);
      case 'step': {
        const one: ScriptExpression = {
          kind: 'number',
          value: statement.by,
          start: statement.start,
          end: statement.end,
        };
        return this.assign(statement.target, '+', one);
      }
      case 'if': {
        const test = this.condition(statement.test);
        const then = this.sequence(statement.then);
        const otherwise = this.sequence(statement.otherwise);
        return (frame) => (test(frame) ? then(frame) : otherwise(frame));
      }
      case 'while': {
        const test = this.condition(statement.test);
        return this.loop(statement, statement.body, function* (frame) {
          while (test(frame)) yield;
        });
      }
      case 'unroll': {
        const { count } = statement;
        if (count.kind !== 'number' || count.value < 1n || count.value > BigInt(UNROLL_LIMIT))
          this.fail(count, `expected a number from 1 to ${UNROLL_LIMIT}`);
        const times = Number(count.value);
        return this.loop(statement, statement.body, function* () {
          for (let i = 0; i < times; i++) yield;
        });
      }
      case 'for':
        return this.overMap(statement);
      case 'return':
        return () => {
          throw RETURN;
        };
      default: {
        if (this.loops === 0) this.fail(statement, `${statement.kind} outside of a loop`);
        const leave = statement.kind === 'break' ? BREAK : CONTINUE;
        return () => {
          throw leave;
        };
      }
    }
  }

  private loop(span: Span, statements: readonly ScriptStatement[], turns: (frame: RunFrame) => Generator<void>): Act {
    this.loops++;
    const body = this.sequence(statements);
    this.loops--;
    return (frame) => {
      let count = 0;
      for (const _ of turns(frame)) {
        if (++count > LOOP_LIMIT) this.fail(span, `this loop took more than ${LOOP_LIMIT} turns`);
        try {
          body(frame);
        } catch (left) {
          if (left === BREAK) return;
          if (left !== CONTINUE) throw left;
        }
      }
    };
  }

  /** `for ($entry : @map)`: $entry.0 is the key, $entry.1 the value. */
  private overMap(statement: Extract<ScriptStatement, { kind: 'for' }>): Act {
    const types = this.mapTypes.get(statement.map);
    if (types === undefined) this.fail(statement, `${statement.map} is not used before: nothing can be in it`);
    const key: ScriptType = types.key.length === 1 ? types.key[0]! : { kind: 'tuple', items: types.key };
    const value = types.value.kind === 'aggregate' ? SIGNED : types.value;
    const variable = this.declare(statement.variable, { kind: 'tuple', items: [key, value] }, statement);
    const map = this.map(statement.map);
    return this.loop(statement, statement.body, function* (frame) {
      for (const entry of map.sorted()) {
        const first = entry.key.length === 1 ? entry.key[0]! : entry.key;
        frame.variables[variable] = [first, isAggregate(entry.value) ? entry.value.order : entry.value];
        yield;
      }
    });
  }

  private assign(target: Target, operator: BinaryOperator | undefined, value: ScriptExpression): Act {
    if (
      target.kind === 'map' &&
      value.kind === 'call' &&
      operator === undefined &&
      AGGREGATES[value.name] !== undefined
    )
      return this.aggregate(target, value);
    // A map or variable that is only ever counted up begins at 0.
    if (operator !== undefined && target.kind === 'map' && !this.mapTypes.has(target.name))
      this.mapTypes.set(target.name, { key: target.key.map((part) => this.expression(part).type), value: SIGNED });
    const source =
      operator === undefined
        ? this.expression(value)
        : this.binary({ kind: 'binary', operator, left: target, right: value, start: target.start, end: value.end });
    if (source.type.kind === 'nothing' || source.type.kind === 'arguments')
      this.fail(value, `${typeText(source.type)} cannot be kept`);
    if (target.kind === 'variable') {
      const index = this.declare(target.name, source.type, target);
      return (frame) => {
        frame.variables[index] = source.run(frame);
      };
    }
    const key = this.key(target, source.type);
    const map = this.map(target.name);
    return (frame) => map.set(key(frame), source.run(frame));
  }

  private aggregate(target: Extract<Target, { kind: 'map' }>, call: Extract<ScriptExpression, { kind: 'call' }>): Act {
    const { args, create } = AGGREGATES[call.name]!;
    if (call.args.length !== args)
      this.fail(
        call,
        `${call.name}() takes ${args === 0 ? 'no arguments' : args === 1 ? 'one argument' : `${args} arguments`}, ${call.args.length} are given`,
      );
    const constants = call.args
      .slice(1)
      .map((arg) => (arg.kind === 'number' ? arg.value : this.fail(arg, 'expected a number')));
    if (call.name === 'lhist' && (constants[2]! <= 0n || constants[1]! <= constants[0]!))
      this.fail(call, 'lhist(value, min, max, step): expected min < max and step > 0');
    const value = call.args[0] && this.integer(call.args[0]);
    const key = this.key(target, { kind: 'aggregate', name: call.name });
    const map = this.map(target.name);
    const make = (): ReturnType<typeof create> => create(constants);
    return (frame) => map.aggregate(key(frame), make).add(value === undefined ? 0n : (value.run(frame) as bigint));
  }

  /** Checks a map's key and value against how it is used elsewhere. */
  private key(target: Extract<Target, { kind: 'map' }>, value: ScriptType | undefined): (frame: RunFrame) => Value[] {
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

  private declare(name: string, type: ScriptType, span: Span): number {
    const known = this.variables.get(name);
    if (known === undefined) {
      const index = this.variables.size;
      this.variables.set(name, { index, type });
      return index;
    }
    if (group(known.type) !== group(type))
      this.fail(span, `${name} is ${typeText(known.type)} before, ${typeText(type)} here`);
    return known.index;
  }

  // ---- expressions

  private condition(expression: ScriptExpression): (frame: RunFrame) => boolean {
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
        return this.member(expression);
      case 'index':
        return this.index(expression);
      case 'cast':
        return this.cast(expression);
      case 'sizeof': {
        const value = BigInt(this.btf(expression).sizeOf(this.typeNumber(expression.type)));
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
      if (pointer.type.kind === 'pointer') return this.load(pointer.type.to, pointer.run, operand);
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

  private binary(expression: Extract<ScriptExpression, { kind: 'binary' }>): CompiledScript {
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

  private member(expression: Extract<ScriptExpression, { kind: 'member' }>): CompiledScript {
    const { field, fieldSpan } = expression;
    const object = this.expression(expression.object);
    if (object.type.kind === 'arguments') {
      const type = this.args.get(field);
      if (type === undefined) {
        const has =
          this.args.size === 0
            ? 'these probes bring none by name'
            : `expected one of ${[...this.args.keys()].join(', ')}`;
        return this.fail(fieldSpan, `there is no argument ${field}: ${has}`);
      }
      return { type, run: ({ context }) => context.argument(field) };
    }
    if (object.type.kind === 'tuple') {
      const type = object.type.items[Number(field)];
      if (type === undefined) return this.fail(fieldSpan, `this tuple has items 0 to ${object.type.items.length - 1}`);
      return { type, run: (frame) => (object.run(frame) as readonly Value[])[Number(field)] ?? zeroOf(type) };
    }
    const btf = this.btf(expression);
    const struct =
      object.type.kind === 'pointer' ? object.type.to : object.type.kind === 'object' ? object.type.type : undefined;
    const shape = struct === undefined ? undefined : btf.describe(struct);
    if (struct === undefined || shape?.kind !== 'structure')
      return this.fail(
        expression.object,
        `${typeText(object.type)} has no fields: cast it, for example  ((struct task_struct *)arg0)->${field}`,
      );
    const found = btf.field(struct, field);
    if (found === undefined)
      return this.fail(
        fieldSpan,
        `struct ${shape.name} has no field ${field}${suggestion(
          field,
          btf.members(struct).map(({ name }) => name),
        )}`,
      );
    const offset = BigInt(found.offset);
    const address = (frame: RunFrame): bigint => wrap((object.run(frame) as bigint) + offset, false);
    if (found.bits === undefined) return this.load(found.type, address, fieldSpan);
    const { from, count } = found.bits;
    const mask = (1n << BigInt(count)) - 1n;
    return {
      type: UNSIGNED,
      run: (frame) => (frame.context.number(address(frame), found.size) >> BigInt(from)) & mask,
    };
  }

  /** What lies at an address, by its type. */
  private load(type: number, address: (frame: RunFrame) => Value, span: Span): CompiledScript {
    const shape = this.btf(span).describe(type);
    switch (shape.kind) {
      case 'integer': {
        const { size, signed } = shape;
        const bits = size * 8;
        return {
          type: signed ? SIGNED : UNSIGNED,
          run: (frame) => {
            const value = frame.context.number(address(frame) as bigint, size);
            return signed ? BigInt.asIntN(bits, value) : value;
          },
        };
      }
      case 'pointer':
        return {
          type: { kind: 'pointer', to: shape.to },
          run: (frame) => frame.context.number(address(frame) as bigint, 8),
        };
      case 'array': {
        const item = this.btf(span).describe(shape.of);
        // Characters are a text, as names in the kernel are.
        if (item.kind !== 'integer' || item.size !== 1) return { type: { kind: 'object', type }, run: address };
        const { count } = shape;
        return { type: STRING, run: (frame) => textOf(frame.context.bytes(address(frame) as bigint, count)) };
      }
      case 'structure':
        return { type: { kind: 'object', type }, run: address };
      default:
        return this.fail(span, 'a value of this type cannot be read');
    }
  }

  private index({ object, index, start, end }: Extract<ScriptExpression, { kind: 'index' }>): CompiledScript {
    const base = this.expression(object);
    const at = this.integer(index);
    const btf = this.btf({ start, end });
    const array = base.type.kind === 'object' ? btf.describe(base.type.type) : undefined;
    const of = base.type.kind === 'pointer' ? base.type.to : array?.kind === 'array' ? array.of : undefined;
    if (of === undefined) return this.fail(object, `${typeText(base.type)} is no array`);
    const size = BigInt(btf.sizeOf(of));
    return this.load(of, (frame) => wrap((base.run(frame) as bigint) + size * (at.run(frame) as bigint), false), {
      start,
      end,
    });
  }

  private cast({ type, operand }: Extract<ScriptExpression, { kind: 'cast' }>): CompiledScript {
    const value = this.expression(operand);
    if (value.type.kind !== 'integer' && value.type.kind !== 'pointer')
      return this.fail(operand, `${typeText(value.type)} cannot be cast`);
    const { run } = value;
    const number = this.typeNumber(type);
    if (type.pointers > 0) {
      // A pointer to a pointer is a pointer to something of eight bytes.
      return {
        type: type.pointers === 1 ? { kind: 'pointer', to: number } : UNSIGNED,
        run: (frame) => wrap(run(frame) as bigint, false),
      };
    }
    const shape = this.btf(type).describe(number);
    if (shape.kind !== 'integer') return this.fail(type, 'a value can be cast to an integer type or a pointer');
    const bits = shape.size * 8;
    return shape.signed
      ? { type: SIGNED, run: (frame) => BigInt.asIntN(bits, run(frame) as bigint) }
      : { type: UNSIGNED, run: (frame) => BigInt.asUintN(bits, run(frame) as bigint) };
  }

  private typeNumber(type: TypeName): number {
    if (type.name === 'void') return 0;
    const btf = this.btf(type);
    return (
      btf.named(type.name) ??
      this.fail(type, `the kernel has no type ${type.name}${suggestion(type.name, btf.typeNames())}`)
    );
  }

  private btf(span: Span): NonNullable<ScriptEnvironment['btf']> {
    return (
      this.environment.btf ??
      this.fail(span, "the guest's kernel has no type information (BTF): fields and casts need it")
    );
  }

  /** What print() of a map does. */
  printer(name: string, limit: number | undefined): Act {
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
function group(type: ScriptType): string {
  if (type.kind === 'pointer') return 'integer';
  if (type.kind === 'tuple') return `(${type.items.map(group).join()})`;
  return type.kind === 'aggregate' ? type.name : type.kind;
}

/** What is read where nothing was written. */
function zeroOf(type: ScriptType): Value {
  if (type.kind === 'string') return '';
  return type.kind === 'tuple' ? type.items.map(zeroOf) : 0n;
}
