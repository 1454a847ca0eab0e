/** Raw disks in the guest with Debian's own fio and blkdiscard, over every kind of base: what they verify, and what is there afterwards. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { commandArchive } from '../../src/guest/initramfs.ts';
import { openHttpDisk } from '../../src/host/http-disk.ts';
import { openDiskFile } from '../../src/host/node/disk-file.ts';
import { buildDisk } from '../../src/host/node/guest/index.ts';
import { createHostRoom } from '../../src/host/room.ts';
import type { BlockBackend } from '../../src/storage/backend.ts';
import { openTimeline } from '../../src/timeline/open.ts';
import { describeGuest, exec, theImages } from './guest.ts';

const MIB = 2 ** 20;
const SIZE = 32 * MIB;
const contents = Uint8Array.from({ length: SIZE }, (_, i) => (i * 31 + (i >> 9) * 7 + (i >> 20)) & 0xff);

/** The same in every run: fio draws from a fixed seed, and the guest's time is its own. */
const COMMAND = `set -e
# The guest first finds what is there.
dd if=/dev/vdb bs=1M iflag=direct status=none | sha256sum
cat /sys/block/vdb/queue/discard_max_bytes /sys/block/vdb/queue/write_zeroes_max_bytes
job="--filename=/dev/vdb --ioengine=libaio --direct=1 --randrepeat=1 --verify=crc32c --verify_fatal=1 --do_verify=1 --minimal"
fio --name=deep --offset=0 --size=8m --rw=randwrite --bsrange=512-64k --blockalign=512 --iodepth=64 $job >/dev/null && echo deep
fio --name=flushed --offset=8m --size=2m --rw=write --bs=4k --fsync=8 $job >/dev/null && echo flushed
fio --name=mixed --offset=10m --size=3m --rw=randrw --bs=8k --iodepth=16 --numjobs=2 --offset_increment=3m $job >/dev/null && echo mixed
# Discarded and zeroed: aligned or not, within what was written and outside.
blkdiscard -o 1M -l 2M /dev/vdb
blkdiscard -z -o $((4 * 1048576 + 512)) -l $((1048576 + 1024)) /dev/vdb
blkdiscard -z -o 20M -l 2M /dev/vdb
blkdiscard -o 24M -l 1M /dev/vdb
fallocate --zero-range --offset 26M --length 1M /dev/vdb
sync
for part in "4194816 1049600" "20971520 2097152" "27262976 1048576"; do
  set -- $part
  dd if=/dev/vdb iflag=direct,skip_bytes,count_bytes bs=512 skip=$1 count=$2 status=none | tr -d '\\0' | wc -c
done
dd if=/dev/vdb bs=64k iflag=direct status=none | sha256sum`;

/** The command is too long for the kernel's command line. */
const withCommand = (): ReturnType<typeof theImages> => {
  const { kernel, initrd } = theImages();
  return { kernel, initrd: { file: 'initrd', bytes: Buffer.concat([initrd.bytes, commandArchive(COMMAND)]) } };
};

describeGuest('raw disks', () => {
  const dir = mkdtempSync(join(tmpdir(), 'hindsight-raw-'));
  const image = join(dir, 'raw.img');
  const packed = join(dir, 'packed.qcow2');
  let root: Awaited<ReturnType<typeof buildDisk>>;
  let asked = 0;
  /** Slow now and then, refuses now and then, and sends less than it was asked for now and then. */
  const server = createServer((request, response) => {
    asked++;
    if (asked % 5 === 3) return void response.writeHead(503).end();
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '')!;
    const last = asked % 4 === 1 ? Math.min(Number(to), Number(from) + 9999) : Number(to);
    response.writeHead(206, { ETag: '"v1"', 'Content-Range': `bytes ${from}-${last}/${SIZE}` });
    setTimeout(() => response.end(contents.subarray(Number(from), last + 1)), asked % 3 === 0 ? 30 : 0);
  });

  beforeAll(async () => {
    writeFileSync(image, contents);
    execFileSync('qemu-img', ['convert', '-q', '-c', '-O', 'qcow2', image, packed], { stdio: 'pipe' });
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
    root = await buildDisk({ packages: ['attr', 'e2fsprogs', 'fio', 'git'] });
  }, 900_000);
  afterAll(() => {
    server.close();
    server.closeAllConnections();
    rmSync(dir, { recursive: true, force: true });
  });

  const rootDisk = () => ({ file: root.disk, backend: openDiskFile(root.disk, root.manifest.files[0]!.sha256) });
  let first: string | undefined;

  it.each<[string, () => BlockBackend | Promise<BlockBackend>]>([
    ['a raw image', () => openDiskFile(image)],
    ['a qcow2 image', () => openDiskFile(packed)],
    [
      'a server that is slow, refuses and sends less',
      () =>
        openHttpDisk(`http://127.0.0.1:${(server.address() as AddressInfo).port}/disk.img`, { retries: [1, 1, 1, 1] }),
    ],
  ])('over %s pass fio with verification, and are as discard and write-zeroes say', async (_kind, open) => {
    const pieces: Uint8Array[] = [];
    const backend = await open();
    const done = await exec('', {
      ...withCommand(),
      memory: '512M',
      boot: { root: '/dev/vda' },
      disks: [rootDisk(), { file: 'raw', backend }],
      record: { write: (bytes) => void pieces.push(bytes.slice()) },
    });
    const [before, discard, zeroes, ...rest] = done.output.trim().split('\n');
    const sum = createHash('sha256').update(contents).digest('hex');
    expect(before).toBe(`${sum}  -`);
    expect([discard, zeroes]).toEqual(['33554432', '33554432']);
    expect(rest.slice(0, -1)).toEqual(['deep', 'flushed', 'mixed', '0', '0', '0']);
    expect(done.status).toBe(0);
    // What the host keeps of the disk is what the guest saw; what nobody wrote is as it was.
    const disk = done.machine.internals.engine.board.disks[1]!;
    const bytes = new Uint8Array(SIZE);
    const read = disk.prefetch(0, SIZE);
    await read.late;
    read.finish(0, bytes);
    expect(rest.at(-1)).toBe(`${createHash('sha256').update(bytes).digest('hex')}  -`);
    expect(Buffer.compare(bytes.subarray(28 * MIB), contents.subarray(28 * MIB))).toBe(0);
    expect(bytes.subarray(26 * MIB, 27 * MIB).every((byte) => byte === 0)).toBe(true);
    // The guest has seen the same whatever lies beneath, and so it is replayed.
    first ??= done.output;
    expect(done.output).toBe(first);
    const disks = [rootDisk(), { file: 'raw', backend }];
    const recording = new Uint8Array(Buffer.concat(pieces));
    const { timeline } = await openTimeline(recording, { ...withCommand(), disks }, createHostRoom(), { core: 'jit' });
    await timeline.seek(timeline.end);
    expect(timeline.hash()).toBe(done.machine.hash());
  });
});
