/** Blocks that only count run as code in the core: they say what the same script says where it is run hit by hit. */
import { describe, expect, test } from 'vitest';
import { createJitCore, type JitCore } from '../../src/jit/core.ts';
import type { CoreKind } from '../../src/machine/engine/cores.ts';
import { Machine } from '../../src/machine/session/machine.ts';
import { stateHash } from '../../src/machine/state/state-hash.ts';
import { LiveProbes } from '../../src/probe/live.ts';
import { MapLimitError } from '../../src/probe/maps.ts';
import { jsonOutput } from '../../src/probe/output.ts';
import { Assembler } from '../jit/assembler.ts';
import { room } from '../machine/fixtures.ts';

const BASE = 0x8000_0000;
const STEPS = 80_000;

/** A loop that fills a0 to a4 with numbers that differ in size and sign, and jumps over one of its instructions at times. */
function program(): Uint8Array {
  const a = new Assembler();
  a.op('addi', { rd: 10, rs1: 10, imm: 1 });
  a.op('slli', { rd: 11, rs1: 10, imm: 55 });
  a.op('mul', { rd: 12, rs1: 10, rs2: 10 });
  a.op('xori', { rd: 13, rs1: 12, imm: -1 });
  a.op('andi', { rd: 14, rs1: 10, imm: 7 });
  a.op('bne', { rs1: 14, rs2: 0, imm: 8 });
  a.op('srai', { rd: 11, rs1: 11, imm: 3 });
  a.op('jal', { rd: 0, imm: -28 });
  return a.finish();
}

const point = (n: number): string => `watchpoint:0x${(BASE + 4 * n).toString(16)}:1:x`;

async function run(
  core: CoreKind,
  script: string,
  mapLimit = 100_000,
): Promise<{ text: string; hits: number; hash: string }> {
  const firmware = { file: 'loop', bytes: program() };
  await using machine = await Machine.create({ firmware, memory: '4M', core }, room);
  const { engine } = machine.internals;
  // What is executed is translated at once.
  if (core === 'jit') engine.changeCore((memory, bus) => createJitCore(memory, bus, { threshold: 0 }));
  let text = '';
  const output = jsonOutput((piece) => {
    text += piece;
  });
  const live = await LiveProbes.start(machine, script, output, { mapLimit });
  // In parts, so that code is translated meanwhile on any machine.
  for (let i = 1; i <= 8; i++) await machine.run({ instructions: (STEPS / 8) * i });
  live.end();
  const { hits } = await live.ended;
  if (core === 'jit') expect((engine.core as JitCore).statistics().ticks).toBeGreaterThan(STEPS / 10);
  return { text, hits, hash: stateHash(engine) };
}

/** The same scripts in each run of this test. */
function* randomScripts(count: number): Generator<string> {
  let seed = 7;
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    return (seed >>> 8) % below;
  };
  const pick = <T>(of: readonly T[]): T => of[random(of.length)]!;
  const value = (depth: number): string => {
    if (depth === 0 || random(3) === 0)
      return pick(['arg0', 'arg1', 'arg2', 'arg3', 'arg4', 'retval', 'cpu', '0', '3', '0x8000000000000000', '255']);
    if (random(6) === 0) return `${pick(['-', '~', '!'])}(${value(depth - 1)})`;
    const operator = pick([
      '+',
      '-',
      '*',
      '&',
      '|',
      '^',
      '<<',
      '>>',
      '==',
      '!=',
      '<',
      '>',
      '<=',
      '>=',
      '&&',
      '||',
      '/',
    ]);
    return `(${value(depth - 1)} ${operator} ${value(depth - 1)})`;
  };
  for (let i = 0; i < count; i++)
    yield Array.from({ length: 1 + random(3) }, (_, block) => {
      const statements = Array.from({ length: 1 + random(3) }, (_, n) => {
        const summary = pick(['count', 'sum', 'min', 'max', 'avg', 'stats', 'hist']);
        const argument = summary === 'count' ? '' : value(2);
        const keys = Array.from({ length: random(3) }, () => `(${value(1)}) & 15`);
        return `@m${block}${n}${keys.length > 0 ? `[${keys.join(', ')}]` : ''} = ${summary}(${argument});`;
      });
      return `${point(random(8))} ${random(2) === 0 ? `/${value(2)}/ ` : ''}{ ${statements.join(' ')} }`;
    }).join('\n');
}

describe('compiled blocks', () => {
  test('say what the same scripts say hit by hit, and leave the state as it is', { timeout: 120_000 }, async () => {
    const plain = await run('jit', 'BEGIN { @x = 1; }');
    let hits = 0;
    for (const script of randomScripts(16)) {
      const [compiled, interpreted] = [await run('jit', script), await run('wasm', script)];
      expect(compiled.text, script).toBe(interpreted.text);
      expect([compiled.hits, compiled.hash], script).toEqual([interpreted.hits, plain.hash]);
      hits += compiled.hits;
    }
    expect(hits).toBeGreaterThan(100_000);
  });

  test.each([
    ['more keys than there is room for', `${point(2)} { @[arg0] = count(); @h[arg0 & 3] = hist(arg2); }`],
    [
      'blocks that read what others count',
      `${point(1)} { @ = count(); } ${point(6)} { $n = @; @seen[$n & 7] = count(); } interval:us:7 { print(@); clear(@); }`,
    ],
    [
      'two blocks at one place, and exit()',
      `${point(3)} { @a = count(); } ${point(3)} /arg0 == 7777/ { @b = count(); exit(); }`,
    ],
  ])('%s', async (_, script) => {
    expect(await run('jit', script)).toEqual(await run('wasm', script));
  });

  test('a map that grows over its limit ends the script at the same hit', async () => {
    for (const core of ['jit', 'wasm'] as const)
      await expect(run(core, `${point(2)} { @[arg0] = count(); }`, 100)).rejects.toThrow(MapLimitError);
  });
});
