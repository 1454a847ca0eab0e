import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const GCC = 'riscv64-linux-gnu-gcc';
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

/** Every hart gets a stack of 4 KiB by its number (a0); main's end powers the machine off. */
const START = `
  .section .text.start
  .globl _start
_start:
  la sp, stacks
  addi t0, a0, 1
  slli t0, t0, 12
  add sp, sp, t0
  call main
  li t0, 0x100000
  li t1, 0x5555
  sw t1, 0(t0)
1: j 1b
  .bss
  .align 12
stacks: .space 8 * 4096
`;

/** Compiles C for the bare machine. */
export function buildProgram(c: string, flags: readonly string[] = ['-O1']): Built {
  const room = mkdtempSync(join(tmpdir(), 'hindsight-debug-'));
  const path = (name: string): string => join(room, name);
  writeFileSync(path('start.S'), START);
  writeFileSync(path('program.c'), c);
  execFileSync(GCC, ['-g', ...flags, '-march=rv64gc', '-mabi=lp64d', '-mcmodel=medany', '-fno-pie', '-no-pie', '-ffreestanding', '-nostdlib', '-static',
    '-fno-omit-frame-pointer', `-Wl,-Ttext=0x${ADDRESS.toString(16)}`, '-Wl,--build-id=none', '-Wl,-z,norelro',
    '-o', path('program'), path('start.S'), path('program.c')], { cwd: room });
  execFileSync('riscv64-linux-gnu-objcopy', ['-O', 'binary', path('program'), path('program.bin')]);
  return { code: readFileSync(path('program.bin')), address: ADDRESS, elf: path('program'), elfBytes: readFileSync(path('program')) };
}

/** A list whose links are rarely broken: once in 997 rounds, through a pointer that is one too far. */
export const LIST_PROGRAM = `
typedef struct node { struct node *next; long value; } node;
static node nodes[64];
static long scratch[4];
node *head;
volatile long rounds, sum, crashed;
static unsigned seed = 12345;

static unsigned random(void) { seed = seed * 1103515245u + 12345u; return seed >> 16; }

__attribute__((noinline)) void tidy(long i) {
  node *n = &nodes[i];
  n->value = n->value + 1;
  if (random() % 997 == 0) n[1].next = (node *)0x1234;   /* the guilty store */
}

__attribute__((noinline)) long total(void) {
  long s = 0;
  for (node *n = head; n; n = n->next) {
    if ((unsigned long)n < 0x80000000ul) { crashed = 1; return -1; }
    s += n->value;
  }
  return s;
}

int main(void) {
  for (int i = 0; i < 63; i++) { nodes[i].next = &nodes[i + 1]; nodes[i].value = i; }
  head = nodes;
  for (rounds = 0; rounds < 20000; rounds++) {
    tidy(random() % 60);
    scratch[rounds & 3] = rounds;
    sum = total();
    if (crashed) break;
  }
  return 0;
}
`;
