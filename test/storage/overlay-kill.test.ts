import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openDiskFile } from '../../src/host/node/disk-file.ts';
import { KeptDisk } from '../../src/host/node/overlay-file.ts';
import { commitOverlay, exportOverlay, reportOverlay } from '../../src/host/node/overlay-tools.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'overlay-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const SIZE = 24 * 4096;

test('killed a hundred times at any moment, has the last flush, whole; two at once are refused', async () => {
  const base = join(folder, 'base.img');
  const overlay = join(folder, 'killed.hso');
  writeFileSync(base, new Uint8Array(SIZE));
  const program = join(folder, 'writer.mjs');
  await build({
    entryPoints: ['test/storage/overlay-writer.ts'],
    outfile: program,
    bundle: true,
    platform: 'node',
    format: 'esm',
    logLevel: 'error',
  });
  let flushed = 0;
  let seed = 1;
  for (let kill = 0; kill < 100; kill++) {
    const writer = spawn(process.execPath, [program, base, overlay], { stdio: ['ignore', 'pipe', 'inherit'] });
    let heard = '';
    writer.stdout.on('data', (bytes: Buffer) => (heard += bytes.toString()));
    await new Promise<void>((resolve) => writer.stdout.once('data', () => resolve()));
    if (kill === 0)
      await expect(KeptDisk.open(openDiskFile(base), overlay, base)).rejects.toThrow(/in use by another machine/);
    seed = (seed * 48271) % 2147483647;
    await new Promise((resolve) => setTimeout(resolve, (seed % 400) / 10));
    writer.kill('SIGKILL');
    await new Promise((resolve) => writer.once('close', resolve));
    flushed = Number(heard.trim().split('\n').at(-1));
    const disk = await KeptDisk.open(openDiskFile(base), overlay, base);
    const bytes = new Uint8Array(SIZE);
    await disk.read(0, bytes);
    disk.close();
    const view = new DataView(bytes.buffer);
    const rounds = new Set(Array.from({ length: SIZE / 512 }, (_, i) => view.getUint32(i * 512, true)));
    expect(rounds.size).toBe(1);
    // Said to be flushed, or flushed and not said any more.
    expect([flushed, flushed + 1]).toContain([...rounds][0]);
  }
  expect(flushed).toBeGreaterThan(100);
}, 240_000);

test('is committed to its base, exported, and refused over another', async () => {
  const base = join(folder, 'other.img');
  const overlay = join(folder, 'b.hso');
  writeFileSync(base, Buffer.alloc(10_000, 1));
  const open = (): Promise<KeptDisk> => KeptDisk.open(openDiskFile(base), overlay, base);
  const { OverlayDisk } = await import('../../src/storage/index.ts');
  const kept = await open();
  const disk = new OverlayDisk(kept);
  kept.keepWrites(disk, () => true);
  disk.write(1024, new Uint8Array(512).fill(5));
  disk.flush();
  await expect(commitOverlay(overlay)).rejects.toThrow(/in use/);
  kept.close();
  expect(await reportOverlay(overlay, true)).toMatchObject({ changed: 512, commits: 1, base, inUse: false });
  const wanted = Buffer.alloc(10_240, 1, undefined);
  wanted.fill(0, 10_000);
  wanted.fill(5, 1024, 1536);
  const image = join(folder, 'image.img');
  await exportOverlay(overlay, image);
  expect(readFileSync(image).equals(wanted)).toBe(true);
  await expect(exportOverlay(overlay, image)).rejects.toThrow(/is there already/);

  writeFileSync(base, Buffer.alloc(10_000, 2));
  await expect(open()).rejects.toThrow(/other\.img has SHA-256 .*: the base was changed underneath/);
  await expect(commitOverlay(overlay)).rejects.toThrow(/changed underneath/);
  writeFileSync(base, Buffer.alloc(10_000, 1));
  await commitOverlay(overlay);
  expect(readFileSync(base).subarray(0, 10_000).equals(wanted.subarray(0, 10_000))).toBe(true);
  await expect(reportOverlay(overlay, true)).rejects.toThrow(/there is no such file/);
});
