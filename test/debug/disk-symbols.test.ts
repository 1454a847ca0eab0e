/** Symbols and files of programs on a disk: from the guest's own file systems as they were at an instant. */
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startGdbServer } from '../../src/host/node/debug/index.ts';
import { findDisk } from '../../src/host/node/guest/index.ts';
import { findTask, tasks } from '../../src/linux/tasks.ts';
import { RawClient, runGdb } from './gdb-client.ts';
import { diskScene, guest, type LinuxScene } from './linux-scene.ts';
import { GDB, have } from './programs.ts';

const found = await findDisk();
/** It ends in libc, four calls deep, and of its files the kernel holds only the parts that were needed. */
const SOURCE =
  '#include <stdlib.h>\nint depth;\nvoid nested(int n) {\n  if (n) nested(n - 1);\n  else abort();\n  depth++;\n}\nint main(void) {\n  nested(3);\n  return depth;\n}\n';
/** Their contents are printed by the guest itself; what was written last is not on the disk yet. */
const FILES = ['/root/deep', '/lib/riscv64-linux-gnu/libc.so.6', '/etc/alternatives/awk', '/root/new/late', '/tmp/t'];
const COMMAND = [
  `cd /root; printf '${SOURCE.replaceAll('\n', '\\n')}' >a.c; gcc -g -O1 -o deep a.c; echo old >late; sync`,
  'echo 3 >/proc/sys/vm/drop_caches; mkdir new; mv late new; seq 9000 >>new/late; seq 99 >/tmp/t; ln -s new/late link',
  `./deep; sha256sum ${FILES.join(' ')}`,
].join('\n');

describe.runIf(guest !== undefined && found !== undefined)('a program on a disk', () => {
  let scene: LinuxScene;
  beforeAll(async () => {
    scene = await diskScene(COMMAND, found!);
    await scene.target.mover.reverseContinue({
      execute: scene.guestInfo.address('do_group_exit')!,
      when: (_, hart) => scene.guestInfo.current(hart)?.name === 'deep',
    });
  }, 300_000);
  afterAll(() => scene?.machine.close());

  it.runIf(have(GDB))(
    'is read by gdb with its libraries, though no file was named',
    async () => {
      const { target, guestInfo } = scene;
      const server = await startGdbServer(target, guestInfo, { port: 0, process: 'deep' });
      try {
        const out = await runGdb(
          undefined,
          server.port,
          [
            'info sharedlibrary',
            'bt',
            'up',
            'frame function nested',
            'info locals',
            'list main',
            'info auxv',
            'p depth',
          ],
          120_000,
          true,
        );
        expect(out).toMatch(/0x[0-9a-f]+ +0x[0-9a-f]+ +Yes.*libc\.so\.6/);
        expect(out).toMatch(
          /#1 .* raise \(\) from target:\S*libc[\s\S]* abort \(\)[\s\S]* nested \(n=n@entry=0\) at a\.c:5[\s\S]*#7 .* main \(\) at a\.c:9/,
        );
        expect(out).toMatch(/AT_PHDR/);
        expect(out).toContain('$1 = 0');
        expect(out).not.toMatch(/warning: (?!File transfers)/i);
      } finally {
        await server.close();
      }
    },
    180_000,
  );

  it('has its libraries listed as the dynamic linker has them, and its files readable', async () => {
    const { target, guestInfo } = scene;
    const server = await startGdbServer(target, guestInfo, { port: 0, process: 'deep' });
    try {
      const client = await RawClient.connect(server.port);
      await client.noAcks();
      const list = await client.ask('qXfer:libraries-svr4:read::0,4000');
      expect(list).toMatch(/main-lm="0x[0-9a-f]+"/);
      expect(list.match(/<library name="[^"]*(?:libc\.so\.6|ld-linux-riscv64-lp64d\.so\.1)"/g)).toHaveLength(2);
      const open = (path: string): Promise<string> => client.ask(`vFile:open:${Buffer.from(path).toString('hex')},0,0`);
      expect(await open('/root/nothing')).toBe('F-1,2');
      expect(await open('/root')).toBe('F-1,15');
      expect(await client.ask(`vFile:open:${Buffer.from('/root/deep').toString('hex')},1,0`)).toBe('F-1,1e');
      expect(await open('/root/deep')).toMatch(/^F[1-9]/);
      client.destroy();
    } finally {
      await server.close();
    }
  }, 60_000);

  it('is beside files that are as the guest itself reads them, whether written to the disk yet or not', async () => {
    const { guestInfo, printed } = scene;
    const kernel = guestInfo.kernel()!;
    const task = tasks(kernel).find(({ name }) => name === 'deep')!;
    const sums = new Map(
      printed.split('\n').flatMap((line) => {
        const [sum, path] = line.split('  ');
        return path === undefined ? [] : [[path, sum]];
      }),
    );
    const { files } = guestInfo.programs()!;
    const sum = async (path: string): Promise<string | undefined> => {
      const bytes = await (await files.find(task, path))?.read();
      return bytes && createHash('sha256').update(bytes).digest('hex');
    };
    for (const path of FILES) expect(await sum(path), path).toBe(sums.get(path));
    expect(await sum('/root/link')).toBe(sums.get('/root/new/late'));
    expect(await sum('/root/../root/./new/../deep')).toBe(sums.get('/root/deep'));
    expect(await files.find(task, '/root/late')).toBeUndefined();
    expect(await files.find(task, '/root/new')).toMatchObject({ mode: 0o040755 });
    // The first process has another root: the disk is a folder there.
    expect(await (await files.find(findTask(kernel, 1)!, '/root-disk/root/deep'))?.read()).toHaveLength(
      (await files.find(task, '/root/deep'))!.size,
    );
  }, 60_000);
});
