import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Ended, hindsight } from '../cli/hindsight.ts';
import { describeGuest } from './guest.ts';

/** Two processes meet and count a little in shared memory, load and store apart: within one turn of a hart, unless turns are short. No libc: it goes through the serial port. */
const RACE = `
static long call(long n, long a, long b, long c, long d, long e, long f) {
  register long a0 __asm__("a0") = a, a1 __asm__("a1") = b, a2 __asm__("a2") = c, a3 __asm__("a3") = d, a4 __asm__("a4") = e, a5 __asm__("a5") = f, a7 __asm__("a7") = n;
  __asm__ volatile("ecall" : "+r"(a0) : "r"(a1), "r"(a2), "r"(a3), "r"(a4), "r"(a5), "r"(a7) : "memory");
  return a0;
}
enum { WRITE = 64, EXIT = 93, CLONE = 220, MMAP = 222, WAIT4 = 260, SIGCHLD = 17, ROUNDS = 8, TIMES = 6 };
static void count(volatile long *counter, volatile long *arrived) {
  for (int round = 1; round <= ROUNDS; round++) {
    for (volatile int pause = 0; pause < 20000; pause++);
    __atomic_add_fetch(arrived, 1, __ATOMIC_SEQ_CST);
    while (*arrived < 2 * round);
    for (int i = 0; i < TIMES; i++) *counter = *counter + 1;
  }
}
void _start(void) {
  volatile long *counter = (volatile long *)call(MMAP, 0, 4096, 3, 0x21, -1, 0);
  long child = call(CLONE, SIGCHLD, 0, 0, 0, 0, 0);
  count(counter, counter + 1);
  if (child == 0) call(EXIT, 0, 0, 0, 0, 0, 0);
  call(WAIT4, child, 0, 0, 0, 0, 0);
  char text[] = "counted 00\\n";
  text[8] += *counter / 10;
  text[9] += *counter % 10;
  call(WRITE, 1, (long)text, sizeof text - 1, 0, 0, 0);
  call(EXIT, *counter == 2 * ROUNDS * TIMES ? 0 : 1, 0, 0, 0, 0, 0);
}
`;
const SEEDS = 8;
const COMMAND = 'cat >race; chmod +x race; for i in 1 2 3; do ./race || exit 9; done';

describeGuest('a data race under Linux', () => {
  let dir: string;
  let program: Buffer | undefined;
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'hindsight-race-'));
    writeFileSync(join(dir, 'race.c'), RACE);
    try {
      execFileSync(
        'riscv64-linux-gnu-gcc',
        [
          '-O1',
          '-static',
          '-nostdlib',
          '-fno-stack-protector',
          '-fno-builtin',
          '-s',
          '-o',
          join(dir, 'race'),
          join(dir, 'race.c'),
        ],
        { stdio: 'pipe' },
      );
      program = readFileSync(join(dir, 'race'));
    } catch {
      program = undefined;
    }
  });
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  it('hides by default, shows under some chaos seed, and every time in its recording', async (context) => {
    if (program === undefined) return context.skip('riscv64-linux-gnu-gcc is missing');
    const recording = join(dir, 'race.hsr');
    const run = (flags: readonly string[]): Promise<Ended> =>
      hindsight(['run', '--harts', '2', '--quiet', ...flags, '--exec', COMMAND], { input: program });
    const without = await run([]);
    expect(without.stdout).toBe('counted 96\n'.repeat(3));
    expect(without.status).toBe(0);
    let found: Ended | undefined;
    for (let seed = 1; seed <= SEEDS && found === undefined; seed++) {
      const wild = await run(['--chaos', `${seed}`, '--record', recording]);
      if (wild.status !== 0) found = wild;
    }
    expect(found?.status).toBe(9);
    expect(found!.stdout).toMatch(/counted \d\d\n$/);
    for (const core of ['jit', 'wasm'] as const) {
      const again = await hindsight(['replay', recording, '--verify', '--quiet', '--core', core]);
      expect(again.status).toBe(0);
      expect(again.stdout.replaceAll('\r', '')).toContain(found!.stdout);
    }
    const info = await hindsight(['info', recording]);
    expect(info.stdout).toMatch(/2 harts, chaos \d/);
  }, 240_000);
});
