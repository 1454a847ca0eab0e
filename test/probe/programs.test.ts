/** Probes in programs of a Linux guest, against what the programs themselves count. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { stateHash } from '../../src/machine/state/state-hash.ts';
import { textOutput } from '../../src/probe/output.ts';
import { runProbes } from '../../src/probe/run.ts';
import { compileForGuest, guest, type LinuxScene, linuxScene } from '../debug/linux-scene.ts';
import { GCC, have } from '../debug/programs.ts';

const SOURCE = `
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
__attribute__((noinline)) long twice(long n, const char *text) { __asm__ volatile(""); return 2 * n + (text[0] == 'x'); }
__attribute__((noinline)) long outer(long n) { return twice(n, "hello") + 1; }
int main(int argc, char **argv) {
  long sum = 0;
  int count = atoi(argv[1]);
  if (fork() == 0) { for (int i = 0; i < 3; i++) sum += outer(100 + i); _exit(sum & 1); }
  for (int i = 0; i < count; i++) { sum += outer(i); char *volatile p = malloc(i + 1); free(p); }
  wait(0);
  printf("sum %ld\\n", sum);
  return 0;
}
`;

describe.runIf(guest !== undefined && have(GCC)).each([1, 4])('probes in programs on %i harts', (harts) => {
  let scene: LinuxScene;
  let end: string;
  const probe = async (script: string): Promise<{ text: string; warnings: readonly string[] }> => {
    const { mover } = scene.target;
    await mover.seek('0%');
    let text = '';
    const { warnings } = await runProbes(
      mover,
      scene.guestInfo,
      script,
      textOutput((piece) => {
        text += piece;
      }),
    );
    // Asking changes nothing.
    await mover.seek('100%');
    expect(stateHash(mover.view.engine)).toBe(end);
    return { text, warnings };
  };

  beforeAll(async () => {
    const fixed = compileForGuest('fixed', SOURCE, ['-static']);
    const moved = compileForGuest('moved', SOURCE, ['-pie', '-fPIE']);
    scene = await linuxScene('/bin/fixed 5 & /bin/moved 7; /bin/moved 2; wait', { fixed, moved }, { harts });
    end = stateHash(scene.target.mover.view.engine);
  }, 240_000);
  afterAll(() => scene?.machine.close());

  test('counts, arguments and results of every process that maps the file, at whatever address', async () => {
    const { text, warnings } = await probe(`
      uprobe:/bin/moved:twice { @calls[pid] = count(); @sum = sum(arg0); @text[str(arg1)] = count(); }
      uretprobe:/bin/moved:twice { @results = sum(retval); }
      uprobe:/bin/fixed:twice { @fixed = count(); }
      uprobe:moved:main { @main[comm] = count(); }
    `);
    expect(warnings).toEqual([]);
    // 0..6, 0..1, and 100, 101, 102 of each child
    const own = (7 * 6) / 2 + 1 + 2 * 303;
    expect(text).toContain(`@sum: ${own}\n`);
    expect(text).toContain(`@results: ${2 * own}\n`);
    expect(text).toContain('@text[hello]: 15\n');
    expect(text).toContain('@fixed: 8\n');
    expect(text).toContain('@main[moved]: 2\n');
    expect([...text.matchAll(/@calls\[\d+\]: (\d+)/g)].map((match) => Number(match[1])).sort()).toEqual([2, 3, 3, 7]);
  }, 120_000);

  test('stacks and names of the program, also from the kernel; libraries by name; patterns', async () => {
    const { text } = await probe(`
      uprobe:/bin/moved:twice { @stacks[ustack(2)] = count(); @at[usym(reg("ra"))] = count(); }
      uprobe:/bin/moved:o*er { @pattern[func] = count(); }
      uprobe:libc:malloc /comm == "moved" && arg0 <= 7/ { @malloc = count(); }
      kprobe:do_exit /comm == "fixed"/ { @exits[ustack(1)] = count(); }
    `);
    expect(text).toMatch(/@stacks\[\n {4}twice\n {4}outer\+0x[0-9a-f]+\]: 15\n/);
    expect(text).toMatch(/@at\[outer\+0x[0-9a-f]+\]: 15\n/);
    expect(text).toContain('@pattern[outer]: 15\n');
    expect(Number(/@malloc: (\d+)/.exec(text)![1])).toBeGreaterThanOrEqual(9);
    expect(text).toMatch(/@exits\[\n {4}_[eE]xit\+0x[0-9a-f]+\]: 2\n/);
  }, 120_000);

  test('what is not there is said with its place and near matches', async () => {
    await expect(probe('uprobe:/bin/moved:twise { @ = count() }')).rejects.toThrow(
      'script:1:1: /bin/moved has no function twise; did you mean twice?',
    );
    await expect(probe('BEGIN {} uprobe:moved { }')).rejects.toThrow('script:1:10: expected uprobe:FILE:FUNCTION');
    const { warnings } = await probe('uprobe:/bin/mowed:main { @ = count() }');
    expect(warnings).toEqual(['uprobe:/bin/mowed:main: no process mapped /bin/mowed; did you mean /bin/moved?']);
  }, 120_000);
});
