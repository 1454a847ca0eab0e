import { INTEGER_REGISTERS } from '../isa/names.ts';
import type { CompiledScript, ExpressionCompiler, RunFrame } from './compile-expression.ts';
import { parseFormat } from './format.ts';
import type { ScriptExpression } from './syntax.ts';
import { NOTHING, STRING, textOf, typeText, UNSIGNED, type Value } from './values.ts';

type Call = Extract<ScriptExpression, { kind: 'call' }>;

/** Functions by name: how many arguments they take at least and at most, and what they become. */
const FUNCTIONS: Readonly<
  Record<
    string,
    { readonly least: number; readonly most: number; compile(compiler: ExpressionCompiler, call: Call): CompiledScript }
  >
> = {
  printf: { least: 1, most: Infinity, compile: (compiler, call) => formatted(compiler, call, '') },
  print: { least: 1, most: 2, compile: print },
  clear: { least: 1, most: 1, compile: (compiler, call) => ofMap(compiler, call, (map) => map.clear()) },
  zero: {
    least: 1,
    most: 1,
    compile: (compiler, call) =>
      ofMap(compiler, call, (map) => {
        for (const { key, value } of map.sorted())
          if (typeof value === 'bigint') map.set(key, 0n);
          else map.delete(key);
      }),
  },
  delete: { least: 1, most: 2, compile: remove },
  len: { least: 1, most: 1, compile: size },
  exit: {
    least: 0,
    most: 1,
    compile: ({ state }) =>
      act(() => {
        state.exited = true;
      }),
  },
  str: { least: 1, most: 2, compile: text },
  buf: { least: 1, most: 2, compile: buffer },
  ksym: { least: 1, most: 1, compile: (compiler, call) => symbol(compiler, call, false) },
  usym: { least: 1, most: 1, compile: (compiler, call) => symbol(compiler, call, true) },
  kaddr: { least: 1, most: 1, compile: kernelAddress },
  kstack: { least: 0, most: 1, compile: (compiler, call) => stack(compiler, call, false) },
  ustack: { least: 0, most: 1, compile: (compiler, call) => stack(compiler, call, true) },
  reg: { least: 1, most: 1, compile: register },
  strncmp: { least: 3, most: 3, compile: compareStart },
  strcontains: { least: 2, most: 2, compile: contains },
};

export const FUNCTION_NAMES = Object.keys(FUNCTIONS);

/** Compiles a call; undefined when there is no such function. */
export function compileCall(compiler: ExpressionCompiler, call: Call): CompiledScript | undefined {
  const known = Object.hasOwn(FUNCTIONS, call.name) ? FUNCTIONS[call.name] : undefined;
  if (known === undefined) return undefined;
  const { least, most } = known;
  const given = call.args.length;
  if (given < least || given > most) {
    const wanted = least === most ? `${least}` : most === Infinity ? `at least ${least}` : `${least} to ${most}`;
    compiler.fail(call, `${call.name}() takes ${wanted} argument${wanted === '1' ? '' : 's'}, ${given} are given`);
  }
  return known.compile(compiler, call);
}

const act = (run: (frame: RunFrame) => void): CompiledScript => ({
  type: NOTHING,
  run: (frame) => {
    run(frame);
    return 0n;
  },
});

function formatted(compiler: ExpressionCompiler, call: Call, end: string): CompiledScript {
  const [first, ...rest] = call.args;
  if (first?.kind !== 'string')
    return compiler.fail(first ?? call, `${call.name}() begins with a format in double quotes`);
  const format = parseFormat(first.value);
  if (typeof format === 'string') return compiler.fail(first, format);
  if (format.wants.length !== rest.length)
    compiler.fail(call, `the format has ${format.wants.length} conversions, ${rest.length} values follow`);
  const values = rest.map((argument, i) => {
    const value = compiler.expression(argument);
    const { kind } = value.type;
    if (format.wants[i] === 'string') {
      if (kind === 'object' || kind === 'arguments' || kind === 'nothing')
        compiler.fail(argument, `${typeText(value.type)} cannot be printed by %s: take str() of it`);
      return value;
    }
    return compiler.integer(argument);
  });
  const { output } = compiler.state;
  return act((frame) => output.text(format.print(values.map(({ run }) => run(frame))) + end));
}

function print(compiler: ExpressionCompiler, call: Call): CompiledScript {
  const [what, top] = call.args;
  if (what!.kind === 'map' && what!.key.length === 0) {
    const limit =
      top === undefined
        ? undefined
        : top.kind === 'number'
          ? Number(top.value)
          : compiler.fail(top, 'expected a number of entries');
    return act(compiler.printer(what!.name, limit));
  }
  const value = compiler.expression(what!);
  if (value.type.kind === 'nothing' || value.type.kind === 'arguments')
    compiler.fail(what!, `${typeText(value.type)} cannot be printed`);
  const { output } = compiler.state;
  return act((frame) => output.value(value.run(frame)));
}

function ofMap(
  compiler: ExpressionCompiler,
  call: Call,
  run: (map: ReturnType<ExpressionCompiler['map']>) => void,
): CompiledScript {
  const [what] = call.args;
  if (what?.kind !== 'map' || what.key.length > 0)
    return compiler.fail(what ?? call, `${call.name}() takes a map, such as @counts`);
  const map = compiler.map(what.name);
  return act(() => run(map));
}

