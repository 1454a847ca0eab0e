/** What the command line tells of the translator. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { statisticsLines } from '../../src/cli/translator-report.ts';
import { SYSCON_POWEROFF } from '../../src/devices/syscon.ts';
import { MEMORY_MAP } from '../../src/machine/board/memory-map.ts';
import { Assembler } from '../jit/assembler.ts';
import { hindsight } from './hindsight.ts';

let dir: string;
let program: string;

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'hindsight-stats-'));
  program = join(dir, 'program.bin');
  const a = new Assembler();
  a.li(10, 4_000_000);
  a.label('loop');
  a.op('addi', { rd: 10, rs1: 10, imm: -1 });
  a.op('xor', { rd: 11, rs1: 11, rs2: 10 });
  a.to('bne', { rs1: 10, rs2: 0 }, 'loop');
  a.li(6, MEMORY_MAP.syscon.base);
  a.li(7, SYSCON_POWEROFF);
  a.op('sw', { rs1: 6, rs2: 7 });
  writeFileSync(program, a.finish());
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

test('--stats and --dump-regions tell what the translator made', async () => {
  const dump = join(dir, 'regions.txt');
  const ended = await hindsight([
    'run',
    '--firmware',
    program,
    '--kernel',
    'none',
    '--mem',
    '2M',
    '--stats',
    '--json',
    '--dump-regions',
    dump,
  ]);
  expect(ended.status).toBe(0);
  expect(ended.stderr).toMatch(/^hindsight: \d+\.\d % of 12 M instructions in translated code/m);
  const { translator, instructions } = JSON.parse(ended.stdout.trim().split('\n').at(-1)!) as {
    translator: Record<string, never>;
    instructions: number;
  };
  expect(translator).toMatchObject({ regions: { made: 1, live: 1 }, modules: 1 });
  expect(translator.ticks / instructions).toBeGreaterThan(0.5);
  const text = readFileSync(dump, 'utf8');
  expect(text).toContain('xor a1,a1,a0');
  expect(text).toContain('i64.xor');
});

test('without a translator --stats says so', async () => {
  const ended = await hindsight([
    'run',
    '--firmware',
    program,
    '--kernel',
    'none',
    '--mem',
    '2M',
    '--stats',
    '--core',
    'wasm',
  ]);
  expect(ended.stderr).toContain('hindsight: core wasm translates nothing\n');
});

test('statistics for people', () => {
  const left = { go: 1, interpret: 2, budget: 3, rare: 4, check: 5 };
  const statistics = {
    ticks: 750,
    entered: 15,
    left,
    regions: { live: 2, made: 3, dropped: 1, evicted: 0 },
    recalled: 0,
    modules: 2,
    instructions: 90,
    bytes: 2048,
    milliseconds: 12,
    refused: 'no more',
  };
  expect(statisticsLines(statistics, 1000)).toMatchInlineSnapshot(`
    [
      "75.0 % of 1 k instructions in translated code, 25.0 % interpreted",
      "3 regions made of 90 instructions: 2 modules, 2 KiB, 0.01 s to translate and compile",
      "2 regions live, 1 dropped because their code changed, 0 for room",
      "15 entries into regions; left for other code 1, instructions that are interpreted 2, rare cases 4, interrupts to look for 5, stops 3",
      "the runtime refused to compile translated code (no more): going on with the interpreter",
    ]
  `);
});
