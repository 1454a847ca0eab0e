import { AGGREGATES, isAggregate } from './aggregates.ts';
import { ExpressionCompiler, group, type RunFrame } from './compile-expression.ts';
import type { ProbeArguments, ProbeContext } from './environment.ts';
import type { Span } from './script-error.ts';
import type { BinaryOperator, ProbeBlock, ScriptExpression, ScriptStatement, Target } from './syntax.ts';
import { type ScriptType, SIGNED, typeText } from './values.ts';

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

/** Turns the blocks of one script into functions. */
export class Compiler extends ExpressionCompiler {
  private loops = 0;

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
}
