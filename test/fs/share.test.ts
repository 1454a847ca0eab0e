import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FuseServer } from '../../src/fs/fuse/server.ts';
import { MemoryFs } from '../../src/fs/memory-fs.ts';
import { SharedFolder, ShareError } from '../../src/host/node/share/share.ts';
import { FuseClient, O, ROOT } from './fuse-client.ts';
import { step, Walker } from './model.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (b: Uint8Array): string => new TextDecoder().decode(b);

let outer: string;
let root: string;
let share: SharedFolder;
let client: FuseClient;

beforeEach(() => {
  outer = mkdtempSync(join(tmpdir(), 'hindsight-share-'));
  root = join(outer, 'shared');
  mkdirSync(root);
  writeFileSync(join(outer, 'secret'), 'outside');
  mkdirSync(join(outer, 'private'));
  writeFileSync(join(outer, 'private', 'f'), 'outside too');
  share = new SharedFolder(root);
  client = new FuseClient(new FuseServer(share, { session: 3 }));
});

afterEach(() => {
  share.dispose();
  rmSync(outer, { recursive: true, force: true });
});

const descriptors = (): number =>
  Number(
    execFileSync('ls', [`/proc/${process.pid}/fd`])
      .toString()
      .split('\n').length,
  );

describe('a shared folder', () => {
  test('what the guest writes is on the host, and the other way round', async () => {
    writeFileSync(join(root, 'from host'), 'hello');
    const { id, size, uid } = await client.lookup(ROOT, 'from host');
    expect([size, uid]).toEqual([5, 0]);
    expect(text(await client.read(id, await client.open(id, O.RDONLY), 0, 100))).toBe('hello');
    const { entry, fh } = await client.create(ROOT, 'from guest', undefined, 0o600);
    await client.write(entry.id, fh, 0, bytes('hi'));
    await client.fsync(entry.id, fh);
    expect(readFileSync(join(root, 'from guest'), 'utf8')).toBe('hi');
    expect(statSync(join(root, 'from guest')).mode & 0o7777).toBe(0o600);
    expect((await client.statfs()).blocks).toBeGreaterThan(0n);
  });

  test('links that lead out are text to the guest, and are never followed', async () => {
    symlinkSync('../secret', join(root, 'link'));
    symlinkSync('../private', join(root, 'dir'));
    symlinkSync('/', join(root, 'slash'));
    for (const name of ['link', 'dir', 'slash']) {
      const { id, mode } = await client.lookup(ROOT, name);
      expect(mode & 0o170000).toBe(0o120000);
      await expect(client.open(id, O.RDONLY)).rejects.toThrow('ELOOP');
      await expect(client.open(id, O.RDWR | O.TRUNC)).rejects.toThrow('ELOOP');
      await expect(client.lookup(id, 'f')).rejects.toThrow('ENOTDIR');
      await expect(client.create(id, 'new')).rejects.toThrow('ENOTDIR');
      await expect(client.setattr(id, { size: 0 })).rejects.toThrow('EINVAL');
      await expect(client.setattr(id, { mode: 0o777 })).rejects.toThrow('EOPNOTSUPP');
      await expect(client.list(id)).rejects.toThrow('ENOTDIR');
    }
    expect(await client.readlink((await client.lookup(ROOT, 'link')).id)).toBe('../secret');
    const made = await client.symlink(ROOT, 'mine', '../secret');
    await expect(client.open(made.id, O.RDONLY)).rejects.toThrow('ELOOP');
    await expect(client.create(ROOT, 'mine', O.RDWR | O.CREAT)).rejects.toThrow('ELOOP');
    expect(readFileSync(join(outer, 'secret'), 'utf8')).toBe('outside');
  });

  test('a directory that becomes a link after the guest looked does not lead out', async () => {
    mkdirSync(join(root, 'd', 'e'), { recursive: true });
    writeFileSync(join(root, 'd', 'e', 'f'), 'inside');
    const d = await client.lookup(ROOT, 'd');
    const e = await client.lookup(d.id, 'e');
    const f = await client.lookup(e.id, 'f');
    share.forget(share.lookup(share.root, 'd')); // its descriptor is closed: it has to be found again by its name
    renameSync(join(root, 'd'), join(root, 'old'));
    symlinkSync('../private', join(root, 'd'));
    await expect(client.lookup(d.id, 'f')).rejects.toThrow('ESTALE');
    await expect(client.create(d.id, 'new')).rejects.toThrow();
    await expect(client.unlink(d.id, 'f')).rejects.toThrow();
    expect(existsSync(join(outer, 'private', 'new'))).toBe(false);
    expect(existsSync(join(outer, 'private', 'f'))).toBe(true);
    expect([f.size, (await client.lookup(ROOT, 'old')).inode]).toEqual([6, d.inode]);
  });

  test('a file that becomes a link, or another file, after the guest looked is stale', async () => {
    writeFileSync(join(root, 'f'), 'inside');
    const { id } = await client.lookup(ROOT, 'f');
    unlinkSync(join(root, 'f'));
    symlinkSync('../secret', join(root, 'f'));
    for (const attempt of [
      () => client.open(id, O.RDONLY),
      () => client.open(id, O.RDWR | O.TRUNC),
      () => client.setattr(id, { size: 0 }),
      () => client.setattr(id, { mode: 0o777 }),
      () => client.getattr(id),
      () => client.link(id, ROOT, 'g'),
    ])
      await expect(attempt()).rejects.toThrow('ESTALE');
    expect(existsSync(join(root, 'g'))).toBe(false);
    expect(readFileSync(join(outer, 'secret'), 'utf8')).toBe('outside');
    unlinkSync(join(root, 'f'));
    linkSync(join(outer, 'secret'), join(root, 'f'));
    await expect(client.open(id, O.RDONLY)).rejects.toThrow('ESTALE');
  });

  test('while somebody swaps a folder and a link, nothing outside is ever read or written', async () => {
    mkdirSync(join(root, 'd'));
    writeFileSync(join(root, 'd', 'f'), 'inside');
    const swapper = `
      cd '${root}'
      while [ ! -e stop ]; do mv d e; ln -s ../private d; rm d; mv e d; done`;
    const child = (await import('node:child_process')).spawn('sh', ['-c', swapper], { stdio: 'ignore' });
    let read = 0;
    for (let i = 0; i < 3000; i++) {
      try {
        const d = await client.lookup(ROOT, 'd');
        const f = await client.lookup(d.id, 'f');
        const fh = await client.open(f.id, O.RDWR);
        expect(text(await client.read(f.id, fh, 0, 100))).toBe('inside');
        await client.write(f.id, fh, 0, bytes('inside'));
        await client.release(f.id, fh);
        await client.forget(f.id);
        await client.forget(d.id);
        read++;
      } catch (error) {
        expect((error as Error).message).toMatch(/^(ENOENT|ESTALE|ENOTDIR|ELOOP)$/);
      }
      if (i % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    writeFileSync(join(root, 'stop'), '');
    await new Promise((resolve) => child.on('exit', resolve));
    expect(read).toBeGreaterThan(0);
    expect(readFileSync(join(outer, 'private', 'f'), 'utf8')).toBe('outside too');
  });

  test('device nodes are refused, set-user-ID is neither shown nor set, owners stay', async () => {
    const root0 = process.getuid?.() === 0;
    if (root0) {
      execFileSync('mknod', [join(root, 'null'), 'c', '1', '3']);
      await expect(client.lookup(ROOT, 'null')).rejects.toThrow('EPERM');
    }
    await expect(client.mknod(ROOT, 'dev', 0o020666)).rejects.toThrow('EPERM');
    expect(existsSync(join(root, 'dev'))).toBe(false);
    writeFileSync(join(root, 'tool'), '');
    chmodSync(join(root, 'tool'), 0o4755);
    const { id, mode } = await client.lookup(ROOT, 'tool');
    expect(mode).toBe(0o100755);
    await expect(client.setattr(id, { mode: 0o4755 })).rejects.toThrow('EPERM');
    await expect(client.setattr(id, { uid: 1000 })).rejects.toThrow('EPERM');
    expect((await client.setattr(id, { uid: 0, gid: 0 })).uid).toBe(0);
    const made = await client.create(ROOT, 'made', undefined, 0o4755);
    expect(statSync(join(root, 'made')).mode & 0o7777).toBe(0o755);
    expect(made.entry.mode).toBe(0o100755);
  });

  test('an open file outlives its name', async () => {
    const { entry, fh } = await client.create(ROOT, 'f');
    await client.write(entry.id, fh, 0, bytes('still'));
    await client.unlink(ROOT, 'f');
    expect(existsSync(join(root, 'f'))).toBe(false);
    expect(text(await client.read(entry.id, fh, 0, 10))).toBe('still');
    expect((await client.getattr(entry.id)).links).toBe(0);
    expect((await client.setattr(entry.id, { size: 2 })).size).toBe(2);
    const again = await client.open(entry.id, O.RDONLY);
    expect(text(await client.read(entry.id, again, 0, 10))).toBe('st');
  });

  test('a file that lost one of its names is found under another', async () => {
    const { entry, fh } = await client.create(ROOT, 'a');
    await client.release(entry.id, fh);
    await client.link(entry.id, ROOT, 'b');
    unlinkSync(join(root, 'b'));
    expect((await client.getattr(entry.id)).links).toBe(1);
  });

  test('names of any bytes, and times to the microsecond', async () => {
    const raw = Buffer.from([0xff, 0xfe, 0x20, 0x0a, 0x80]);
    writeFileSync(Buffer.concat([Buffer.from(`${root}/`), raw]), 'odd');
    const { inode } = share.attributes(share.lookup(share.root, raw.toString('latin1')));
    expect(inode).toBeGreaterThan(0);
    expect(share.list(share.root).map(({ name }) => name)).toContain(raw.toString('latin1'));
    const { entry } = await client.create(ROOT, 'f');
    for (const time of [1_700_000_000_123_456_000n, 1_000n, 999_999_000n, 4_000_000_000_000_001_000n]) {
      expect((await client.setattr(entry.id, { mtime: time })).mtime).toBe(time);
    }
  });

  test('holds no more descriptors than it needs: 2,000 folders looked at leave 512 or fewer held', async () => {
    const before = descriptors();
    for (let i = 0; i < 2000; i++) {
      const d = await client.mkdir(ROOT, `d${i}`);
      await client.list(d.id);
    }
    expect(descriptors() - before).toBeLessThan(530);
    expect((await client.list((await client.lookup(ROOT, 'd0')).id)).length).toBe(0);
  });

  test('refuses what is no folder', () => {
    expect(() => new SharedFolder(join(outer, 'nothing'))).toThrow(ShareError);
    expect(() => new SharedFolder(join(outer, 'secret'))).toThrow(/it is not a folder/);
  });

  test('exchange of names is refused, a rename that must not replace does not', async () => {
    writeFileSync(join(root, 'a'), 'a');
    writeFileSync(join(root, 'b'), 'b');
    mkdirSync(join(root, 'c'));
    mkdirSync(join(root, 'd'));
    await expect(client.rename(ROOT, 'a', ROOT, 'b', 2)).rejects.toThrow('EINVAL');
    await expect(client.rename(ROOT, 'a', ROOT, 'b', 1)).rejects.toThrow('EEXIST');
    await expect(client.rename(ROOT, 'c', ROOT, 'd', 1)).rejects.toThrow('EEXIST');
    await client.rename(ROOT, 'a', ROOT, 'e', 1);
    expect(readFileSync(join(root, 'e'), 'utf8')).toBe('a');
    expect(lstatSync(join(root, 'b')).isFile()).toBe(true);
  });

  test('random operations do on the host what they do in the model', { timeout: 120_000 }, async () => {
    let run = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 80 }), async (steps) => {
        const folder = join(outer, `run${run++}`);
        mkdirSync(folder);
        const real = new SharedFolder(folder);
        const server = new FuseServer(real, { session: 1 });
        const a = new Walker(new FuseClient(server));
        const b = new Walker(new FuseClient(new FuseServer(new MemoryFs(), { session: 1 })));
        try {
          for (const [i, s] of steps.entries())
            expect({ i, s, result: await a.run(s) }).toEqual({ i, s, result: await b.run(s) });
          await server.close();
        } finally {
          real.dispose();
          rmSync(folder, { recursive: true });
        }
      }),
      { numRuns: Number(process.env.HINDSIGHT_FUZZ ?? 100), seed: 12 },
    );
  });

  test('the link itself is read, whatever it says', async () => {
    const target = 'x/'.repeat(500);
    const { id } = await client.symlink(ROOT, 'l', target);
    expect(await client.readlink(id)).toBe(target);
    expect(readlinkSync(join(root, 'l'))).toBe(target);
  });
});
