import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { MemoryFs } from '../../src/fs/memory-fs.ts';
import { SharedFolder } from '../../src/host/node/share/share.ts';
import { createHostRoom } from '../../src/host/room.ts';
import { attachShare } from '../../src/host/share.ts';
import type { CoreKind } from '../../src/machine/engine/cores.ts';
import { openTimeline } from '../../src/timeline/open.ts';
import { describeGuest, exec, theImages } from './guest.ts';

/** What programs do with files, in busybox's words. Its output is the same on any Linux file system. */
const WORK = `
cd /mnt/work
cat from-host; echo guest >from-guest
mkdir -p a/b; echo one >a/b/one; mv a/b/one a/two; ln a/two a/three; ln -s ../../../etc/passwd a/out
stat -c '%h %s %a' a/two; readlink a/out; cat a/out >/dev/null && echo 'the link is of the guest'
exec 3>held; echo kept >&3; exec 4<held; rm held; cat <&4; ls held 2>&1 | grep -c 'No such file'; exec 3>&- 4<&-
dd if=/dev/zero of=sparse bs=1 count=1 seek=5000000000 2>/dev/null; stat -c %s sparse; tail -c 1 sparse | od -An -tx1
touch "$(printf 'odd \\n\\377 name')"; for f in odd*; do printf %s "$f"; done | od -An -tx1 | grep -c '0a ff'
chmod u+s from-guest 2>&1 | grep -c 'not permitted'; mknod device c 1 3 2>&1 | grep -c 'not permitted'
seq 1 20000 >numbers; md5sum <numbers; echo 3 >/proc/sys/vm/drop_caches; md5sum <numbers
i=0; mkdir many; while [ $i -lt 300 ]; do echo $i >many/$i; i=$((i+1)); done; ls many | wc -l; rm -r many; ls -d many 2>&1 | wc -l
cat ../ro/file; echo x 2>/dev/null >../ro/file || echo 'read only'; rm ../ro/file 2>/dev/null || echo 'cannot be removed'
`;
const EXPECTED = `host
2 4 644
../../../etc/passwd
the link is of the guest
kept
1
5000000001
 00
1
1
1
e071f707df7bbeee2a6a1eb48011ddd0  -
e071f707df7bbeee2a6a1eb48011ddd0  -
300
1
read this
read only
cannot be removed
`;

for (const protocol of ['virtiofs', '9p'] as const)
  describeGuest(`folders shared by ${protocol} in Debian`, () => {
    const scratch = mkdtempSync(join(tmpdir(), 'hindsight-shares-'));
    const work = join(scratch, 'work');
    const readOnly = join(scratch, 'ro');
    let recording: Uint8Array;
    let hash: string;

    beforeAll(() => {
      mkdirSync(work);
      mkdirSync(readOnly);
      writeFileSync(join(work, 'from-host'), 'host\n');
      writeFileSync(join(work, 'script'), WORK);
      writeFileSync(join(readOnly, 'file'), 'read this\n');
      writeFileSync(join(scratch, 'secret'), 'secret\n');
      symlinkSync('../secret', join(work, 'to-secret'));
    });
    afterAll(() => rmSync(scratch, { recursive: true, force: true }));

    it('work as a file system does, and the host sees what was written', async () => {
      const room = createHostRoom();
      const pieces: Uint8Array[] = [];
      const folders = [new SharedFolder(work), new SharedFolder(readOnly)];
      const { output, machine } = await exec(
        'cat /mnt/work/to-secret 2>/dev/null || echo nothing; . /mnt/work/script',
        {
          shares: ['work', 'ro'].map((name) => ({ name, protocol })),
          boot: { shares: ['work', 'ro'] },
          record: { write: (bytes) => void pieces.push(bytes.slice()) },
          hashEvery: 2 ** 26,
          prepare(vm) {
            attachShare(vm, 'work', folders[0], room);
            attachShare(vm, 'ro', folders[1], room, { readOnly: true });
          },
        },
      );
      expect(output).toBe(`nothing\n${EXPECTED}`);
      for (const folder of folders) folder.dispose();
      expect(readFileSync(join(work, 'from-guest'), 'utf8')).toBe('guest\n');
      expect(readFileSync(join(work, 'a', 'three'), 'utf8')).toBe('one\n');
      expect(readFileSync(join(readOnly, 'file'), 'utf8')).toBe('read this\n');
      expect(readdirSync(join(work, 'a')).sort()).toEqual(['b', 'out', 'three', 'two']);
      expect(readFileSync(join(scratch, 'secret'), 'utf8')).toBe('secret\n');
      recording = new Uint8Array(Buffer.concat(pieces));
      hash = machine.hash();
    });

    it.each<CoreKind>(['jit', 'wasm'])('replay on %s with the folders gone, to the same state', async (core) => {
      rmSync(scratch, { recursive: true, force: true });
      const { timeline } = await openTimeline(recording, theImages(), createHostRoom(), { core });
      await timeline.seek(timeline.end);
      expect(timeline.hash()).toBe(hash);
    });

    it('any file system answers, later, too', async () => {
      const room = createHostRoom();
      const fs = new MemoryFs();
      const slow = new Proxy(fs, {
        get: (target, key) => {
          const value = Reflect.get(target, key) as unknown;
          if (typeof value !== 'function') return value;
          return async (...args: unknown[]) => {
            await room.yieldToHost();
            return (value as (...args: unknown[]) => unknown).apply(target, args);
          };
        },
      });
      const { output } = await exec(
        'cd /mnt/memory; mkdir d; echo hello >d/f; cp d/f g; ls -l g | cut -c1-10; cat g; rm -r d; ls',
        {
          shares: [{ name: 'memory', protocol }],
          boot: { shares: ['memory'] },
          prepare: (vm) => void attachShare(vm, 'memory', slow as unknown as MemoryFs, room),
        },
      );
      expect(output).toBe('-rw-r--r--\nhello\ng\n');
    });
  });
