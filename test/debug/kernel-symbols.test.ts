/** The kernel's symbols and types as a file: gdb understands it, and lays structures out as the kernel's own type information does. */
import { mkdtempSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GDB_SCRIPT } from '../../src/debug/gdb/script.ts';
import { startGdbServer } from '../../src/host/node/debug/index.ts';
import { KIND } from '../../src/linux/btf.ts';
import { kernelElf } from '../../src/linux/kernel-elf.ts';
import { modules } from '../../src/linux/modules.ts';
import { currentTask } from '../../src/linux/tasks.ts';
import { PC, PRV, X } from '../../src/machine/view/machine-view.ts';
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

  it.runIf(have(GDB))(
    "has call frames: gdb's stacks are those of the chain of frame pointers that the kernel itself follows",
    async () => {
      const { target, guestInfo } = scene;
      const kernel = guestInfo.kernel()!;
      const { begin, end } = target.mover;
      const traps = [kernel.address('handle_exception'), kernel.address('ret_from_fork')];
      const isEntry = (pc: bigint): boolean => pc >= traps[0] && pc < traps[1] + 0x100n;
      /** As `walk_stackframe` of arch/riscv/kernel/stacktrace.c: before what s0 points at lie the return address and the caller's s0. */
      const chain = (): bigint[] => {
        const found: bigint[] = [];
        const hart = target.activeHart();
        for (let fp = target.readRegister(hart, X(8))!; fp >> 63n === 1n && found.length < 64; ) {
          const pc = kernel.pointer(fp - 8n);
          if (pc >> 63n === 0n || isEntry(pc)) break;
          found.push(pc);
          fp = kernel.pointer(fp - 16n);
        }
        return found;
      };
      const places: { readonly at: number; readonly chain: readonly bigint[] }[] = [];
      // A fixed walk over the recording, at no instants in particular.
      for (let i = 1; places.length < 24 && i < 400; i++) {
        const part = (i * 0.618034) % 1;
        await target.mover.seek(Math.floor(begin.instructions + (end.instructions - begin.instructions) * part));
        const hart = target.activeHart();
        if (target.readRegister(hart, PRV) !== 1n || isEntry(target.readRegister(hart, PC)!)) continue;
        // The boot's code, and what modules need to begin, was no longer there when the file was made.
        if (chain().some((pc) => pc < kernel.address('_start') || pc >= kernel.address('_sinittext'))) continue;
        if (chain().length > 0) places.push({ at: target.instant.instructions, chain: chain() });
      }
      expect(places).toHaveLength(24);
      const script = `${file}.gdb`;
      writeFileSync(script, GDB_SCRIPT);
      const server = await startGdbServer(target, guestInfo, { port: 0 });
      try {
        const go = ({ at }: { readonly at: number }): string[] => [`seek ${at}`, `echo at ${at}\\n`, 'bt'];
        const out = await runGdb(file, server.port, [`source ${script}`, ...places.flatMap(go)], 200_000, true);
        // `seek` shows where it went.
        const stacks = out
          .split(/^at \d+$/m)
          .slice(1)
          .map((text) => text.split(/^instant /m)[0]);
        expect(stacks).toHaveLength(places.length);
        let frames = 0;
        for (const [i, stack] of stacks.entries()) {
          const [inner] = stack.split(/^#\d+ +<signal handler called>$/m);
          const pcs = [...inner.matchAll(/^#\d+ +0x([0-9a-f]+) in/gm)].map(([, pc]) => BigInt(`0x${pc}`));
          const callers = pcs.slice(1).filter((pc) => !isEntry(pc));
          // A function that has not set s0 up yet, or does without, is not in the chain.
          const { chain: wanted, at } = places[i];
          const known = callers.length === wanted.length ? callers : callers.slice(1);
          expect(known, `at ${at}: ${stack}`).toEqual(wanted);
          frames += wanted.length;
        }
        expect(frames).toBeGreaterThan(100);
      } finally {
        await server.close();
      }
    },
    240_000,
  );
});
