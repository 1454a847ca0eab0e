/**
 * An oracle from outside: a RISC-V program that runs each case's real instruction with its rounding
 * mode in frm, and reports the result and fflags. QEMU in user mode runs it.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NATIVE, type Operation, operations } from './operations.ts';
import type { Subject } from './subjects.ts';

const COMPILER = 'riscv64-linux-gnu-gcc';
const EMULATOR = 'qemu-riscv64';

/** The programs this needs and that are not there. */
export function missing(): string[] {
  return [COMPILER, EMULATOR].filter((program) => spawnSync(program, ['--version']).error !== undefined);
}

function block({ takes, gives, instruction }: Operation, index: number): string {
  const letters = ['a', 'b', 'c'];
  const moves = takes.map((kind, i) =>
    kind === 'x' ? '' : `fmv.${kind === 'd' ? 'd' : 'w'}.x ft${i}, %[${letters[i]}]\\n`,
  );
  const operands = takes.map((kind, i) => (kind === 'x' ? `%[${letters[i]}]` : `ft${i}`));
  const result = gives === 'x' ? '%[r]' : 'ft3';
  const back = gives === 'x' ? '' : `fmv.x.${gives === 'd' ? 'd' : 'w'} %[r], ft3\\n`;
  const narrow = gives === 's' ? ' r = (uint32_t) r;' : '';
  return (
    `  case ${index}: __asm__ volatile("${moves.join('')}fsrm %[rm]\\nfsflags x0\\n` +
    `${instruction} ${[result, ...operands].join(', ')}\\nfrflags %[f]\\n${back}"` +
    ` : [r] "=&r"(r), [f] "=&r"(flags) : [a] "r"(in.a), [b] "r"(in.b), [c] "r"(in.c), [rm] "r"((uint64_t) in.rm % ${NATIVE})` +
    ` : "ft0", "ft1", "ft2", "ft3");${narrow} break;`
  );
}

function source(): string {
  return `#include <stdint.h>
#include <stdio.h>
static struct { uint32_t op, rm; uint64_t a, b, c; } in;
int main(void) {
  while (fread(&in, sizeof in, 1, stdin) == 1) {
    uint64_t r = 0, flags = 0;
    switch (in.op) {
${operations.map(block).join('\n')}
    default: return 1;
    }
    uint64_t out[2] = { r, flags };
    if (fwrite(out, sizeof out, 1, stdout) != 1) return 1;
  }
  return fflush(stdout) != 0;
}
`;
}

/** Builds the program; needs nothing to be `missing()`. NATIVE cases run with rne. */
export function qemu(): { subject: Subject; close(): void } {
  const room = mkdtempSync(join(tmpdir(), 'softfloat-qemu-'));
  writeFileSync(join(room, 'oracle.c'), source());
  // An instruction written without a rounding mode is assembled with the dynamic one, frm's.
  execFileSync(COMPILER, ['-O2', '-static', '-o', join(room, 'oracle'), join(room, 'oracle.c')]);
  return {
    subject: (cases) =>
      new Uint8Array(execFileSync(EMULATOR, [join(room, 'oracle')], { input: cases, maxBuffer: 2 ** 30 })),
    close: () => rmSync(room, { recursive: true }),
  };
}
