import { expect, it } from 'vitest';
import { BlankBackend } from '../../src/storage/index.ts';
import { describeGuest, exec } from './guest.ts';

const SIZE = 64 * 2 ** 20;

/** What Linux makes of the disks; four writers at once past the page cache; then a discard where they wrote. */
const SCRIPT = `
cd /sys/block
cat vda/serial; echo; cat vdb/serial; echo
cat vda/size vda/ro vdb/ro vda/queue/write_cache vda/queue/discard_max_bytes vda/queue/write_zeroes_max_bytes vdb/queue/discard_max_bytes
for i in 0 1 2 3; do dd if=/dev/urandom of=/noise$i bs=1M count=4 2>/dev/null; done
for i in 0 1 2 3; do dd if=/noise$i of=/dev/vda bs=256k seek=$((i * 16)) conv=notrunc oflag=direct 2>/dev/null & done
wait
sync
sum() { echo 3 >/proc/sys/vm/drop_caches; dd if=/dev/vda bs=1M skip=$1 count=$2 2>/dev/null | sha256sum | cut -c1-16; }
[ "$(sum 0 16)" = "$(cat /noise? | sha256sum | cut -c1-16)" ] && echo written
blkdiscard -o 4194304 -l 4194304 /dev/vda && [ "$(sum 4 4)" = "$(sum 4 4)" ] && echo discarded
[ "$(sum 8 8)" = "$(cat /noise2 /noise3 | sha256sum | cut -c1-16)" ] && echo kept
dd if=/noise0 of=/dev/vdb bs=512 count=1 oflag=direct 2>/dev/null || echo refused
`;

describeGuest('disks without a file system', () => {
  it('show their serial, cache and limits; take several requests at once, and discards; a read-only one stays as it is', async () => {
    const disks = [
      { file: 'blank', backend: new BlankBackend(SIZE) },
      { file: 'read-only', backend: new BlankBackend(SIZE), readOnly: true },
    ];
    const boot = { modules: ['virtio_mmio', 'virtio_blk'], stdin: 'stream' } as const;
    const { output, status } = await exec('cat | sh', { input: SCRIPT, disks, boot });
    expect(output.trim().split('\n')).toEqual([
      ...['hindsight0', 'hindsight1', String(SIZE / 512), '0', '1', 'write back'],
      ...[String(65536 * 512), String(65536 * 512), '0'],
      ...['written', 'discarded', 'kept', 'refused'],
    ]);
    expect(status).toBe(0);
  });
});
