import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { FileBackend } from '../../src/host/node/disk.ts';
import { hindsight } from '../cli/hindsight.ts';
import { describeGuest, exec, theDisk } from './guest.ts';

/** Superblock, first groups and a stretch of data: what a mount and the writes below would change. Offset and length in bytes. */
const LOOKED_AT = [
  [0, 1 << 20],
  [128 << 20, 1 << 20],
] as const;

function glimpse(disk: FileBackend): Buffer {
  return Buffer.concat(
    LOOKED_AT.map(([offset, length]) => {
      const bytes = new Uint8Array(length);
      disk.read(offset, bytes);
      return bytes;
    }),
  );
}

describeGuest('the root disk', () => {
  it('runs python3, gcc and sqlite3; what is written stays for the run, and out of the image', async (context) => {
    const { found, reason } = await theDisk();
    if (found === undefined) return context.skip(reason);
    const backend = new FileBackend(found.disk, { hash: found.manifest.files[0]!.sha256 });
    const before = { bytes: glimpse(backend), modified: statSync(found.disk).mtimeMs };
    const commands = [
      'python3 -c "print(6*7)"',
      'cd /root && printf \'#include <stdio.h>\\nint main(void){puts("hello");return 5;}\\n\' >a.c && gcc a.c -o a && ./a',
      'echo "status $?"',
      'sqlite3 db "create table t(a); insert into t values(8); select a*a from t"',
      'sync; echo 3 >/proc/sys/vm/drop_caches; ./a; sqlite3 db "select count(*) from t"',
      'awk \'$2 == "/" {print $1, $3}\' /proc/mounts',
    ];
    const run = await exec(commands.join('\n'), { disks: [{ file: found.disk, backend }], boot: { root: '/dev/vda' } });
    expect(run.output).toBe('42\nhello\nstatus 5\n64\nhello\n1\n/dev/vda ext4\n');
    expect(run.status).toBe(0);
    expect(run.end.halt).toEqual({ kind: 'poweroff', status: 0 });
    const [overlay] = run.machine.internals.engine.board.disks;
    expect([...overlay.writtenChunks()].length).toBeGreaterThan(0);
    expect(glimpse(backend).equals(before.bytes)).toBe(true);
    expect(statSync(found.disk).mtimeMs).toBe(before.modified);
    backend.close();
  });

  it('is part of a recording: python3 and sqlite3 on it do the same again, on another core', async (context) => {
    const { found, reason } = await theDisk();
    if (found === undefined) return context.skip(reason);
    const dir = mkdtempSync(join(tmpdir(), 'hindsight-disk-'));
    const command =
      'python3 -c "import os, random, time; print(time.time(), random.random(), os.urandom(8).hex())"; sqlite3 db "create table t(a); insert into t values(7); select a*6 from t"; sync';
    try {
      const file = join(dir, 'a.hsr');
      const run = await hindsight(['run', '--record', file, '--disk', 'debian', '--exec', command]);
      expect(run.stdout).toMatch(/^[\d.]+ 0\.\d+ [0-9a-f]{16}\n42\n$/);
      const replay = await hindsight(['replay', file, '--verify', '--core', 'wasm']);
      expect(replay.stderr).toMatch(/\d state hash(es)? compared, all equal/);
      expect(replay.stdout.replaceAll('\r', '')).toContain(run.stdout);
      expect(statSync(file).size).toBeLessThan(4096);
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });
});
