import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openOverlayBytes } from '../../src/host/node/overlay-bytes.ts';
import { OverlayLog } from '../../src/storage/index.ts';
import { guest } from './guest.ts';
import { CLI, hindsight } from './hindsight.ts';

const MOUNT = 'modprobe virtio_mmio; modprobe virtio_blk; modprobe ext4; mount /dev/vda /mnt';

describe.skipIf(guest === undefined)('a disk that keeps what is written', { timeout: 240_000 }, () => {
  let dir: string;
  let base: string;
  let overlay: string;
  let original: Buffer;
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'hindsight-disk-'));
    base = join(dir, 'base.img');
    overlay = join(dir, 'work.hso');
    execFileSync('mkfs.ext4', ['-q', '-F', base, '16M'], { stdio: 'ignore' });
    original = readFileSync(base);
  });
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  const run = async (command: string, ...args: string[]): Promise<string> => {
    const disk = `${base},overlay=${overlay}`;
    const { stdout, stderr, status } = await hindsight([
      ...['run', '--quiet', '--no-stdin', '--disk', disk, ...args, '--exec', `${MOUNT}; ${command}`],
    ]);
    expect([status, stderr]).toEqual([0, '']);
    return stdout;
  };

  test('has it again in the next machine; the base stays as it was, and recordings replay from what there was', async () => {
    const recording = join(dir, 'a.hsr');
    expect(await run('echo first >/mnt/file; sync')).toBe('');
    expect(await run('cat /mnt/file; echo second >/mnt/file; sync', '--record', recording)).toBe('first\n');
    expect(await run('cat /mnt/file; umount /mnt')).toBe('second\n');
    expect(readFileSync(base).equals(original)).toBe(true);
    const replay = (...args: string[]): ReturnType<typeof hindsight> =>
      hindsight(['replay', recording, '--verify', ...args]);
    expect(await replay('--core', 'wasm', '--json')).toMatchObject({ status: 0, stderr: '' });
    const report = await hindsight(['disk', 'info', overlay, '--json']);
    expect(JSON.parse(report.stdout)).toMatchObject({ base, inUse: false, merging: false });

    const image = join(dir, 'image.img');
    expect((await hindsight(['disk', 'export', overlay, image])).status).toBe(0);
    execFileSync('e2fsck', ['-fn', image], { stdio: 'ignore' });

    const embedded = join(dir, 'b.hsr');
    await run('cat /mnt/file', '--record', embedded, '--embed');
    expect((await hindsight(['disk', 'discard', overlay])).status).toBe(0);
    const gone = await replay();
    expect(gone.status).toBe(1);
    expect(gone.stderr).toMatch(/work\.hso as it was after commit \d+, which is not to be had/);
    expect(await hindsight(['replay', embedded, '--verify', '--json'])).toMatchObject({ status: 0, stderr: '' });
    expect(await run('ls /mnt')).toBe('lost+found\n');
  });

  test.each(['through', 'back'])(
    'killed while the guest writes, by write-%s, has all that the guest had synchronized, in order',
    async (write) => {
      rmSync(overlay, { force: true });
      let written = 0;
      const journal = write === 'back' ? `,write=back,journal=${join(dir, 'work.hsj')}` : '';
      for (let kill = 0; kill < 4; kill++) {
        const script = `${MOUNT} && cat /mnt/log 2>/dev/null | wc -l; i=${written}; while true; do i=$((i+1)); echo $i >>/mnt/log; head -c 20000 /dev/urandom >/mnt/noise.$((i % 7)); sync; echo synced $i; done`;
        const machine = spawn(
          process.execPath,
          [CLI, 'run', '--quiet', '--no-stdin', '--disk', `${base},overlay=${overlay}${journal}`, '--exec', script],
          { stdio: ['ignore', 'pipe', 'inherit'] },
        );
        let heard = '';
        await new Promise<void>((resolve) =>
          machine.stdout.on('data', (bytes: Buffer) => {
            heard += bytes.toString();
            if (heard.split('synced').length > 8 + 5 * kill) resolve();
          }),
        );
        if (kill === 0) {
          const second = await hindsight([
            'run',
            '--disk',
            `${base},overlay=${overlay}`,
            '--no-stdin',
            '--exec',
            'true',
          ]);
          expect(second.status).toBe(1);
          expect(second.stderr).toMatch(/work\.hso is in use by another machine/);
        }
        machine.kill('SIGKILL');
        await new Promise((resolve) => machine.once('close', resolve));
        const synced = Number(/synced (\d+)\n(?![\s\S]*synced \d+\n)/.exec(heard)?.[1]);
        // The file system, once its journal is replayed, is sound.
        const image = join(dir, `killed-${write}-${kill}.img`);
        expect((await hindsight(['disk', 'export', overlay, image])).status).toBe(0);
        execFileSync('e2fsck', ['-p', image], { stdio: 'ignore' });
        execFileSync('e2fsck', ['-fn', image], { stdio: 'ignore' });
        const log = execFileSync('debugfs', ['-R', 'cat /log', image], {
          stdio: ['ignore', 'pipe', 'ignore'],
        }).toString();
        const lines = log.trim().split('\n').map(Number);
        expect(lines).toEqual(lines.map((_, i) => i + 1));
        expect(lines.length).toBeGreaterThanOrEqual(synced);
        written = lines.length;
      }
    },
  );

  test('is written back by way of a journal, which is gone in the end; the statistics say so; it replays', async () => {
    rmSync(overlay, { force: true });
    const journal = join(dir, 'orderly.hsj');
    const recording = join(dir, 'back.hsr');
    const { status, stderr } = await hindsight([
      ...['run', '--quiet', '--no-stdin', '--stats', '--record', recording],
      ...['--disk', `${base},overlay=${overlay},write=back,journal=${journal}`],
      ...['--exec', `${MOUNT}; for i in 1 2 3; do echo $i >>/mnt/file; sync; done`],
    ]);
    expect(status).toBe(0);
    expect(stderr).toMatch(/write-back: \d+ flushes \(.*\) to the journal, .* 0 waits for room; \d+ commits/);
    expect(existsSync(journal)).toBe(false);
    expect(await run('cat /mnt/file')).toBe('1\n2\n3\n');
    expect(await hindsight(['replay', recording, '--verify', '--json'])).toMatchObject({ status: 0, stderr: '' });
    for (const [disk, problem] of [
      [`${base},write=back`, /add overlay=NAME/],
      [`${base},overlay=${overlay},journal=x`, /journal= is for write=back/],
      [`${base},overlay=${overlay},write=later`, /through, back|through or back/],
    ] as const) {
      const wrong = await hindsight(['run', '--no-stdin', '--disk', disk, '--exec', 'true']);
      expect(wrong.status).toBe(2);
      expect(wrong.stderr).toMatch(problem);
    }
  });

  test('changes how it is written while its machine runs', async () => {
    rmSync(overlay, { force: true });
    const name = `disk-${process.pid}`;
    const script = `${MOUNT}; i=0; while true; do i=$((i+1)); echo $i >>/mnt/log; sync; echo synced $i; done`;
    const machine = spawn(
      process.execPath,
      [CLI, 'run', '-q', '--no-stdin', '--control', name, '--disk', `${base},overlay=${overlay}`, '--exec', script],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    const ended = new Promise((resolve) => machine.on('exit', resolve));
    let synced = 0;
    machine.stdout.on('data', (bytes: Buffer) => (synced += bytes.toString().split('synced').length - 1));
    const status = async (pattern: RegExp): Promise<void> => {
      for (;;) {
        const { stdout, stderr } = await hindsight(['disk', 'status', name]);
        expect(stderr).toBe('');
        if (pattern.test(stdout)) return;
      }
    };
    try {
      await expect.poll(() => synced, { timeout: 200_000 }).toBeGreaterThan(2);
      await status(/write-through: [1-9]\d* commits/);
      const back = await hindsight(['disk', 'set', name, 'vda', 'write=back']);
      expect(back).toMatchObject({ status: 0, stdout: expect.stringMatching(/write-back: 0 flushes/) });
      await status(/write-back: [1-9]\d* flushes/);
      const through = await hindsight(['disk', 'set', name, 'vda', 'write=through']);
      expect(through.stdout).toMatch(/write-through: [1-9]\d* flushes \(.*\) to the journal, 0 bytes of it not yet/);
      for (const [disk, setting, problem] of [
        ['vdb', 'write=back', /no disk "vdb"; its disks: vda/],
        ['vda', 'write=later', /through, back|through or back/],
        ['vda', 'cache=1M', /not on a server/],
        ['vda', 'speed=9', /expected write=through, write=back or cache=/],
      ] as const) {
        const wrong = await hindsight(['disk', 'set', name, disk, setting]);
        expect(wrong.status).toBe(1);
        expect(wrong.stderr).toMatch(problem);
      }
    } finally {
      machine.kill('SIGKILL');
      await ended;
    }
    const before = synced;
    const kept = (await run('cat /mnt/log')).trim().split('\n').map(Number);
    expect(kept.slice(0, before)).toEqual(Array.from({ length: Math.min(before, kept.length) }, (_, i) => i + 1));
    expect(kept.length).toBeGreaterThanOrEqual(before);
    expect((await hindsight(['disk', 'status', name])).stderr).toMatch(/no machine/);
  });

  test('is committed to its base, again if that was interrupted', async () => {
    rmSync(overlay, { force: true });
    const file = join(dir, 'other.img');
    writeFileSync(file, original);
    const disk = `${file},overlay=${overlay}`;
    const write = await hindsight([
      'run',
      '-q',
      '--no-stdin',
      '--disk',
      disk,
      '--exec',
      `${MOUNT}; echo kept >/mnt/a; umount /mnt`,
    ]);
    expect(write.status).toBe(0);
    const log = OverlayLog.open(openOverlayBytes(overlay, 'r+'));
    log.beginMerging();
    log.close();
    // The base holds a part of it, and a part of a part.
    const part = readFileSync(file);
    for (const [id, { mask }] of log.entries) if (mask === 255) part.fill(7, id * 4096, id * 4096 + 100);
    writeFileSync(file, part);
    const refused = await hindsight(['run', '-q', '--no-stdin', '--disk', disk, '--exec', 'true']);
    expect(refused.stderr).toMatch(/was being committed to .*other\.img when that was interrupted: finish it/);
    expect((await hindsight(['disk', 'commit', overlay])).status).toBe(0);
    const text = execFileSync('debugfs', ['-R', 'cat /a', file], { stdio: ['ignore', 'pipe', 'ignore'] }).toString();
    expect(text).toBe('kept\n');
  });
});