/** `delete(@map[key])` or `delete(@map, key)`. */
function remove(compiler: ExpressionCompiler, call: Call): CompiledScript {
  const [what, second] = call.args;
  if (what?.kind !== 'map') return compiler.fail(what ?? call, 'delete() takes an entry of a map, such as @start[tid]');
  const parts = second === undefined ? what.key : second.kind === 'tuple' ? second.items : [second];
  const runs = parts.map((part) => compiler.expression(part).run);
  const map = compiler.map(what.name);
  return act((frame) => map.delete(runs.map((run) => run(frame))));
}

function size(compiler: ExpressionCompiler, call: Call): CompiledScript {
  const [what] = call.args;
  if (what?.kind === 'map' && what.key.length === 0) {
    const map = compiler.map(what.name);
    return { type: UNSIGNED, run: () => BigInt(map.size) };
  }
  const value = compiler.expression(what!);
  if (value.type.kind !== 'string') compiler.fail(what!, `${typeText(value.type)} has no length`);
  return { type: UNSIGNED, run: (frame) => BigInt((value.run(frame) as string).length) };
}

/** A NUL-terminated string at an address; a text stays as it is. */
function text(compiler: ExpressionCompiler, call: Call): CompiledScript {
  const [what] = call.args;
  const known = compiler.expression(what!);
  if (known.type.kind === 'string' && call.args.length === 1) return known;
  const { address, length } = memory(compiler, call);
  return { type: STRING, run: (frame) => textOf(frame.context.bytes(address(frame), length(frame))) };
}

/** Bytes at an address, what is not printable as \xNN. */
function buffer(compiler: ExpressionCompiler, call: Call): CompiledScript {
  const { address, length } = memory(compiler, call);
  return {
    type: STRING,
    run: (frame) =>
      Array.from(frame.context.bytes(address(frame), length(frame)), (byte) =>
        byte >= 32 && byte < 127 ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, '0')}`,
      ).join(''),
  };
}

function memory(
  compiler: ExpressionCompiler,
  call: Call,
): { address: (frame: RunFrame) => bigint; length: (frame: RunFrame) => number } {
  const [what, most] = call.args;
  const value = compiler.expression(what!);
  const { type } = value;
  if (type.kind !== 'integer' && type.kind !== 'pointer' && type.kind !== 'object')
    compiler.fail(what!, `${typeText(type)} where an address was expected`);
  const limit = compiler.environment.stringLimit;
  const room = type.kind === 'object' ? Math.min(limit, compiler.environment.btf?.sizeOf(type.type) ?? limit) : limit;
  const wanted = most === undefined ? undefined : compiler.integer(most);
  return {
    address: (frame) => BigInt.asUintN(64, value.run(frame) as bigint),
    length: (frame) => {
      const length = wanted === undefined ? room : Number(BigInt.asIntN(64, wanted.run(frame) as bigint));
      return Math.max(0, Math.min(room, length));
    },
  };
}

function symbol(compiler: ExpressionCompiler, call: Call, user: boolean): CompiledScript {
  const { run } = compiler.integer(call.args[0]!);
  return { type: STRING, run: (frame) => frame.context.symbol(BigInt.asUintN(64, run(frame) as bigint), user) };
}

function kernelAddress(compiler: ExpressionCompiler, call: Call): CompiledScript {
  const [name] = call.args;
  if (name?.kind !== 'string')
    return compiler.fail(name ?? call, 'kaddr() takes the name of a symbol in double quotes');
  const address = compiler.environment.kernelAddress(name.value);
  if (address === undefined) return compiler.fail(name, `the kernel has no symbol ${name.value}`);
  return { type: UNSIGNED, run: () => address };
}

function stack(compiler: ExpressionCompiler, call: Call, user: boolean): CompiledScript {
  const [most] = call.args;
  const limit =
    most === undefined
      ? 127
      : most.kind === 'number'
        ? Number(most.value)
        : compiler.fail(most, 'expected a number of frames');
  return { type: STRING, run: ({ context }) => context.stack(user, limit) };
}

function register(compiler: ExpressionCompiler, call: Call): CompiledScript {
  const [name] = call.args;
  const number = name?.kind === 'string' ? INTEGER_REGISTERS.indexOf(name.value) : -1;
  if (number < 0)
    return compiler.fail(
      name ?? call,
      `reg() takes the name of a register in double quotes: ${INTEGER_REGISTERS.join(' ')}`,
    );
  return { type: UNSIGNED, run: ({ context }) => context.x(number) };
}

function strings(compiler: ExpressionCompiler, call: Call): (frame: RunFrame) => [string, string] {
  const [a, b] = call.args.slice(0, 2).map((argument) => {
    const value = compiler.expression(argument);
    if (value.type.kind !== 'string') compiler.fail(argument, `${typeText(value.type)} where a string was expected`);
    return value.run;
  }) as [(frame: RunFrame) => Value, (frame: RunFrame) => Value];
  return (frame) => [a(frame) as string, b(frame) as string];
}

/** 0 where the first characters are equal, as in C. */
function compareStart(compiler: ExpressionCompiler, call: Call): CompiledScript {
  const both = strings(compiler, call);
  const count = compiler.integer(call.args[2]!);
  return {
    type: UNSIGNED,
    run: (frame) => {
      const [a, b] = both(frame);
      const n = Number(count.run(frame));
      return a.slice(0, n) === b.slice(0, n) ? 0n : 1n;
    },
  };
}

function contains(compiler: ExpressionCompiler, call: Call): CompiledScript {
  const both = strings(compiler, call);
  return {
    type: UNSIGNED,
    run: (frame) => {
      const [a, b] = both(frame);
      return a.includes(b) ? 1n : 0n;
    },
  };
}
