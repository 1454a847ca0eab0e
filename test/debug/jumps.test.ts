/** Steps of a process through longjmp, dlopen, vfork, signals and trees of processes, in gdb and DAP; and a race, found from its crash. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Process } from '../../src/debug/process.ts';
import { startGdbServer } from '../../src/host/node/debug/index.ts';
import type { Instant } from '../../src/record/door.ts';
import { type Body, DapClient } from './dap-client.ts';
import { runGdb } from './gdb-client.ts';
import { compileForGuest, guest, type LinuxScene, linuxScene } from './linux-scene.ts';
import { GCC, GDB, have } from './programs.ts';

const source = (name: string): string => readFileSync(join(import.meta.dirname, 'linux', name), 'utf8');
const lineOf = (text: string, part: string): number => text.split('\n').findIndex((l) => l.includes(part)) + 1;
const TRUE = 'int main(void) { return 0; }';

/** Goes to where a process ends. @returns its number */
async function toItsEnd({ target, guestInfo }: LinuxScene, name: string): Promise<number> {
  await target.mover.reverseContinue({
    execute: guestInfo.address('do_group_exit')!,
    when: (_, hart) => guestInfo.current(hart)?.name === name,
  });
  return guestInfo.current(target.activeHart())!.tgid;
}

describe.runIf(guest !== undefined && have(GCC))('a program that jumps about', () => {
  const SOURCE = source('jumps.c');
  let scene: LinuxScene;
  let pid: number;
  let end: Instant;

  beforeAll(async () => {
    const flags = ['-pie', '-fPIE', '-Wl,-z,now'];
    scene = await linuxScene('/bin/jumps', {
      jumps: compileForGuest('jumps', SOURCE, flags),
      true: compileForGuest('true', TRUE, flags),
    });
    pid = await toItsEnd(scene, 'jumps');
    end = scene.target.instant;
  }, 120_000);
  afterAll(() => scene?.machine.close());

  it('is stepped by lines in a DAP client, both ways', async () => {
    await scene.target.mover.seek(end);
    const c = new DapClient(scene, scene.monitor);
    await c.ask('initialize', { adapterID: 'hindsight' });
    await c.ask('attach', { processId: pid });
    await c.move('configurationDone', {});
    const me = { threadId: pid };
    const top = async (): Promise<Body> => (await c.ask('stackTrace', me)).stackFrames[0];
    const lines = (list: readonly string[]): Promise<unknown> =>
      c.ask('setBreakpoints', {
        source: { path: 'jumps.c' },
        breakpoints: list.map((part) => ({ line: lineOf(SOURCE, part) })),
      });
    const at = async (part: string): Promise<void> => expect((await top()).line, part).toBe(lineOf(SOURCE, part));
    await lines(['deep(3);']);
    expect((await c.move('reverseContinue', me)).reason).toBe('breakpoint');
    await at('deep(3);');
    await lines([]);
    // The call does not return here: longjmp leads to where setjmp was called.
    await c.move('next', me);
    expect(['int result = setjmp', 'if (result == 0)', 'return result'].map((p) => lineOf(SOURCE, p))).toContain(
      (await top()).line,
    );
    expect((await top()).name).toMatch(/^jump\b/);
    await c.move('stepOut', me);
    expect((await top()).name).toMatch(/^main\b/);
    await lines(['cosine = function']);
    expect((await c.move('continue', me)).reason).toBe('breakpoint');
    const modules = (await c.ask('modules', {})).modules.map(({ name }: Body) => name);
    expect(modules.some((name: string) => name.includes('libm.so.6'))).toBe(true);
    await lines([]);
    await c.move('next', me);
    expect((await c.ask('evaluate', { expression: 'cosine', frameId: (await top()).id })).result).toBe('1');
    for (const part of ['signal(SIGUSR1', 'raise(SIGUSR1)', 'int status = spawn']) {
      await at(part);
      await c.move('next', me);
    }
    await at('tree();');
    expect((await c.ask('evaluate', { expression: 'handled', frameId: (await top()).id })).result).toBe('10');
    await c.move('next', me);
    await at('if (seven == 7');
    for (const part of ['tree();', 'int status = spawn', 'raise(SIGUSR1)']) {
      await c.move('stepBack', me);
      await at(part);
    }
    expect((await c.ask('evaluate', { expression: 'handled', frameId: (await top()).id })).result).toBe('0');
    c.end();
    await c.done;
  }, 120_000);

  it.runIf(have(GDB))(
    'is stepped by gdb, both ways, and found in its library before it is loaded',
    async () => {
      await scene.target.mover.seek(end);
      const server = await startGdbServer(scene.target, scene.guestInfo, { port: 0, process: 'jumps' });
      try {
        const at = (part: string): number => lineOf(SOURCE, part);
        const out = await runGdb(
          undefined,
          server.port,
          [
            `break ${at('deep(3);')}`,
            'reverse-continue',
            'delete',
            'set breakpoint pending on',
            'break cos',
            'continue',
            'bt 2',
            'info sharedlibrary',
            'delete',
            'finish',
            `tbreak ${at('int status = spawn')}`,
            'continue',
            'p handled',
            'next',
            'reverse-next',
            'reverse-next',
            'p handled',
            'break on_signal',
            'continue',
            'finish',
            'delete',
            'tbreak spawn',
            'continue',
            'finish',
            'next',
            'next',
          ],
          120_000,
          true,
        );
        expect(out).toMatch(
          /Breakpoint 2, .*cos.* \(\) from target:\S*libm\.so\.6\n#0 .*cos.*\n#1 .*main \(\) at .*jumps\.c/,
        );
        expect(out).toContain('$1 = 10');
        expect(out).toMatch(new RegExp(`^${at('tree();')}\\s`, 'm'));
        expect(out).toMatch(/\$2 = 0/);
        expect(out).toMatch(/Breakpoint \d, on_signal \(number=10\)/);
        expect(out).toMatch(/<signal handler called>|raise \(\)/);
        expect(out).toMatch(/spawn \(\) at [\s\S]*Value returned is \$3 = 0/);
        expect(out).toMatch(new RegExp(`^${at('if (seven == 7')}\\s`, 'm'));
      } finally {
        await server.close();
      }
    },
    150_000,
  );

  it('is followed down its tree of processes', async () => {
    const { target, guestInfo } = scene;
    await target.mover.seek(end);
    const process = await Process.open(target, guestInfo, pid, () => true);
    const tree = guestInfo.address('tree')!;
    expect((await process.reverseContinue({ points: [{ kind: 'execute', start: tree, end: tree + 1n }] })).reason).toBe(
      'hit',
    );
    expect(await process.continue({ points: [] })).toMatchObject({ reason: 'fork' });
    const child = process.pid;
    expect(await process.continue({ points: [] })).toMatchObject({ reason: 'fork' });
    const grandchild = process.pid;
    expect(new Set([pid, child, grandchild]).size).toBe(3);
    expect(await process.continue({ points: [] })).toMatchObject({
      reason: 'exec',
      path: '/bin/true',
      thread: grandchild,
    });
    expect(await process.continue({ points: [] })).toMatchObject({ reason: 'end' });
    // The same in the parent alone.
    await target.mover.seek(end);
    const parent = await Process.open(target, guestInfo, pid, () => false);
    await parent.reverseContinue({ points: [{ kind: 'execute', start: tree, end: tree + 1n }] });
    expect(await parent.continue({ points: [] })).toMatchObject({ reason: 'signal', signal: 6 });
    expect(parent.pid).toBe(pid);
  }, 90_000);
});

