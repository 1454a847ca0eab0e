import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { commandLine } from '../src/guest/cmdline.ts';
import { writeCpio } from '../src/guest/cpio.ts';
import type { Program } from './programs.ts';

/** Compiles bench/guest and packs it as an archive to lay behind the guest's initramfs. @throws when the cross compiler is missing */
export function benchArchive(root: string): Uint8Array {
  const folder = join(root, 'bench/guest');
  const work = mkdtempSync(join(tmpdir(), 'hindsight-bench-'));
  try {
    const sources = readdirSync(folder)
      .filter((f) => f.endsWith('.c'))
      .map((f) => join(folder, f));
    const program = join(work, 'bench');
    execFileSync('riscv64-linux-gnu-gcc', ['-O2', '-static', '-march=rv64gc', '-o', program, ...sources, '-lm'], {
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    return writeCpio([
      { type: 'dir', path: 'bench', mode: 0o755 },
      { type: 'file', path: 'bench/bench', mode: 0o755, data: readFileSync(program) },
    ]);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT')
      throw new Error(
        "bench: riscv64-linux-gnu-gcc is missing; install Debian's gcc-riscv64-linux-gnu and libc6-dev-riscv64-cross",
      );
    throw error;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** The kernel command line that runs the programs one after the other and powers off. */
export function benchCommandLine(programs: readonly Program[]): string {
  const words = programs.map((p) => `${p.name}:${p.scale}`).join(' ');
  return commandLine({ exec: `for p in ${words}; do /bench/bench \${p%%:*} \${p#*:}; done`, stdin: 'none' });
}
