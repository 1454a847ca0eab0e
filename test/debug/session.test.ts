import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, openSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { theGuest } from '../e2e/guest.ts';
import { RawClient, runGdb, startGdb } from './gdb-client.ts';
import { DOCS, GCC, GDB, have } from './programs.ts';

const { found: guest } = await theGuest();
const ready = guest !== undefined && have(GCC) && have(GDB);
const CLI = join(import.meta.dirname, '../../build/hindsight.mjs');
/** As docs/debugging.md has it. */
const COMMAND = 'cat >/list && chmod +x /list && /list';

describe.runIf(ready)('a bug of a program under Linux, from its recording', () => {
  const room = mkdtempSync(join(tmpdir(), 'hindsight-session-'));
  const path = (name: string): string => join(room, name);
  const elf = path('list');
  let server: ChildProcess;
  let port = 0;

  beforeAll(async () => {
    execFileSync(GCC, ['-g', '-O1', '-static', '-o', elf, join(DOCS, 'list.c')]);
    execFileSync('riscv64-linux-gnu-strip', ['-o', path('list.bin'), elf]);
    const run = spawn(process.execPath, [CLI, 'run', '--quiet', '--record', path('list.hsr'), '--exec', COMMAND], {
      stdio: [openSync(path('list.bin'), 'r'), 'ignore', 'inherit'],
    });
    expect(await new Promise((resolve) => run.on('exit', resolve))).toBe(139);
    server = spawn(process.execPath, [CLI, 'debug', path('list.hsr'), '--gdb', ':0'], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    port = await new Promise((resolve) => {
      let said = '';
      server.stderr!.on('data', (d: Buffer) => {
        said += d.toString();
        const m = /target remote 127\.0\.0\.1:(\d+)/.exec(said);
        if (m) resolve(Number(m[1]));
      });
    });
  }, 240_000);
  afterAll(() => server?.kill('SIGKILL'));

  // First: where gdb attaches in the middle of a function it takes reverse-finish differently.
  it('steps, breaks, finishes and watches in both directions', async () => {
    const out = await runGdb(elf, port, [
      'monitor only off',
      'monitor seek end',
      'maintenance flush register-cache',
      'break total',
      'reverse-continue',
      'monitor only current',
      'reverse-continue',
      'bt',
      'set $here = $pc',
      'stepi',
      'stepi',
      'reverse-stepi',
      'reverse-stepi',
      'p $pc == $here',
      'finish',
      'p $_exitcode',
      'delete',
      'reverse-step',
      'break tidy',
      'reverse-continue',
      'next',
      'delete',
      'reverse-finish',
      'next',
      'reverse-next',
      'watch -location pool[3].value',
      'continue',
      'reverse-continue',
      'reverse-continue',
      'delete',
      'break tidy if n == &pool[5]',
      'continue',
      'p n == &pool[5]',
      'delete',
      'monitor only off',
      'monitor when',
      'detach',
    ]);
    expect(out).toMatch(/#0 +total \(\) at .*\n#1 .* in main/);
    expect(out).toContain('$1 = 1');
    expect(out).toMatch(/main \(\) at .*\n.*\nValue returned is/);
    expect(out).toMatch(/Breakpoint 2, tidy[\s\S]*in main \(\) at .*\n.*tidy\(&pool/);
    const values = [...out.matchAll(/Old value = (\d+)\s+New value = (\d+)/g)].map((m) => Number(m[2]) - Number(m[1]));
    expect(values).toEqual([-1, -1]);
    expect(out).toContain('$4 = 1');
    expect(out).not.toContain('Remote failure');
  }, 120_000);

  it('the session of the manual goes from the crash to the guilty store', async () => {
    const script = readFileSync(join(DOCS, 'session.gdb'), 'utf8')
      .split('\n')
      .filter((l) => l !== '' && !/^#|^set |^target /.test(l));
    const out = await runGdb(elf, port, ['monitor seek end', 'maintenance flush register-cache', ...script]);
    expect(out, out).toMatch(/<force_sig_fault> list \(\d+\)/);
    expect(out).toMatch(/breakpoints stop in process \d+ only/);
    expect(out).toMatch(/total \(\) at .*list\.c:\d+\n.*dies here/);
    expect(out).toContain('$1 = (struct node *) 0x1234');
    expect(out).toMatch(/Old value = \(struct node \*\) 0x1234\s+New value = \(struct node \*\) 0x[0-9a-f]+/);
    expect(out).toMatch(/=> 0x[0-9a-f]+ <tidy\+\d+>:\s+sd\s/);
    expect(out).toContain('the guilty store');
    expect(out).toMatch(/#0 .* in tidy .*\n#1 .* in main/);
  }, 120_000);

  it('asks a condition at each of 10⁵ hits', async () => {
    // Every lock the kernel takes from the beginning to where the program dies: none is at address 1.
    const out = await runGdb(
      elf,
      port,
      [
        'python lock = gdb.execute("monitor symbol _raw_spin_lock", to_string=True).split()[0]',
        'monitor seek begin',
        'maintenance flush register-cache',
        'python gdb.execute("break *" + lock + " if $a0 == 1")',
        'continue',
        'delete',
        'detach',
      ],
      200_000,
    );
    expect(out).toContain('No more reverse-execution history');
  }, 220_000);

  it('Ctrl-C in gdb ends a long reverse-continue where it began', async () => {
    const gdb = startGdb(elf, port, [
      'python lock = gdb.execute("monitor symbol _raw_spin_lock", to_string=True).split()[0]',
      'monitor seek end',
      'maintenance flush register-cache',
      'python gdb.execute("break *" + lock + " if $a0 == 1")',
      'echo searching\\n',
      'reverse-continue',
      'monitor when',
      'delete',
      'p 40 + 2',
      'detach',
    ]);
    await gdb.says('searching');
    await new Promise((resolve) => setTimeout(resolve, 300));
    gdb.interrupt();
    const out = await gdb.done;
    expect(out).toContain('SIGINT');
    const instants = [...out.matchAll(/instant (\d+) of/g)].map((m) => m[1]);
    expect(instants).toHaveLength(2);
    expect(instants[1]).toBe(instants[0]);
    expect(out).toContain('$1 = 42');
  }, 120_000);

  it('attaches and detaches a hundred times', async () => {
    const places = new Set<string>();
    for (let i = 0; i < 97; i++) {
      const c = await RawClient.connect(port);
      expect(await c.ask('?')).toMatch(/^T/);
      places.add(await c.ask('p20'));
      if (i % 2 === 0) expect(await c.ask('D')).toBe('OK');
      c.destroy();
    }
    for (let i = 0; i < 3; i++) expect(await runGdb(elf, port, ['p $pc', 'detach'])).toContain('$1 =');
    expect(places.size).toBe(1);
  }, 60_000);
});
