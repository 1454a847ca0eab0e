import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { guest } from './guest.ts';
import { hindsight } from './hindsight.ts';

/** Reads a file again and again, past the guest's own cache, and once something larger. */
const COMMAND = `
modprobe -a virtio_mmio virtio_blk ext4; mkdir /d; mount -t ext4 /dev/vda /d
seq 1 60000 >/d/hot; seq 1 600000 >/d/cold; sync
for i in 1 2 3; do echo 3 >/proc/sys/vm/drop_caches; md5sum /d/hot; done
echo 3 >/proc/sys/vm/drop_caches; md5sum /d/cold; echo 3 >/proc/sys/vm/drop_caches; md5sum /d/hot`;

interface Report {
  readonly reads: number;
  readonly writes: number;
  readonly outcomes: readonly { policy: string; bytes: number; hits: number; misses: number; hitRate: number }[];
}

describe.skipIf(guest === undefined)('hindsight cache', { timeout: 90_000 }, () => {
  const dir = mkdtempSync(join(tmpdir(), 'hindsight-cache-'));
  const recording = join(dir, 'run.hsr');

  beforeAll(async () => {
    const disk = join(dir, 'disk');
    execFileSync('mke2fs', ['-q', '-t', 'ext4', disk, '32M'], {
      env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` },
      stdio: 'pipe',
    });
    const args = ['run', '--record', recording, '--checkpoints', '--disk', disk, '--exec', COMMAND, '-q'];
    expect(await hindsight(args, {})).toMatchObject({ status: 0 });
  });
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  test('counts the traffic of the whole recording, and says what each cache would have done', async () => {
    const { stdout } = await hindsight(
      ['cache', recording, '--json', '--policy', 'lru,s3fifo', '--size', '64k,1M,32M'],
      {},
    );
    const { reads, writes, outcomes } = JSON.parse(stdout) as Report;
    expect(reads).toBeGreaterThan((4 * 349_000 + 4_000_000) / 4096);
    expect(writes).toBeGreaterThan(4_000_000 / 4096);
    const rate = (policy: string, bytes: number): number =>
      outcomes.find((o) => o.policy === policy && o.bytes === bytes)!.hitRate;
    for (const { hits, misses } of outcomes) expect(hits + misses).toBe(reads);
    // Everything was written before it was read, but for what mke2fs wrote.
    expect(rate('lru', 2 ** 25)).toBeGreaterThan(0.9);
    for (const policy of ['lru', 's3fifo']) {
      expect(rate(policy, 2 ** 16)).toBeLessThan(rate(policy, 2 ** 20));
      expect(rate(policy, 2 ** 20)).toBeLessThan(rate(policy, 2 ** 25));
    }
  });

  test('draws a table and a curve', async () => {
    const { stdout } = await hindsight(['cache', recording, '--policy', 'arc,2q'], {});
    expect(stdout).toMatch(/^\d+ blocks of 4096 bytes read, \d+ written; [\d.]+ MiB of them different$/m);
    expect(stdout).toMatch(/^arc( +[\d.]+ % +[\d.]+ ms){6}$/m);
    expect(stdout).toMatch(/^misses of 2q\n( +[\d.]+ [KM]iB [█·]{40} [\d.]+ %\n){6}/m);
  });

  test('says what is wrong', async () => {
    const policy = await hindsight(['cache', recording, '--policy', 'mru'], {});
    expect(policy).toMatchObject({ status: 2, stdout: '' });
    expect(policy.stderr).toContain('--policy mru: expected');
    expect((await hindsight(['cache', recording, '--size', '1'], {})).stderr).toContain('--size 1: expected');
  });
});
