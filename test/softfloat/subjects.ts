/** The two implementations, each as a function from case bytes to outcome bytes. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import asc from 'assemblyscript/asc';
import { SoftFloat } from '../../src/core/ts/softfloat/index.ts';
import { CASE_BYTES, NATIVE, type Operation, OUTCOME_BYTES, operations } from './operations.ts';

export type Subject = (cases: Uint8Array) => Uint8Array;

const softfloat = fileURLToPath(new URL('../../assembly/softfloat', import.meta.url));

/** AssemblyScript that runs a batch of cases found in memory. */
function batchSource(library: string): string {
  const imports = [...new Set(operations.flatMap(({ name, native }) => (native ? [name, `${name}_nx`] : [name])))];
  const call = ({ name, takes, rounds, native, flips }: Operation) => {
    const operands = takes.map((kind, i) => {
      const operand = flips & (1 << i) ? `(${'abc'[i]} ^ (<u64>1 << ${kind === 'd' ? 63 : 31}))` : 'abc'[i];
      return kind === 's' ? `<u32>${operand}` : operand;
    });
    const full = `${name}(${[...operands, ...(rounds ? ['rm'] : [])].join(', ')})`;
    return native ? `rm == ${NATIVE} ? <u64>${name}_nx(${operands.join(', ')}) : <u64>${full}` : `<u64>${full}`;
  };
  return `import { fflags, setFlags, ${imports.join(', ')} } from "${library}";
function apply(op: u32, rm: u32, a: u64, b: u64, c: u64): u64 {
  switch (op) {
${operations.map((operation, i) => `    case ${i}: return ${call(operation)};`).join('\n')}
    default: return unreachable();
  }
}
export function run(cases: usize, outcomes: usize, count: i32): void {
  for (let i = 0; i < count; i++) {
    setFlags(0);
    const result = apply(load<u32>(cases), load<u32>(cases, 4), load<u64>(cases, 8), load<u64>(cases, 16), load<u64>(cases, 24));
    store<u64>(outcomes, result);
    store<u64>(outcomes, fflags, 8);
    cases += ${CASE_BYTES};
    outcomes += ${OUTCOME_BYTES};
  }
}
`;
}

/** Compiles assembly/softfloat with a batch driver. */
export async function assemblyScript(): Promise<Subject> {
  const room = mkdtempSync(join(tmpdir(), 'softfloat-'));
  try {
    writeFileSync(join(room, 'batch.ts'), batchSource(relative(room, join(softfloat, 'index'))));
    const { error, stderr } = await asc.main([
      'batch.ts',
      '--baseDir',
      room,
      '--runtime',
      'stub',
      '-O3',
      '-o',
      'batch.wasm',
    ]);
    if (error) throw new Error(`asc: ${error.message}\n${stderr.toString()}`);
    const { instance } = await WebAssembly.instantiate(readFileSync(join(room, 'batch.wasm')), {
      env: {
        abort: () => {
          throw new Error('abort');
        },
      },
    });
    const { memory, run } = instance.exports as {
      memory: WebAssembly.Memory;
      run(a: number, b: number, n: number): void;
    };
    return (cases) => {
      const count = cases.length / CASE_BYTES;
      const base = 65536;
      const needed = base + count * (CASE_BYTES + OUTCOME_BYTES);
      if (memory.buffer.byteLength < needed) memory.grow(Math.ceil((needed - memory.buffer.byteLength) / 65536));
      new Uint8Array(memory.buffer).set(cases, base);
      run(base, base + cases.length, count);
      return new Uint8Array(memory.buffer).slice(base + cases.length, needed);
    };
  } finally {
    rmSync(room, { recursive: true });
  }
}

/** The TypeScript implementation. */
export function typeScript(): Subject {
  const soft = new SoftFloat();
  const methods = operations.map(({ name }) => {
    const method = name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());
    return (soft as unknown as Record<string, (...args: number[]) => void>)[method]!.bind(soft);
  });
  return (cases) => {
    const count = cases.length / CASE_BYTES;
    const words = new Int32Array(cases.slice().buffer);
    const outcomes = new Int32Array(count * 4);
    const args: number[] = [];
    for (let i = 0; i < count; i++) {
      const at = i * 8;
      const { takes, rounds, gives, name, flips } = operations[words[at]!]!;
      const mode = words[at + 1]!;
      args.length = 0;
      takes.forEach((kind, operand) => {
        const sign = flips & (1 << operand) ? 0x8000_0000 : 0;
        args.push(words[at + 2 + 2 * operand]! ^ (kind === 's' ? sign : 0));
        if (kind === 'd' || (kind === 'x' && name[1] === '6'))
          args.push(words[at + 3 + 2 * operand]! ^ (kind === 'd' ? sign : 0));
      });
      if (rounds) args.push(mode === NATIVE ? 0 : mode);
      soft.flags = 0;
      soft.inexactAlready = mode === NATIVE;
      methods[words[at]!]!(...args);
      outcomes[4 * i] = soft.lo;
      outcomes[4 * i + 1] = gives === 's' ? 0 : soft.hi;
      outcomes[4 * i + 2] = soft.flags;
    }
    return new Uint8Array(outcomes.buffer);
  };
}
