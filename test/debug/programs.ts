import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const GCC = 'riscv64-linux-gnu-gcc';
export const GXX = 'riscv64-linux-gnu-g++';
export const GDB = 'gdb-multiarch';
export const have = (program: string): boolean => spawnSync(program, ['--version']).error === undefined;

/** A program without a system, with its ELF file. */
export interface Built {
  readonly code: Uint8Array;
  readonly address: number;
  readonly elf: string;
  readonly elfBytes: Uint8Array;
}

export const ADDRESS = 0x8000_0000;
/** This folder; bundled scripts are run from the project's. */
const HERE = existsSync(join(import.meta.dirname, 'bare')) ? import.meta.dirname : join(process.cwd(), 'test/debug');
/** The files that docs/debugging.md works with. */
export const DOCS = join(HERE, '../../docs/debugging');
/** The same for a machine without a system. */
export const EXAMPLE = join(HERE, 'bare');

/** Programs whose variables are looked at. */
export const VALUES = join(HERE, 'values');

/** Compiles C for the bare machine. @param address where it is linked: above RAM's first page for one that is loaded as an ELF file */
export function buildProgram(
  c: string,
  flags: readonly string[] = ['-O1'],
  address = ADDRESS,
  compiler: { readonly command: string; readonly extension: string } = { command: GCC, extension: 'c' },
): Built {
  const room = mkdtempSync(join(tmpdir(), 'hindsight-debug-'));
  const path = (name: string): string => join(room, name);
  const source = `program.${compiler.extension}`;
  writeFileSync(path(source), c);
  execFileSync(
    compiler.command,
    [
      '-g',
      ...flags,
      '-march=rv64gc',
      '-mabi=lp64d',
      '-mcmodel=medany',
      '-fno-pie',
      '-no-pie',
      '-ffreestanding',
      '-nostdlib',
      '-static',
      '-fno-omit-frame-pointer',
      `-Wl,-Ttext=0x${address.toString(16)}`,
      '-Wl,--build-id=none',
      '-Wl,-z,norelro',
      '-o',
      path('program'),
      join(EXAMPLE, 'start.S'),
      path(source),
      '-lgcc',
    ],
    { cwd: room },
  );
  return linkedProgram(path('program'), address);
}

/** A program for the bare machine that is linked already. */
export function linkedProgram(elf: string, address = ADDRESS): Built {
  const binary = join(mkdtempSync(join(tmpdir(), 'hindsight-debug-')), 'program.bin');
  execFileSync('riscv64-linux-gnu-objcopy', ['-O', 'binary', elf, binary]);
  return { code: readFileSync(binary), address, elf, elfBytes: readFileSync(elf) };
}

/** A list that is rarely corrupted, as in docs/debugging.md. */
export const LIST_PROGRAM = readFileSync(join(EXAMPLE, 'list.c'), 'utf8');