describe.runIf(guest !== undefined && have(GCC))('a race of three threads on four harts', () => {
  const SOURCE = source('race.c');
  let scene: LinuxScene;
  let pid: number;
  let end: Instant;

  beforeAll(async () => {
    const race = compileForGuest('race', SOURCE, ['-pie', '-fPIE', '-pthread', '-Wl,-z,now']);
    scene = await linuxScene('/bin/race', { race }, { harts: 4, chaos: true });
    pid = await toItsEnd(scene, 'race');
    end = scene.target.instant;
  }, 180_000);
  afterAll(() => scene?.machine.close());

  it.runIf(have(GDB))(
    'is found by gdb from the abort to the write that freed the box',
    async () => {
      await scene.target.mover.seek(end);
      const server = await startGdbServer(scene.target, scene.guestInfo, { port: 0, process: 'race' });
      try {
        const out = await runGdb(
          undefined,
          server.port,
          [
            'info threads',
            'bt',
            'p found == 0x600d600d600d600d',
            // The other threads went on while the signal was under way: the writes that count came before.
            `tbreak race.c:${lineOf(SOURCE, 'abort();')}`,
            'reverse-continue',
            'watch -location suspect->magic',
            ...Array.from({ length: 4 }, () => ['reverse-continue', 'bt']).flat(),
          ],
          150_000,
          true,
        );
        const at = out.indexOf('Hardware watchpoint');
        const [before, after] = [out.slice(0, at), out.slice(at)];
        expect(before).toMatch(/abort \(\)[\s\S]*check \(b=[\s\S]*reader \(/);
        expect(before).toContain('$1 = 0');
        expect(before.match(/Thread \d+/g)!.length).toBeGreaterThanOrEqual(4);
        // What was released was written to: by that itself, or by who was given it next.
        expect(after).toMatch(/ release \(b=[\s\S]* replace \(value=[\s\S]* owner \(| filler \(/);
      } finally {
        await server.close();
      }
    },
    240_000,
  );

  it('is found by a DAP client the same way', async () => {
    await scene.target.mover.seek(end);
    const c = new DapClient(scene, scene.monitor);
    await c.ask('initialize', { adapterID: 'hindsight' });
    await c.ask('attach', { processId: pid });
    await c.move('configurationDone', {});
    const { threads } = await c.ask('threads');
    expect(threads).toHaveLength(4);
    const stacks: { readonly id: number; readonly frames: Body[] }[] = [];
    for (const { id } of threads)
      stacks.push({ id, frames: (await c.ask('stackTrace', { threadId: id })).stackFrames });
    const found = stacks.find(({ frames }) => frames.some(({ name }: Body) => /^check\b/.test(name)))!;
    const frame = found.frames.find(({ name }: Body) => /^check\b/.test(name))!;
    expect(frame.line).toBe(lineOf(SOURCE, 'abort();'));
    const lines = (list: readonly string[]): Promise<unknown> =>
      c.ask('setBreakpoints', {
        source: { path: 'race.c' },
        breakpoints: list.map((part) => ({ line: lineOf(SOURCE, part) })),
      });
    await lines(['abort();']);
    expect((await c.move('reverseContinue', { threadId: found.id })).reason).toBe('breakpoint');
    await lines([]);
    const here = (await c.ask('stackTrace', { threadId: found.id })).stackFrames[0];
    const { dataId } = await c.ask('dataBreakpointInfo', { name: 'suspect->magic', frameId: here.id });
    await c.ask('setDataBreakpoints', { breakpoints: [{ dataId, accessType: 'write' }] });
    const writers: string[] = [];
    for (let i = 0; i < 4; i++) {
      const stop = await c.move('reverseContinue', { threadId: found.id });
      expect(stop.reason).toBe('data breakpoint');
      const { stackFrames } = await c.ask('stackTrace', { threadId: stop.threadId });
      writers.push(stackFrames.map(({ name }: Body) => name.replace(/\+.*/, '')).join(' '));
    }
    expect(writers.join('\n')).toMatch(/^release replace owner\b|\bfiller\b/m);
    c.end();
    await c.done;
  }, 240_000);
});
