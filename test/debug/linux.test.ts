import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GuestInfo } from '../../src/debug/guest-info.ts';
import { ClientSettings, Monitor } from '../../src/debug/monitor/monitor.ts';
import type { DebugTarget } from '../../src/debug/target.ts';
import { timelineTarget } from '../../src/debug/timeline-target.ts';
import { startGdbServer } from '../../src/host/node/debug/index.ts';
import { createHostRoom } from '../../src/host/room.ts';
import { dmesg } from '../../src/linux/dmesg.ts';
import { memoryAreas } from '../../src/linux/maps.ts';
import { modules } from '../../src/linux/modules.ts';
import { currentOn, findTask, tasks } from '../../src/linux/tasks.ts';
import { Machine } from '../../src/machine/session/machine.ts';
import { CSR, PC, PRV, X } from '../../src/machine/view/machine-view.ts';
import type { Breakpoint } from '../../src/timeline/breakpoints.ts';
import { LivePast } from '../../src/timeline/live.ts';
import { theGuest } from '../e2e/guest.ts';
import { runGdb } from './gdb-client.ts';
import { GDB, have } from './programs.ts';

const { found: guest } = await theGuest();
const HARTS = 2;
/** What the guest itself says of what we are to find in its memory. */
const COMMAND = `echo "== symbols"; grep -E ' (schedule|init_task|do_exit|jiffies_64|virtblk_done)' /proc/kallsyms; cd /; sleep 1000 & s=$!; sleep 0.05; echo "== maps $s"; cat /proc/$s/maps; echo "== modules"; cat /proc/modules
echo "== processes"; for p in /proc/[0-9]*; do read -r l < $p/stat && echo "$l"; done 2>/dev/null
echo "== log"; dmesg | tail -4; echo "== end"; sleep 0.02; kill $s`;

