/** The kernel's symbols and types as a file: gdb understands it, and lays structures out as the kernel's own type information does. */
import { mkdtempSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startGdbServer } from '../../src/host/node/debug/index.ts';
import { KIND } from '../../src/linux/btf.ts';
import { kernelElf } from '../../src/linux/kernel-elf.ts';
import { modules } from '../../src/linux/modules.ts';
import { currentTask } from '../../src/linux/tasks.ts';
import { BlankBackend } from '../../src/storage/index.ts';
import { DebugInfo } from '../../src/symbols/dwarf/debug-info.ts';
import { dwarfSections } from '../../src/symbols/dwarf/sections.ts';
import { readElf } from '../../src/symbols/elf.ts';
import { runGdb } from './gdb-client.ts';
import { guest, type LinuxScene, linuxScene } from './linux-scene.ts';
import { GDB, have } from './programs.ts';

describe.runIf(guest !== undefined)('the kernel as a file of symbols', () => {
  let scene: LinuxScene;
  let file: string;
  let bytes: Uint8Array;

  beforeAll(async () => {
    scene = await linuxScene(
      'cat /proc/uptime',
      {},
      { disks: [{ file: 'empty', backend: new BlankBackend(1 << 20) }] },
    );
    const { target, guestInfo } = scene;
    await target.mover.reverseContinue({ execute: guestInfo.address('uptime_proc_show')! });
    bytes = kernelElf(guestInfo.kernel()!);
    file = join(mkdtempSync(join(tmpdir(), 'hindsight-vmlinux-')), 'vmlinux.elf');
    writeFileSync(file, bytes);
  }, 120_000);
  afterAll(() => scene?.machine.close());

  it('has the symbols of the kernel and of its modules, and debug information that we read too', () => {
    const kernel = scene.guestInfo.kernel()!;
    const elf = readElf(bytes, file);
    const known = new Map(elf.symbols.map(({ name, address }) => [name, address]));
    for (const name of ['_start', 'schedule', 'init_task', 'jiffies_64'])
      expect(known.get(name), name).toBe(kernel.address(name));
    expect(known.get('virtblk_probe')).toBe(scene.guestInfo.address('virtblk_probe'));
    expect(modules(kernel).length).toBeGreaterThan(0);
    expect(elf.symbols.length).toBeGreaterThan(kernel.symbols.size * 0.95);
    const info = new DebugInfo(dwarfSections(elf, file)!);
    expect(info.functionsAt(kernel.address('schedule'))).toHaveLength(1);
    expect(statSync(file).size).toBeLessThan(32 << 20);
  });

  it.runIf(have(GDB))(
    'lays every structure out as BTF says, in gdb',
    async () => {
      const { btf } = scene.guestInfo.kernel()!;
      const wanted: string[] = [];
      const commands: string[] = [];
      const once = new Map<string, number>();
      for (let type = 1; type <= btf.count; type++) {
        const { kind, name } = btf.record(type);
        const text = btf.name(name);
        if (kind === KIND.STRUCT && text !== '') once.set(text, once.has(text) ? -1 : type);
      }
      const some = [...once].filter(([, type], i) => type > 0 && i % 40 === 0).slice(0, 150);
      expect(some.length).toBeGreaterThan(100);
      for (const [name, type] of [...some, ['task_struct', btf.struct('task_struct')] as const]) {
        commands.push(`p sizeof(struct ${name})`);
        wanted.push(String(btf.sizeOf(type)));
        for (const member of btf.members(type)) {
          // gdb takes no address of a bit field.
          if (member.name === '' || btf.field(type, member.name)?.bits) continue;
          commands.push(`p (unsigned long)&((struct ${name} *)0)->${member.name}`);
          wanted.push(String(member.offset));
        }
      }
      const server = await startGdbServer(scene.target, scene.guestInfo, { port: 0 });
      try {
        const out = await runGdb(file, server.port, commands, 120_000, true);
        expect([...out.matchAll(/^\$\d+ = (.*)$/gm)].map(([, value]) => value)).toEqual(wanted);
      } finally {
        await server.close();
      }
    },
    150_000,
  );

  it.runIf(have(GDB))(
    'serves gdb in the kernel: stacks, structures, prototypes, the values that functions return',
    async () => {
      const { target, guestInfo } = scene;
      const kernel = guestInfo.kernel()!;
      const task = currentTask(target, target.activeHart());
      const server = await startGdbServer(target, guestInfo, { port: 0 });
      try {
        const out = await runGdb(
          file,
          server.port,
          [
            'bt',
            'p ((struct task_struct *)$tp)->comm',
            'p ((struct task_struct *)$tp)->pid',
            'p ((struct task_struct *)$tp)->mm->mmap_base',
            'p init_task.comm',
            'p (enum pid_type)1',
            'ptype struct list_head',
            'whatis uptime_proc_show',
            'info symbol uptime_proc_show',
            'tbreak seq_read_iter',
            'reverse-continue',
            'finish',
            'info line schedule',
          ],
          120_000,
          true,
        );
        expect(out).toMatch(/#0 .*uptime_proc_show \(m=.*\)\n#1 .* seq_read_iter \(.*\)\n#2 .* proc_reg_read_iter \(/);
        expect(out).toContain('$1 = "cat"');
        expect(out).toContain(`$2 = ${kernel.get('task_struct', task, 'pid')}\n`);
        expect(out).toContain(`$3 = ${kernel.get('mm_struct', kernel.get('task_struct', task, 'mm'), 'mmap_base')}\n`);
        expect(out).toMatch(/\$4 = "swapper/);
        expect(out).toContain('$5 = PIDTYPE_TGID');
        expect(out).toMatch(/struct list_head \{\s+struct list_head \*next;\s+struct list_head \*prev;\s+\}/);
        expect(out).toContain('type = int (struct seq_file *, void *)');
        expect(out).toContain('uptime_proc_show in section .text');
        expect(out).toMatch(/in proc_reg_read_iter \(.*\)\nValue returned is \$6 = [1-9]\d*\n/);
        expect(out).not.toMatch(/warning:|[Ee]rror (?:in|while) |DW_/);
      } finally {
        await server.close();
      }
    },
    150_000,
  );
});
