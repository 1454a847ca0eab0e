import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ClientSettings } from '../../src/debug/monitor/monitor.ts';
import { memoryAreas } from '../../src/linux/maps.ts';
import { tasks } from '../../src/linux/tasks.ts';
import { compileForGuest, guest, type LinuxScene, linuxScene } from './linux-scene.ts';
import { GCC, have } from './programs.ts';

const SOURCE = readFileSync(join(import.meta.dirname, 'linux/threads.c'), 'utf8');
/** In a root of its own, as a program on a disk has it. */
const COMMAND = `mkdir -p /jail/bin /jail/lib /jail/proc; cp /bin/threads /bin/true /jail/bin; cp /lib/* /jail/lib; mount -t proc none /jail/proc; chroot /jail /bin/threads`;

describe.runIf(guest !== undefined && have(GCC))('a process of the guest', () => {
  let scene: LinuxScene;
  let elf: string;
  /** The process's number. */
  let pid: number;
  const settings = new ClientSettings();
  const ask = (line: string): Promise<string> => scene.monitor.run(line, { hart: scene.target.activeHart(), settings });

  beforeAll(async () => {
    elf = compileForGuest('threads', SOURCE, ['-pie', '-fPIE', '-pthread']);
    const nothing = compileForGuest('true', 'int main(void) { return 0; }', ['-pie', '-fPIE']);
    scene = await linuxScene(COMMAND, { threads: elf, true: nothing }, { harts: 2 });
    const { target, guestInfo } = scene;
    const fault = guestInfo.address('force_sig_fault')!;
    await target.mover.reverseContinue({
      execute: fault,
      when: (_, hart) => {
        const task = guestInfo.current(hart);
        return task?.name === 'threads' && task.pid === task.tgid;
      },
    });
    pid = guestInfo.current(target.activeHart())!.tgid;
  }, 120_000);
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
});
