// Compiles the programs of the page's bench into src/web/bench/programs/binary.ts: `node build/run.mjs build/write-page-programs.ts`, after a change of
// their sources. The binary is kept in the repository, so that building the page needs no compiler; a test compares both.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Scripts and tests run in the project's folder. */
const FOLDER = join(process.cwd(), 'src/web/bench/programs');
const GUEST = join(process.cwd(), 'bench/guest');
const SOURCES = [join(FOLDER, 'start.c'), join(GUEST, 'integer.c'), join(GUEST, 'float.c')];
const INPUTS = [...SOURCES, join(FOLDER, 'link.ld'), join(GUEST, 'programs.h')];
const FLAGS = [
  '-O2',
  '-ffreestanding',
  '-fno-stack-protector',
  '-fno-asynchronous-unwind-tables',
  '-fno-tree-loop-distribute-patterns',
  '-fno-math-errno',
  '-ffunction-sections',
  '-fdata-sections',
  '-march=rv64gc',
  '-mabi=lp64d',
  '-mcmodel=medany',
  '-nostdlib',
  '-static',
  '-Wl,--gc-sections',
  '-Wl,--build-id=none',
  '-Wl,--no-warn-rwx-segments',
];

/** The programs as compiled now: RAM's contents from its beginning. */
export function compilePrograms(): Uint8Array {
  const folder = mkdtempSync(join(tmpdir(), 'hindsight-page-bench-'));
  try {
    const [elf, raw] = [join(folder, 'programs'), join(folder, 'programs.bin')];
    const run = (command: string, ...args: string[]): void =>
      void execFileSync(command, args, { stdio: ['ignore', 'inherit', 'inherit'] });
    run('riscv64-linux-gnu-gcc', ...FLAGS, '-T', join(FOLDER, 'link.ld'), '-o', elf, ...SOURCES);
    run('riscv64-linux-gnu-objcopy', '-O', 'binary', elf, raw);
    return readFileSync(raw);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What tells whether the binary was made from the sources as they are. */
export function sourcesHash(): string {
  const hash = createHash('sha256');
  for (const file of INPUTS) hash.update(readFileSync(file));
  return hash.digest('hex');
}

/** Compiles the sources and writes the binary beside them. */
export function writePrograms(): void {
  const lines =
    Buffer.from(compilePrograms())
      .toString('base64')
      .match(/.{1,100}/g) ?? [];
  writeFileSync(
    join(FOLDER, 'binary.ts'),
    `// Made by build/page-programs.ts from start.c and bench/guest.
/** SHA-256 of the sources that it was compiled from. */
export const PROGRAMS_SOURCE = '${sourcesHash()}';
/** Contents of RAM from its beginning, in base64. */
export const PROGRAMS_BASE64 =
${lines.map((line) => `  '${line}'`).join(' +\n')};
`,
  );
}
