/** A program of the user's own on the bare machine. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { SYSCON_POWEROFF } from '../../src/devices/syscon.ts';
import { assembleNamed as ins } from '../../src/isa/encode.ts';
import { MEMORY_MAP } from '../../src/machine/board/memory-map.ts';
import { hindsight } from './hindsight.ts';

let dir: string;
let program: string;
const upper = (rd: number, value: number): number => ins('lui', { rd, imm: value & ~0xfff });

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'hindsight-bare-'));
  program = join(dir, 'program.bin');
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
  writeFileSync(program, Buffer.from(Uint32Array.from(words).buffer));
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