describe.runIf(guest !== undefined)('Linux, seen from outside', () => {
  const room = createHostRoom();
  let machine: Machine;
  let points: readonly Breakpoint[] = [];
  let target: DebugTarget;
  let guestInfo: GuestInfo;
  let monitor: Monitor;
  const settings = new ClientSettings();
  const said = new Map<string, string[]>();
  let sleeper = 0;
  const ask = (line: string): Promise<string> => monitor.run(line, { hart: target.activeHart(), settings });

  beforeAll(async () => {
    const append = `${guest!.commandLine} hindsight.stdin=none hindsight.modules=virtio_blk hindsight.exec=${Buffer.from(COMMAND).toString('base64')}`;
    machine = await Machine.create(
      {
        kernel: { file: 'kernel', bytes: readFileSync(guest!.kernel) },
        initrd: { file: 'initrd', bytes: readFileSync(guest!.initrd) },
        append,
        harts: HARTS,
        core: 'wasm',
      },
      room,
    );
    let printed = '';
    machine.on('output', ({ bytes }) => (printed += Buffer.from(bytes).toString('latin1')));
    const past = new LivePast(machine, room);
    await machine.run();
    past.goBack();
    target = timelineTarget(past.timeline, 'a boot');
    guestInfo = new GuestInfo(target);
    monitor = new Monitor(target, guestInfo);
    let title = '';
    for (const line of printed.replaceAll('\r', '').split('\n')) {
      const m = /^== (\w+) ?(\d*)/.exec(line);
      if (m) {
        title = m[1];
        said.set(title, []);
        if (m[2]) sleeper = Number(m[2]);
      } else said.get(title)?.push(line);
    }
    // Back to where the guest had just said all that: the shell's last sleep.
    await target.mover.seek(target.mover.end.instructions);
    const exit =
      guestInfo.address('__riscv_sys_kill') ?? guestInfo.address('__se_sys_kill') ?? guestInfo.address('do_exit')!;
    points = [
      {
        kind: 'execute',
        start: exit,
        end: exit + 1n,
        when: () => findTask(guestInfo.kernel()!, sleeper)?.state === 'S',
      },
    ];
    expect((await target.mover.reverseContinue(points)).reason).toBe('hit');
    points = [];
  }, 120_000);

  afterAll(async () => {
    await machine?.close();
  });

  it("finds the kernel's symbols where the kernel says they are", () => {
    expect(said.get('symbols')!.length).toBeGreaterThan(4);
    for (const line of said.get('symbols')!) {
      const m = /^([0-9a-f]{16}) \w (\w+)(?:\s+\[\w+\])?$/.exec(line);
      if (m) expect(guestInfo.address(m[2]), m[2]).toBe(BigInt(`0x${m[1]}`));
    }
    expect(guestInfo.name(guestInfo.address('virtblk_done')! + 4n)).toBe('virtblk_done+0x4 [virtio_blk]');
  });

  it('lists processes, states and parents', () => {
    const all = tasks(guestInfo.kernel()!);
    const known = new Map(all.map((t) => [t.pid, t]));
    let compared = 0;
    for (const line of said.get('processes')!) {
      const m = /^(\d+) \((.*)\) (\S) (\d+)/.exec(line);
      if (!m || /^kworker|^sh$/.test(m[2])) continue;
      compared++;
      expect(known.get(Number(m[1])), line).toMatchObject({ name: m[2].slice(0, 15), parent: Number(m[4]) });
    }
    expect(compared).toBeGreaterThan(15);
    expect(known.get(sleeper)).toMatchObject({ name: 'sleep', state: 'S' });
    expect(known.get(1)!.mm).not.toBe(0n);
  });

  it('maps a process that is not current, and reads its memory', () => {
    const kernel = guestInfo.kernel()!;
    const task = findTask(kernel, sleeper)!;
    const areas = memoryAreas(kernel, task);
    const theirs = said
      .get('maps')!
      .map((l) => /^([0-9a-f]+)-([0-9a-f]+) (\S+) ([0-9a-f]+) \S+ \d+\s*(.*)$/.exec(l))
      .filter((m) => m !== null);
    expect(areas.length).toBe(theirs.length);
    theirs.forEach((m, i) => {
      expect(areas[i]).toMatchObject({
        start: BigInt(`0x${m[1]}`),
        end: BigInt(`0x${m[2]}`),
        permissions: m[3],
        offset: BigInt(`0x${m[4]}`),
      });
      if (m[5].startsWith('/') || /heap|stack|vdso/.test(m[5])) expect(areas[i].name).toBe(m[5]);
    });
    expect(guestInfo.readProcess(sleeper, areas[0].start, 4)).toEqual(Uint8Array.of(0x7f, 0x45, 0x4c, 0x46));
    expect(guestInfo.addSymbolAdvice(sleeper)[0]).toMatch(/^add-symbol-file bin\/busybox -o 0x/);
  });

  it('lists modules and the log', () => {
    const kernel = guestInfo.kernel()!;
    expect(modules(kernel).map((m) => m.name)).toEqual(
      said
        .get('modules')!
        .filter((l) => l !== '')
        .map((l) => l.split(' ')[0]),
    );
    const log = dmesg(kernel).map((l) => l.text);
    for (const line of said.get('log')!.filter((l) => l !== ''))
      expect(log).toContain(line.replace(/^\[ *[\d.]+\] /, ''));
    expect(log[0]).toContain('Linux version');
  });

  it('knows what each hart runs, and its call stack', async () => {
    const kernel = guestInfo.kernel()!;
    for (let hart = 0; hart < HARTS; hart++)
      expect(currentOn(kernel, hart)?.name).toMatch(/^(swapper\/\d|sh|sleep|init|kworker.*)$/);
    const outer = guestInfo.backtrace(target.activeHart()).map((f) => guestInfo.frameName(f) ?? 'user');
    expect(
      outer.some((n) => /^(handle_exception|ret_from_exception)/.test(n)),
      outer.join(' '),
    ).toBe(true);
    expect(await ask('info harts')).toMatch(/hart 0 .*\n.*hart 1/);
    expect(await ask('info mem')).toMatch(/^Sv57, root 0x8/);
  });

  it('tells who last wrote, and goes there', async () => {
    const here = target.instant.instructions;
    const told = await ask('who-wrote jiffies_64');
    expect(told).toMatch(/hart \d, .*\n.*<tick_do_update_jiffies64\+0x/);
    expect(target.instant.instructions).toBe(here);
  }, 30_000);

  it('breaks only in a given process', async () => {
    const here = target.instant.instructions;
    const entry = guestInfo.address('do_trap_ecall_u')!;
    const syscalls = [{ kind: 'execute', start: entry, end: entry + 1n }] as const;
    expect(await ask(`only ${sleeper}`)).toContain(`process ${sleeper} only`);
    points = monitor.restricted(syscalls, settings);
    expect((await target.mover.reverseContinue(points)).reason).toBe('hit');
    expect(guestInfo.current(target.activeHart())?.pid).toBe(sleeper);
    await ask('only off');
    expect(monitor.restricted(syscalls, settings)).toBe(syscalls);
    points = [];
    await target.mover.seek(here);
  }, 60_000);

  it('steps over the handlers of interrupts, both ways, unless asked into them', async () => {
    const here = target.instant.instructions;
    const read = (id: Parameters<typeof target.readRegister>[1], hart: number): bigint =>
      target.readRegister(hart, id)!;
    const vector = read(CSR(0x105), 0) & ~3n;
    // The last timer interrupt of a user program.
    const interrupts: readonly Breakpoint[] = [
      {
        kind: 'execute',
        start: vector,
        end: vector + 1n,
        when: (view, h) =>
          view.readRegister(h, CSR(0x142)) === ((1n << 63n) | 5n) &&
          (view.readRegister(h, CSR(0x100))! & 0x100n) === 0n,
      },
    ];
    let [taken, before, hart] = [0, 0, 0];
    let [interrupted, sp, at] = [0n, 0n, 0n];
    // One that came just as the kernel returned follows the kernel's sret: then one before that.
    do {
      expect((await target.mover.reverseContinue(interrupts)).reason).toBe('hit');
      taken = target.instant.instructions;
      hart = target.activeHart();
      [interrupted, sp] = [read(CSR(0x141), hart), read(X(2), hart)];
      expect(read(PRV, hart)).toBe(1n);
      expect((await target.mover.reverseStep(1, { hart })).reason).toBe('there');
      [before, at] = [target.instant.instructions, read(PC, hart)];
      expect(before).toBeLessThan(taken);
    } while (read(PRV, hart) !== 0n);
    // The other hart may have its turn in between: then the interrupt is taken by the second step.
    for (let i = 0; i < 2; i++) expect((await target.mover.step(1, { hart })).reason).toBe('there');
    expect(read(PRV, hart)).toBe(1n);

    await target.mover.seek(before);
    expect((await target.mover.step(1, { hart, overInterrupts: true })).reason).toBe('there');
    expect([read(PC, hart), read(X(2), hart), read(PRV, hart)]).toEqual([interrupted, sp, 0n]);
    expect((await target.mover.step(1, { hart, overInterrupts: true })).reason).toBe('there');
    expect(target.instant.instructions).toBeGreaterThan(taken + 100);
    expect(read(PRV, hart)).toBe(0n);
    expect((await target.mover.reverseStep(1, { hart, overInterrupts: true })).reason).toBe('there');
    expect([read(PC, hart), read(X(2), hart), read(PRV, hart)]).toEqual([interrupted, sp, 0n]);
    expect((await target.mover.reverseStep(1, { hart, overInterrupts: true })).reason).toBe('there');
    expect([target.instant.instructions, read(PC, hart), read(PRV, hart)]).toEqual([before, at, 0n]);
    await target.mover.seek(here);
  }, 60_000);

  it.runIf(have(GDB))(
    'is debugged by the real gdb in both directions',
    async () => {
      const server = await startGdbServer(target, guestInfo, { port: 0 });
      try {
        const exit = guestInfo.address('do_exit')!.toString(16);
        const out = await runGdb(undefined, server.port, [
          'info threads',
          `break *0x${exit}`,
          'continue',
          'p/x $pc',
          'stepi',
          'stepi',
          'reverse-stepi',
          'reverse-stepi',
          'p/x $pc',
          'reverse-continue',
          'p/x $pc',
          'monitor when',
          'monitor ps',
          'monitor branch',
          'set $t0 = 1',
          'p $t0',
        ]);
        expect(out).toMatch(/Thread 1 "hart 0"[\s\S]*Thread 2 "hart 1"/);
        expect(out).toContain(`$1 = 0x${exit}`);
        expect(out).toContain(`$2 = 0x${exit}`);
        expect(out).toContain(`$3 = 0x${exit}`);
        expect(out).toMatch(/init\b/);
        expect(out).toContain('$4 = 1');
      } finally {
        await server.close();
      }
    },
    90_000,
  );
});
