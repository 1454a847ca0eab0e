import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { openDiskFile } from '../../src/host/node/disk-file.ts';
import { KeptDisk, type KeptOptions } from '../../src/host/node/overlay-file.ts';
import {
  commitOverlay,
  discardOverlay,
  drainOverlay,
  exportOverlay,
  reportOverlay,
} from '../../src/host/node/overlay-tools.ts';
import { OverlayDisk } from '../../src/storage/index.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'overlay-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const SIZE = 24 * 4096;

test.each([
  { write: 'through', kills: 100 },
  { write: 'back', kills: 100 },
] as const)(
  'write-$write: killed $kills times at any moment, has the last flush, whole; two at once are refused',
  async ({ write, kills }) => {
    const base = join(folder, 'base.img');
    const overlay = join(folder, `killed-${write}.hso`);
    const journal = write === 'back' ? [join(folder, 'killed.hsj')] : [];
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
    for (let kill = 0; kill < kills; kill++) {
      const writer = spawn(process.execPath, [program, base, overlay, ...journal], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
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
  },
  240_000,
);

test('is committed to its base, exported, and refused over another', async () => {
  const base = join(folder, 'other.img');
  const overlay = join(folder, 'b.hso');
  writeFileSync(base, Buffer.alloc(10_000, 1));
  const open = (): Promise<KeptDisk> => KeptDisk.open(openDiskFile(base), overlay, base);
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

describe('an overlay whose journal a crash left', () => {
  let base: string;
  let overlay: string;
  let journal: string;
  beforeEach(async () => {
    base = join(folder, 'journaled.img');
    overlay = join(folder, 'journaled.hso');
    journal = join(folder, 'journaled.hsj');
    writeFileSync(base, new Uint8Array(SIZE));
    rmSync(overlay, { force: true });
    rmSync(journal, { force: true });
    const kept = await open({ write: 'back', journal });
    const disk = new OverlayDisk(kept);
    kept.keepWrites(disk, () => true);
    disk.write(0, new Uint8Array(4096).fill(7));
    disk.flush();
    // As a crash leaves them.
    const left = [readFileSync(overlay), readFileSync(journal)];
    kept.close();
    expect(existsSync(journal)).toBe(false);
    writeFileSync(overlay, left[0]!);
    writeFileSync(journal, left[1]!);
  });

  const open = async (options: KeptOptions = {}): Promise<KeptDisk> =>
    KeptDisk.open(openDiskFile(base), overlay, base, options);
  const firstByte = async (options: KeptOptions = {}): Promise<number> => {
    const kept = await open(options);
    const bytes = new Uint8Array(512);
    await kept.read(0, bytes);
    kept.close();
    return bytes[0]!;
  };

  test('has it put there by whoever opens it next', async () => {
    expect(await reportOverlay(overlay, true)).toMatchObject({ journal, changed: 0 });
    expect(await firstByte()).toBe(7);
    expect(existsSync(journal)).toBe(false);
    expect(await reportOverlay(overlay, true)).not.toHaveProperty('journal');
  });

  test('is not used without it, unless what is in it is given up', async () => {
    rmSync(journal);
    await expect(open()).rejects.toThrow(/is in its journal .*journaled\.hsj, which is not there: bring it back/);
    await expect(exportOverlay(overlay, join(folder, 'none.img'))).rejects.toThrow(/which is not there/);
    await expect(drainOverlay(overlay, false)).rejects.toThrow(/which is not there/);
    expect(await drainOverlay(overlay, true)).toBe(journal);
    expect(await firstByte()).toBe(0);
  });

  test('refuses another one, and a file that is none, which stays', async () => {
    writeFileSync(journal, 'my diary');
    await expect(open()).rejects.toThrow(/journaled\.hsj is no overlay/);
    await expect(drainOverlay(overlay, true)).rejects.toThrow(/is no overlay/);
    expect(readFileSync(journal, 'utf8')).toBe('my diary');
    rmSync(journal);
    await drainOverlay(overlay, true).catch(() => undefined);
    const other = join(folder, 'other.hso');
    const kept = await KeptDisk.open(openDiskFile(base), other, base, { write: 'back', journal });
    await expect(open({ write: 'back', journal })).rejects.toThrow(
      /is no journal of this overlay, but over .*other\.hso/,
    );
    kept.close();
  });

  test('is refused with the base gone or changed, and the journal stays', async () => {
    writeFileSync(base, new Uint8Array(SIZE).fill(1));
    await expect(open()).rejects.toThrow(/changed underneath/);
    rmSync(base);
    await expect(open()).rejects.toThrow(/there is no such file/);
    expect(existsSync(journal)).toBe(true);
  });

  test('is drained, committed, exported and discarded with it', async () => {
    const image = join(folder, 'journaled-out.img');
    await exportOverlay(overlay, image);
    expect(readFileSync(image)[0]).toBe(7);
    await commitOverlay(overlay);
    expect(readFileSync(base)[0]).toBe(7);
    const kept = await open({ write: 'back', journal });
    const left = [readFileSync(overlay), readFileSync(journal)];
    kept.close();
    writeFileSync(overlay, left[0]!);
    writeFileSync(journal, left[1]!);
    await discardOverlay(overlay);
    expect([existsSync(overlay), existsSync(journal)]).toEqual([false, false]);
  });
});
