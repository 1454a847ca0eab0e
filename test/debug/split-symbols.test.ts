/** Debug information that was split from a program: from a folder, from the guest, and by `monitor add-symbols`. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GuestInfo } from '../../src/debug/guest-info.ts';
import { ClientSettings, Monitor } from '../../src/debug/monitor/monitor.ts';
import { startGdbServer } from '../../src/host/node/debug/index.ts';
import { openSymbols, readSymbols } from '../../src/host/node/debug/symbol-file.ts';
import { readElf } from '../../src/symbols/elf.ts';
import { runGdb } from './gdb-client.ts';
import { compileForGuest, guest, type LinuxScene, linuxScene } from './linux-scene.ts';
import { GCC, GDB, have } from './programs.ts';

const SOURCE = `#include <stdlib.h>
static int depth;
static void __attribute__((noinline)) hidden(int n) { depth = n; if (n) hidden(n - 1); else abort(); depth = 0; }
int main(void) { hidden(2); return depth; }
`;
const OBJCOPY = 'riscv64-linux-gnu-objcopy';

describe.runIf(guest !== undefined && have(GCC))('a stripped program', () => {
  let scene: LinuxScene;
  let folder: string;
  let debugFile: string;
  let pid: number;

  beforeAll(async () => {
    const program = compileForGuest('stripped', SOURCE, ['-pie', '-fPIE', '-Wl,--build-id=sha1']);
    folder = mkdtempSync(join(tmpdir(), 'hindsight-split-'));
    debugFile = join(folder, 'stripped.debug');
    execFileSync(OBJCOPY, ['--only-keep-debug', program, debugFile]);
    const { buildId } = readElf(readFileSync(program), 'stripped');
    const packaged = join(folder, 'package/usr/lib/debug/.build-id', buildId!.slice(0, 2));
    mkdirSync(packaged, { recursive: true });
    copyFileSync(debugFile, join(packaged, `${buildId!.slice(2)}.debug`));
    execFileSync(OBJCOPY, ['--strip-all', program]);
    scene = await linuxScene('/bin/stripped', { stripped: program });
    const { target, guestInfo } = scene;
    await target.mover.reverseContinue({
      execute: guestInfo.address('do_group_exit')!,
      when: (_, hart) => guestInfo.current(hart)?.name === 'stripped',
    });
    pid = guestInfo.current(target.activeHart())!.tgid;
  }, 120_000);
  afterAll(() => scene?.machine.close());

  const ask = (monitor: Monitor, line: string): Promise<string> =>
    monitor.run(line, { hart: 0, settings: new ClientSettings() });

  it('has names and lines from a folder of debug information, in gdb too', async () => {
    const { split, files } = await openSymbols([join(folder, 'package')]);
    expect(files).toEqual([]);
    const guestInfo = new GuestInfo(scene.target, split);
    const monitor = new Monitor(scene.target, guestInfo);
    expect(await ask(monitor, `bt ${pid}`)).toMatch(/<hidden\+0x[0-9a-f]+> at \S*stripped\.c:3/);
    if (!have(GDB)) return;
    const server = await startGdbServer(scene.target, guestInfo, { port: 0, process: 'stripped', monitor });
    try {
      const out = await runGdb(undefined, server.port, ['bt', 'p depth'], 60_000, true);
      expect(out).toMatch(/hidden \(n=n@entry=0\) at .*stripped\.c:3[\s\S]* main \(\) at .*stripped\.c:4/);
      expect(out).toContain('$1 = 0');
    } finally {
      await server.close();
    }
  }, 90_000);

  it('has them by add-symbols, where the process has that build loaded', async () => {
    const guestInfo = new GuestInfo(scene.target);
    const monitor = new Monitor(scene.target, guestInfo);
    expect(await ask(monitor, `add-symbols ${debugFile} ${pid}`)).toContain('reads no files');
    monitor.readFile = readSymbols;
    expect(await ask(monitor, `bt ${pid}`)).not.toContain('<hidden');
    expect(await ask(monitor, `add-symbols ${debugFile}`)).toContain('name the process');
    expect(await ask(monitor, 'add-symbols /no/such')).toContain('/no/such: cannot be read (ENOENT)');
    expect(await ask(monitor, `add-symbols ${debugFile} 1`)).toMatch(/has neither this build \([0-9a-f]{40}\) nor/);
    const other = compileForGuest('stripped', `${SOURCE}int more;`, ['-pie', '-fPIE', '-Wl,--build-id=sha1']);
    expect(await ask(monitor, `add-symbols ${other} ${pid}`)).toContain('is another build');
    const text = join(folder, 'text');
    writeFileSync(text, 'no ELF');
    expect(await ask(monitor, `add-symbols ${text} ${pid}`)).toContain('is no ELF file');
    expect(await ask(monitor, `add-symbols ${debugFile} ${pid}`)).toMatch(
      /\d+ symbols for \/bin\/stripped at (0x[0-9a-f]+) \(gdb: add-symbol-file \S+ -o \1\)/,
    );
    expect(await ask(monitor, `bt ${pid}`)).toMatch(/<hidden\+0x[0-9a-f]+> at \S*stripped\.c:3/);
  }, 60_000);
});
