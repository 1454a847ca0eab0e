/** A program of the user's own on the bare machine. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { SYSCON_POWEROFF } from '../../src/devices/syscon.ts';
import { assembleNamed as ins } from '../../src/isa/encode.ts';
import { MEMORY_MAP } from '../../src/machine/board/memory-map.ts';
import { hindsight } from './hindsight.ts';

let dir: string;
let program: string;
let echo: string;
let sleeper: string;
const upper = (rd: number, value: number): number => ins('lui', { rd, imm: value & ~0xfff });

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'hindsight-bare-'));
  const image = (name: string, code: readonly number[]): string => {
    const file = join(dir, `${name}.bin`);
    writeFileSync(file, Buffer.from(Uint32Array.from(code).buffer));
    return file;
  };
  const words = [
    ins('csrrs', { rd: 5, rs1: 0, imm: 0xf14 }), // mhartid: machine mode, or a trap
    upper(6, MEMORY_MAP.uart.base),
    ...[...'bare\n'].flatMap((c) => [
      ins('addi', { rd: 7, rs1: 0, imm: c.charCodeAt(0) }),
      ins('sb', { rs1: 6, rs2: 7, imm: 0 }),
    ]),
    upper(6, MEMORY_MAP.syscon.base),
    upper(7, SYSCON_POWEROFF),
    ins('addi', { rd: 7, rs1: 7, imm: SYSCON_POWEROFF & 0xfff }),
    ins('sw', { rs1: 6, rs2: 7, imm: 0 }),
  ];
  program = image('program', words);

  // Prints a dot twenty times, some slices apart, then echoes what is typed until a q.
  const dot = [
    ins('addi', { rd: 7, rs1: 0, imm: 0x2e }),
    ins('sb', { rs1: 6, rs2: 7, imm: 0 }),
    upper(8, 8_000_000),
    ins('addi', { rd: 8, rs1: 8, imm: -1 }),
    ins('bne', { rs1: 8, rs2: 0, imm: -4 }),
  ];
  const copy = [
    ins('lbu', { rd: 7, rs1: 6, imm: 5 }), // LSR: data ready
    ins('andi', { rd: 7, rs1: 7, imm: 1 }),
    ins('beq', { rs1: 7, rs2: 0, imm: -8 }),
    ins('lbu', { rd: 7, rs1: 6, imm: 0 }),
    ins('sb', { rs1: 6, rs2: 7, imm: 0 }),
    ins('addi', { rd: 8, rs1: 0, imm: 'q'.charCodeAt(0) }),
    ins('bne', { rs1: 7, rs2: 8, imm: -24 }),
  ];
  const uart = upper(6, MEMORY_MAP.uart.base);
  echo = image('echo', [uart, ...Array.from({ length: 20 }, () => dot).flat(), ...copy, ...words.slice(-4)]);
  // Waits for an interrupt that none is enabled of.
  sleeper = image('sleeper', [...words.slice(0, -4), ins('wfi', {}), ins('jal', { rd: 0, imm: -4 })]);
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

test('--kernel none runs firmware alone, in machine mode', async () => {
  const ended = await hindsight(['run', '--firmware', program, '--kernel', 'none', '--mem', '2M']);
  expect(ended).toMatchObject({ status: 0, stdout: 'bare\n' });
  expect(ended.stderr).toMatch(/^hindsight: 1\d instructions in /m);
});

test('nothing at all to run is refused', async () => {
  const ended = await hindsight(['run', '--kernel', 'none']);
  expect(ended).toMatchObject({ status: 2, stdout: '' });
  expect(ended.stderr).toContain('--firmware');
});

test('piped input reaches a program once, however often it writes before', async () => {
  const recording = join(dir, 'echo.hsr');
  const ended = await hindsight(
    ['run', '--firmware', echo, '--kernel', 'none', '--mem', '2M', '--core', 'wasm', '--record', recording],
    { input: 'abcq' },
  );
  expect(ended).toMatchObject({ status: 0, stdout: `${'.'.repeat(20)}abcq` });
  expect(ended.stderr).not.toContain('MaxListenersExceededWarning');
  const { stdout } = await hindsight(['info', '--events', '--json', recording]);
  const typed = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { kind: string; text: string });
  expect(typed.filter(({ kind }) => kind === 'input').map(({ text }) => text)).toEqual(['"a"', '"b"', '"c"', '"q"']);
});

test.each([
  ['without input', undefined],
  ['with input that ends', 'abc'],
])('a guest that waits for ever ends the run, %s', async (_, input) => {
  const ended = await hindsight(['run', '--firmware', sleeper, '--kernel', 'none', '--mem', '2M'], {
    ...(input !== undefined && { input }),
  });
  expect(ended).toMatchObject({ status: 1, stdout: 'bare\n' });
  expect(ended.stderr).toContain('the guest waits for input for ever');
});

test("V8's code for the command line is kept for later runs; one that is damaged is made again", async () => {
  const environment = { XDG_CACHE_HOME: join(dir, 'cache') };
  const run = async (): Promise<string> => {
    const { stdout, stderr } = await hindsight(['run', '-q', '--kernel', 'none', '--firmware', program], {
      environment,
    });
    expect([stdout, stderr]).toEqual(['bare\n', '']);
    const folder = join(dir, 'cache/hindsight/code');
    const files = readdirSync(folder);
    expect(files).toHaveLength(1);
    return join(folder, files[0]!);
  };
  const file = await run();
  const { mtimeMs, ino } = statSync(file);
  await run();
  expect(statSync(file)).toMatchObject({ mtimeMs, ino });
  const bytes = readFileSync(file);
  const damaged = Buffer.from(bytes);
  damaged[bytes.length >> 1]! ^= 1;
  for (const damage of [damaged, bytes.subarray(0, -100), Buffer.of()]) {
    writeFileSync(file, damage);
    await run();
    expect(readFileSync(file).equals(damage)).toBe(false);
    expect(readFileSync(file).length).toBeGreaterThan(100_000);
  }
});

test('marks are named, listed and removed, and kept in the recording', async () => {
  const file = join(dir, 'marked.hsr');
  await hindsight(['run', '--firmware', program, '--kernel', 'none', '--mem', '2M', '--record', file]);
  const marks = (...args: string[]): ReturnType<typeof hindsight> => hindsight(['marks', ...args]);
  expect(await marks(file)).toMatchObject({ status: 0, stdout: '' });
  expect(await marks('add', `${file}@5`, 'in the middle')).toMatchObject({
    status: 0,
    stdout: '1  5  in the middle\n',
  });
  expect((await marks('add', `${file}@3`, 'sooner')).stdout).toBe('1  3  sooner\n2  5  in the middle\n');
  expect(JSON.parse((await hindsight(['info', file, '--json'])).stdout)).toMatchObject({
    complete: true,
    marks: [{ instant: '3', note: 'sooner' }, { instant: '5' }],
  });
  expect((await marks('rm', file, '1')).stdout).toBe('1  5  in the middle\n');
  const refused = await marks('rm', file, '7');
  expect(refused).toMatchObject({ status: 1, stdout: '' });
  expect(refused.stderr).toContain('there is no mark 7: marks lists those from 1 to 1');
  expect((await marks('add', file, 'nowhere')).stderr).toContain('names no instant of a recording');
  expect((await marks(file)).stdout).toBe('1  5  in the middle\n');
});
