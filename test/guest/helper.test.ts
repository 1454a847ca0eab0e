import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { HELPER_SOURCE, helperProgram } from '../../src/guest/helper.ts';
import { readElf } from '../../src/symbols/elf.ts';

const GCC = 'riscv64-linux-gnu-gcc';
const there = (() => {
  try {
    execFileSync(GCC, ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

test('the program is an ELF file of one segment', () => {
  const file = helperProgram();
  expect(() => readElf(file, 'helper')).not.toThrow();
  expect(new DataView(file.buffer).getBigUint64(24, true)).toBe(0x1_0078n);
});

test.runIf(there)('the program is what its source says', () => {
  const dir = mkdtempSync(join(tmpdir(), 'hindsight-helper-'));
  try {
    const at = (name: string): string => join(dir, name);
    writeFileSync(at('a.S'), `.globl _start\n_start:${HELPER_SOURCE}`);
    const flags = [
      '-march=rv64i',
      '-mabi=lp64',
      '-nostdlib',
      '-static',
      '-Wl,--no-relax,--build-id=none',
      '-o',
      at('a'),
    ];
    execFileSync(GCC, [...flags, at('a.S')], { stdio: 'pipe' });
    execFileSync('riscv64-linux-gnu-objcopy', ['-O', 'binary', '-j', '.text', at('a'), at('text')]);
    expect(Buffer.from(helperProgram().subarray(120)).equals(readFileSync(at('text')))).toBe(true);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});
