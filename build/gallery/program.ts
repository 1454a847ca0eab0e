import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readElf } from '../../src/symbols/elf.ts';
import { SymbolTable } from '../../src/symbols/table.ts';

/** A program of the gallery. */
export interface Program {
  readonly bytes: Uint8Array;
  /** Address of one of its symbols. */
  readonly symbol: (name: string) => bigint;
}

const COMPILER = 'riscv64-linux-gnu-gcc';
const FLAGS = [
  '-g',
  '-O1',
  '-static',
  '-nostdlib',
  '-fno-builtin',
  '-fno-stack-protector',
  '-fno-omit-frame-pointer',
  '-mno-relax',
];

/** Compiles build/gallery/programs/NAME.c. @throws Error when there is no compiler for the guest */
export function compile(name: string): Program {
  const folder = mkdtempSync(join(tmpdir(), 'hindsight-gallery-'));
  try {
    const output = join(folder, name);
    // From the folder of the sources, so that source lines bear their names alone.
    const cwd = join(process.cwd(), 'build/gallery/programs');
    execFileSync(COMPILER, [...FLAGS, '-o', output, `${name}.c`], { cwd, stdio: ['ignore', 'inherit', 'inherit'] });
    const bytes = readFileSync(output);
    const symbols = new SymbolTable(readElf(bytes, name).symbols);
    return {
      bytes,
      symbol(wanted) {
        const found = symbols.find(wanted);
        if (found === undefined) throw new Error(`${name}.c has no ${wanted}`);
        return found.address;
      },
    };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT')
      throw new Error(`${COMPILER} is not there: install Debian's gcc-riscv64-linux-gnu`);
    throw error;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
