import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ClientSettings } from '../../src/debug/monitor/monitor.ts';
import { Process, USER_END } from '../../src/debug/process.ts';
import { startGdbServer } from '../../src/host/node/debug/index.ts';
import { memoryAreas } from '../../src/linux/maps.ts';
import { tasks } from '../../src/linux/tasks.ts';
import { PC, X } from '../../src/machine/view/machine-view.ts';
import type { Instant } from '../../src/record/door.ts';
import { readElf } from '../../src/symbols/elf.ts';
import { type Body, DapClient } from './dap-client.ts';
import { runGdb } from './gdb-client.ts';
import { compileForGuest, guest, type LinuxScene, linuxScene } from './linux-scene.ts';
import { GCC, GDB, have } from './programs.ts';

const SOURCE = readFileSync(join(import.meta.dirname, 'linux/threads.c'), 'utf8');
/** In a root of its own, as a program on a disk has it. */
const COMMAND = `mkdir -p /jail/bin /jail/lib /jail/proc; cp /bin/threads /bin/true /jail/bin; cp /lib/* /jail/lib; mount -t proc none /jail/proc; chroot /jail /bin/threads`;

describe.runIf(guest !== undefined && have(GCC))('a process of the guest', () => {
  let scene: LinuxScene;
  let elf: string;
  /** The process's number. */
  let pid: number;
  /** Where the kernel made a signal of its fault. */
  let fault: Instant;
  const settings = new ClientSettings();
  /** Where a symbol of the program lies. */
  const symbol = (name: string): bigint => {
    const task = tasks(scene.guestInfo.kernel()!).find((t) => t.pid === pid)!;
    const base = memoryAreas(scene.guestInfo.kernel()!, task).find((a) => a.name === '/bin/threads')!.start;
    return base + readElf(readFileSync(elf), 'threads').symbols.find((s) => s.name === name)!.address;
  };
  const ask = (line: string): Promise<string> => scene.monitor.run(line, { hart: scene.target.activeHart(), settings });

  beforeAll(async () => {
    elf = compileForGuest('threads', SOURCE, ['-pie', '-fPIE', '-pthread', '-Wl,-z,now']);
    const nothing = compileForGuest('true', 'int main(void) { return 0; }', ['-pie', '-fPIE']);
    scene = await linuxScene(COMMAND, { threads: elf, true: nothing }, { harts: 2 });
    const { target, guestInfo } = scene;
    const signalled = guestInfo.address('force_sig_fault')!;
    await target.mover.reverseContinue({
      execute: signalled,
      when: (_, hart) => {
        const task = guestInfo.current(hart);
        return task?.name === 'threads' && task.pid === task.tgid;
      },
    });
    pid = guestInfo.current(target.activeHart())!.tgid;
    fault = target.instant;
  }, 120_000);
  beforeEach(() => scene.target.mover.seek(fault));
  afterAll(() => scene?.machine.close());

  it('is mapped as it is itself told, whatever its root and the number of its mappings', async () => {
    const kernel = scene.guestInfo.kernel()!;
    const own = scene.printed.split('\n').flatMap((line) => {
      const m = /^([0-9a-f]+)-([0-9a-f]+) (\S{4}) \S+ \S+ \S+ *(\/?.*)$/.exec(line);
      return m ? [`${m[1]}-${m[2]} ${m[3]} ${m[4].startsWith('/') ? m[4] : ''}`.trimEnd()] : [];
    });
    expect(own.length).toBeGreaterThan(30);
    const task = tasks(kernel).find((t) => t.pid === pid)!;
    const seen = memoryAreas(kernel, task).map((a) =>
      `${a.start.toString(16)}-${a.end.toString(16)} ${a.permissions} ${a.name.startsWith('/') ? a.name : ''}`.trimEnd(),
    );
    // Its standard output's buffer is new since it read the list.
    expect(seen.length).toBe(own.length);
    expect(seen.filter((line) => own.includes(line)).length).toBeGreaterThan(own.length - 2);
    expect(own.some((line) => line.endsWith(' /bin/threads'))).toBe(true);
    expect(await ask(`maps ${pid}`)).toContain('add-symbol-file bin/threads');
  });

  it('shows the stack of each of its threads, through the kernel and its own code', async () => {
    const threads = tasks(scene.guestInfo.kernel()!, true).filter((t) => t.tgid === pid);
    expect(threads).toHaveLength(3);
    const [, sleeper] = threads;
    const asleep = await ask(`bt ${sleeper.pid}`);
    expect(asleep).toMatch(/^#0 .*<__switch_to\+|^#0 .*<__schedule\+/);
    expect(asleep).toMatch(/<__riscv_sys_(?:rt_sigsuspend|ppoll|pause)|<__do_sys_|<__se_sys_/);
    expect(await ask('bt 99999')).toContain('no process 99999');
    expect(await ask(`bt ${threads[0].pid}`)).toContain('<force_sig_fault');
  });

  it('is found by what happened to it: the crash, every hit of a place, every write', async () => {
    const { target } = scene;
    await target.mover.seek('100%');
    expect(await ask('crash')).toMatch(new RegExp(`a signal for a fault of threads \\(${pid}\\)`));
    expect(target.instant.instructions).toBe(fault.instructions);
    const own = new ClientSettings();
    own.attached = await Process.open(target, scene.guestInfo, pid);
    const inProcess = (line: string): Promise<string> => scene.monitor.run(line, { hart: 0, settings: own });
    const touched = (await inProcess('hits touch 5')).split('\n');
    expect(touched.slice(0, 5).every((l) => /^\d+ {2}hart \d .*<touch>.* threads \(\d+\)$/.test(l))).toBe(true);
    expect(touched[5]).toContain('there may be more');
    const written = await inProcess('writes &received 8');
    // By the kernel, for read(2).
    expect(written).toMatch(/^\d+ {2}hart \d {2}0xffff.*usercopy/m);
    expect(target.instant.instructions).toBe(fault.instructions);
    expect(await inProcess('hits nowhere')).toContain('no variable here');
    expect(await inProcess('hits touch 0')).toContain('expected 1');
  }, 120_000);

  /** The position of a thread as its own code knows it. */
  const position = (process: Process, thread: number): string =>
    [PC, X(2), X(10), X(15)].map((id) => process.readRegister(thread, id)!.toString(16)).join(' ');

  it('is stepped over faults of pages, interrupts, system calls and signals, and back the same way', async () => {
    const { target, guestInfo } = scene;
    const process = await Process.open(target, guestInfo, pid);
    const entry = process.tasks().length;
    expect(entry).toBe(3);
    const touch = symbol('touch');
    const points = [{ kind: 'execute', start: touch, end: touch + 1n }] as const;
    expect((await process.reverseContinue({ points })).reason).toBe('hit');
    const handled = (): number => process.readMemory(pid, symbol('handled'), 1)[0];
    expect(handled()).toBe(0);
    const forward = [position(process, pid)];
    let handler = 0;
    while (handled() === 0 || forward.length < 60) {
      expect((await process.step(pid, { points: [] })).reason).toBe('there');
      const pc = process.readRegister(pid, PC)!;
      expect(pc).toBeLessThan(USER_END);
      if (pc >= symbol('on_signal') && pc < symbol('on_signal') + 8n) handler++;
      forward.push(position(process, pid));
      expect(forward.length).toBeLessThan(3000);
    }
    expect(handler).toBe(0);
    for (let i = forward.length - 2; i >= 0; i--) {
      expect((await process.reverseStep(pid, { points: [] })).reason).toBe('there');
      expect(position(process, pid), `step ${i} of ${forward.length}`).toBe(forward[i]);
    }
  }, 120_000);

  it('is watched also where the kernel writes for it, and stops for nobody else', async () => {
    const { target, guestInfo } = scene;
    const process = await Process.open(target, guestInfo, pid);
    const received = symbol('received');
    const watch = [{ kind: 'write', start: received, end: received + 8n }] as const;
    const text = (): string => Buffer.from(process.readMemory(pid, received, 15)).toString();
    expect(text()).toBe('from the kernel');
    expect((await process.reverseContinue({ points: watch })).reason).toBe('hit');
    expect(text()).not.toBe('from the kernel');
    // In the middle of read(2), which one step back undoes as a whole.
    expect((await process.reverseStep(pid, { points: [] })).reason).toBe('there');
    expect(process.readRegister(pid, X(17))).toBe(63n);
    expect((await process.step(pid, { points: [] })).reason).toBe('there');
    expect(text()).toBe('from the kernel');
  }, 120_000);

  it.runIf(have(GDB))(
    'is debugged by the real gdb as if the kernel were not there',
    async () => {
      const { target, guestInfo } = scene;
      const server = await startGdbServer(target, guestInfo, { port: 0, process: 'threads' });
      try {
        const out = await runGdb(
          elf,
          server.port,
          [
            'info threads',
            'info inferiors',
            'bt 2',
            'reverse-stepi',
            'break touch',
            'reverse-continue',
            'p page == pages[23]',
            'finish',
            'reverse-finish',
            'up',
            'down',
            'delete',
            'next',
            'next',
            'reverse-next',
            'break on_signal',
            'continue',
            'p number',
            'bt 1',
            'reverse-finish',
            'delete',
            'watch -location received[0]',
            'continue',
            'reverse-continue',
            'delete',
            'info os processes',
            'continue',
            'p $_siginfo',
            'p sum',
          ],
          120_000,
          true,
        );
        expect(out).toMatch(/Thread \d+[\s\S]*Thread \d+[\s\S]*Thread \d+/);
        expect(out).toMatch(/#0 .*crash \(where=where@entry=0x8\)[\s\S]*#1 .*main \(\)/);
        expect(out).toContain('Breakpoint 1, touch');
        expect(out).toContain('$1 = 1');
        expect(out).toMatch(/Breakpoint 2, on_signal \(number=10\)/);
        expect(out).toContain('$3 = 10');
        expect(out).toMatch(/Hardware watchpoint 3: -location received\[0\]/);
        expect(out).toMatch(/Old value = 0 '\\000'\s+New value = 102 'f'/);
        expect(out).toMatch(/Old value = 102 'f'\s+New value = 0 '\\000'/);
        expect(out).toMatch(/\bthreads\b[^\n]*\n/);
        expect(out).toContain('received signal SIGSEGV');
      } finally {
        await server.close();
      }
    },
    180_000,
  );

  it.runIf(have(GDB))(
    'gives gdb its program and libraries by itself, and is attached to by gdb',
    async () => {
      const { target, guestInfo } = scene;
      const server = await startGdbServer(target, guestInfo, { port: 0 });
      try {
        const out = await runGdb(
          undefined,
          server.port,
          [
            'disconnect',
            `target extended-remote 127.0.0.1:${server.port}`,
            'info threads',
            'detach',
            `attach ${pid}`,
            'info sharedlibrary',
            'bt',
            'thread 2',
            'bt',
            'x/s &received',
            'p pages[0][1000]',
            'info symbol pause',
            'thread 1',
            'tbreak raise',
            'reverse-continue',
            'bt',
            'reverse-next',
          ],
          60_000,
          true,
        );
        expect(out).toContain('hart 0');
        expect(out).toMatch(/Reading \/bin\/threads from remote target/);
        expect(out).toMatch(/0x[0-9a-f]+ +0x[0-9a-f]+ +Yes.*libc\.so\.6/);
        expect(out).toMatch(/#0 .*crash \(where=/);
        expect(out).toMatch(/pause \(\)[\s\S]*sleeper \(unused=/);
        expect(out).toContain('"from the kernel"');
        expect(out).toMatch(/raise \(\)[\s\S]*main \(\)/);
      } finally {
        await server.close();
      }
    },
    120_000,
  );

  it('is followed through fork and exec, and to its end', async () => {
    const { target, guestInfo } = scene;
    const process = await Process.open(target, guestInfo, pid, () => true);
    const touch = symbol('touch');
    await process.reverseContinue({ points: [{ kind: 'execute', start: touch, end: touch + 1n }] });
    expect(await process.continue({ points: [] })).toMatchObject({ reason: 'fork' });
    const child = process.pid;
    expect(child).not.toBe(pid);
    expect(process.tasks()).toHaveLength(1);
    // What fork(2) returned to the child.
    expect(process.readRegister(child, X(10))).toBe(0n);
    const born = target.instant;
    expect(await process.continue({ points: [] })).toMatchObject({ reason: 'exec', path: '/bin/true', thread: child });
    const begun = target.instant;
    expect(await process.continue({ points: [] })).toMatchObject({ reason: 'end' });
    expect(process.path).toBe('/bin/true');
    expect(await process.reverseContinue({ points: [] })).toMatchObject({ reason: 'begin' });
    expect(target.instant).toEqual(begun);
    expect(await process.reverseStep(child, { points: [] })).toMatchObject({ reason: 'begin' });
    expect(target.instant).toEqual(begun);
    await target.mover.seek(born);
    expect(process.path).toBe('/bin/threads');
  }, 60_000);

  it('is debugged by a DAP client, by lines, with its own symbols', async () => {
    const line = (text: string): number => SOURCE.split('\n').findIndex((l) => l.includes(text)) + 1;
    const c = new DapClient(scene, scene.monitor);
    await c.ask('initialize', { adapterID: 'hindsight' });
    await c.ask('attach', { processId: pid });
    await c.move('configurationDone', {});
    const { threads } = await c.ask('threads');
    expect(threads).toHaveLength(3);
    const top = async (id = pid) => (await c.ask('stackTrace', { threadId: id })).stackFrames;
    expect((await top()).map((f: Body) => f.name.replace(/\+.*/, '')).slice(0, 2)).toEqual(['crash', 'main']);
    const asleep = (await top(threads[1].id)).map((f: Body) => f.name.replace(/\+.*/, ''));
    expect(asleep).toContain('sleeper');
    await c.ask('setBreakpoints', {
      source: { path: 'threads.c' },
      breakpoints: [{ line: line('raise(SIGUSR1)') }],
    });
    const me = { threadId: pid };
    expect((await c.move('reverseContinue', me)).reason).toBe('breakpoint');
    expect((await top())[0].line).toBe(line('raise(SIGUSR1)'));
    // Over the system call, the signal and its handler.
    expect((await c.move('next', me)).reason).toBe('step');
    expect((await top())[0].line).toBe(line('sum += handled'));
    expect((await c.ask('evaluate', { expression: 'u64[&handled]' })).result).toBe('10');
    expect((await c.move('stepBack', me)).reason).toBe('step');
    expect((await top())[0].line).toBe(line('raise(SIGUSR1)'));
    expect((await c.ask('evaluate', { expression: 'handled' })).result).toBe('0');
    await c.ask('setBreakpoints', { source: { path: 'threads.c' }, breakpoints: [{ line: line('page[0] = 1') }] });
    expect((await c.move('reverseContinue', me)).reason).toBe('breakpoint');
    // A page that was never touched: the fault is part of the store.
    expect((await c.move('next', me)).reason).toBe('step');
    expect((await top())[0].line).toBe(line('return page[0]'));
    await c.move('stepOut', me);
    expect((await top())[0].line).toBe(line('sum += touch'));
    expect(await c.move('continue', me)).toMatchObject({ reason: 'exception', text: 'signal 11' });
    expect((await c.move('continue', me)).text).toBe('the end of the recording');
    c.end();
    await c.done;
  }, 60_000);
});
