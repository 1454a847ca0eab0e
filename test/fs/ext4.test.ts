import { execFileSync, spawnSync } from 'node:child_process';
import {
  closeSync,
  ftruncateSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readCpio } from '../../src/fs/cpio-fs.ts';
import { Ext4Fs } from '../../src/fs/ext4/ext4-fs.ts';
import { type FileSystem, nameOf } from '../../src/fs/file-system.ts';
import { findPath } from '../../src/fs/walk.ts';
import { writeCpio } from '../../src/guest/cpio.ts';
import { contents, copyOut } from '../../src/host/node/copy-out.ts';

const PATH = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` };
const has = spawnSync('mke2fs', ['-V'], { env: PATH }).status === 0;
const scratch = mkdtempSync(join(tmpdir(), 'hindsight-ext4-'));
const tree = join(scratch, 'tree');

async function text<N extends object>(fs: FileSystem<N>, path: string): Promise<string> {
  const pieces: Uint8Array[] = [];
  for await (const piece of contents(fs, await findPath(fs, path))) pieces.push(piece.slice());
  return Buffer.concat(pieces).toString();
}

const disk = (bytes: Uint8Array) => ({
  size: bytes.length,
  read: (offset: number, into: Uint8Array) => into.set(bytes.subarray(offset, offset + into.length)),
});

function image(name: string, options: string[], size = '64M'): Uint8Array {
  const file = join(scratch, name);
  execFileSync('mke2fs', ['-q', '-F', ...options, '-d', tree, file, size], { env: PATH, stdio: 'pipe' });
  return new Uint8Array(readFileSync(file));
}

beforeAll(() => {
  mkdirSync(join(tree, 'dir', 'deep', 'deeper'), { recursive: true });
  writeFileSync(join(tree, 'hello'), 'hello\n');
  writeFileSync(join(tree, 'empty'), '');
  writeFileSync(
    join(tree, 'large'),
    Buffer.from(Array.from({ length: 3_000_000 }, (_, i) => (i * 7 + (i >> 12)) & 0xff)),
  );
  const sparse = openSync(join(tree, 'sparse'), 'w');
  writeSync(sparse, 'start', 0);
  writeSync(sparse, 'end', 12_000_000);
  ftruncateSync(sparse, 12_100_000);
  closeSync(sparse);
  symlinkSync('../hello', join(tree, 'dir', 'link'));
  symlinkSync(`/${'dir/../'.repeat(20)}hello`, join(tree, 'long-link'));
  symlinkSync('../../../../../hello', join(tree, 'dir', 'above'));
  symlinkSync('loop', join(tree, 'loop'));
  mkdirSync(join(tree, 'many'));
  for (let i = 0; i < 400; i++) writeFileSync(join(tree, 'many', `a file with a rather long name ${i}`), `${i}`);
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

describe.skipIf(!has)('the reader of ext4', () => {
  test.each<[string, string[]]>([
    ['as Debian makes it', ['-t', 'ext4']],
    ['blocks of 1024 bytes', ['-t', 'ext4', '-b', '1024']],
    ['blocks of 65536 bytes', ['-t', 'ext4', '-b', '65536']],
    ['without 64-bit numbers and checksums', ['-t', 'ext4', '-O', '^64bit,^metadata_csum']],
    ['ext3', ['-t', 'ext3']],
    ['ext2 with blocks of 1024 bytes', ['-t', 'ext2', '-b', '1024']],
    ['inodes of 128 bytes', ['-t', 'ext2', '-I', '128']],
  ])('reads what mke2fs wrote: %s', async (name, options) => {
    const fs = await Ext4Fs.open(disk(image(name.replace(/\W/g, '-'), options)));
    expect(await text(fs, '/hello')).toBe('hello\n');
    expect(await text(fs, '/dir/link')).toBe('hello\n');
    expect(await text(fs, '/long-link')).toBe('hello\n');
    expect(await text(fs, '/dir/above')).toBe('hello\n');
    expect(await text(fs, '/dir/deep/../../empty')).toBe('');
    await expect(text(fs, '/loop')).rejects.toThrow('ELOOP');
    await expect(text(fs, '/hello/x')).rejects.toThrow('ENOTDIR');
    await expect(text(fs, '/nothing')).rejects.toThrow('ENOENT');
    const many = await fs.list(await fs.lookup(fs.root, 'many'));
    expect(new Set(many.map((entry) => entry.name)).size).toBe(400);
    expect(await text(fs, '/many/a file with a rather long name 399')).toBe('399');
    const target = join(scratch, `out-${name.replace(/\W/g, '-')}`);
    const count = { files: 0, bytes: 0, skipped: 0 };
    await copyOut(fs, fs.root, Buffer.from(target), count);
    expect(spawnSync('diff', ['-r', '--no-dereference', '-x', 'lost+found', tree, target]).stdout.toString()).toBe('');
    expect(count.files).toBe(400 + 8);
    const statistics = fs.statistics();
    expect(statistics.blocks * statistics.blockSize).toBe(64 * 2 ** 20);
  });

  test('times, modes and owners are those that debugfs tells', async () => {
    const bytes = image('facts', ['-t', 'ext4']);
    const fs = await Ext4Fs.open(disk(bytes));
    const node = await fs.lookup(fs.root, 'hello');
    const told = execFileSync('debugfs', ['-R', 'stat /hello', join(scratch, 'facts')], {
      env: PATH,
      stdio: 'pipe',
    }).toString();
    const { inode, mode, links, modified } = fs.attributes(node);
    expect(told).toContain(`Inode: ${inode} `);
    expect(told).toContain(`Mode:  0${(mode & 0o777).toString(8)}`);
    expect(told).toContain(`Links: ${links}`);
    expect(told).toContain(`mtime: 0x${modified.seconds.toString(16).padStart(8, '0')}`);
  });

  test('what only the journal holds counts as written, and what it revokes does not', async () => {
    image('journal', ['-t', 'ext4', '-O', '^metadata_csum'], '16M');
    const file = join(scratch, 'journal');
    const debugfs = (commands: string): string => {
      writeFileSync(join(scratch, 'commands'), commands);
      return execFileSync('debugfs', ['-w', '-f', join(scratch, 'commands'), file], {
        env: PATH,
        stdio: 'pipe',
      }).toString();
    };
    const block = Number(/\d+/.exec(debugfs('blocks /hello').split('\n').at(-2) ?? '')?.[0]);
    expect(block).toBeGreaterThan(0);
    // A transaction that rewrites the file's block; the second begins as a block of the journal would.
    const escaped = new Uint8Array(4096);
    new DataView(escaped.buffer).setUint32(0, 0xc03b3998);
    escaped.set([0x21, 0x0a], 4);
    writeFileSync(join(scratch, 'new'), escaped);
    debugfs(`jo\njw -b ${block} ${join(scratch, 'new')}\njc`);
    const dirty = new Uint8Array(readFileSync(file));
    const fs = await Ext4Fs.open(disk(dirty));
    const raw = new Uint8Array(6);
    await fs.read(await fs.lookup(fs.root, 'hello'), 0, raw);
    expect([...raw]).toEqual([0xc0, 0x3b, 0x39, 0x98, 0x21, 0x0a]);
    debugfs(`jo\njw -r ${block}\njc`);
    const revoked = await Ext4Fs.open(disk(new Uint8Array(readFileSync(file))));
    expect(await text(revoked, '/hello')).toBe('hello\n');
  });

  test('refuses what is no ext4, and what it cannot read, and says where damage is', async () => {
    await expect(Ext4Fs.open(disk(new Uint8Array(4096)))).rejects.toThrow('no ext4 superblock at offset 1024');
    await expect(Ext4Fs.open(disk(new Uint8Array(512)))).rejects.toThrow('too few');
    const bytes = image('damage', ['-t', 'ext4']);
    const encrypted = bytes.slice();
    new DataView(encrypted.buffer).setUint32(1024 + 0x60, 0x10000 | 0x40, true);
    await expect(Ext4Fs.open(disk(encrypted))).rejects.toThrow('uses encryption, which is not read');
    const cut = Ext4Fs.open(disk(bytes.slice(0, 200_000)));
    await expect(cut.then((fs) => text(fs, '/large'))).rejects.toThrow(/beyond the disk's 200000 bytes/);
  });

  test('random damage is an error or wrong contents, never an endless loop or another exception', {
    timeout: 120_000,
  }, async () => {
    const bytes = image('fuzz', ['-t', 'ext4', '-b', '1024'], '8M');
    let seed = 1;
    const random = (limit: number): number => {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
      return Math.floor((seed / 2 ** 32) * limit);
    };
    for (let run = 0; run < 60; run++) {
      const damaged = bytes.slice();
      for (let i = 0; i < 40; i++) damaged[1024 + random(400_000)] = random(256);
      try {
        const fs = await Ext4Fs.open(disk(damaged));
        for (const { name, type } of await fs.list(fs.root)) {
          const node = await fs.lookup(fs.root, name);
          if (type === 0o100000) await fs.read(node, 0, new Uint8Array(4096));
        }
      } catch (error) {
        expect((error as Error).name).toMatch(/^(FsError|Ext4Error)$/);
      }
    }
  });
});

describe('the reader of cpio', () => {
  const archive = writeCpio([
    { type: 'dir', path: 'etc', mode: 0o755 },
    { type: 'file', path: 'etc/passwd', mode: 0o644, data: new TextEncoder().encode('root\n') },
    { type: 'link', path: 'bin', target: 'usr/bin' },
    { type: 'char', path: 'dev/null', mode: 0o666, major: 1, minor: 3 },
  ]);

  test('unpacks archives that follow each other; the last one counts', async () => {
    const more = writeCpio([
      { type: 'file', path: 'etc/passwd', mode: 0o600, data: new TextEncoder().encode('nobody\n') },
      { type: 'dir', path: 'etc', mode: 0o700 },
    ]);
    const fs = readCpio(Buffer.concat([archive, new Uint8Array(512), more]));
    expect(await text(fs, '/etc/passwd')).toBe('nobody\n');
    expect(fs.attributes(await findPath(fs, '/etc')).mode).toBe(0o040700);
    expect(fs.readLink(fs.lookup(fs.root, nameOf('bin')))).toEqual(new TextEncoder().encode('usr/bin'));
    await expect(findPath(fs, '/dev/null')).rejects.toThrow('ENOENT');
  });

  test('refuses what is none, and what is cut short', () => {
    expect(() => readCpio(new TextEncoder().encode('\x1f\x8bgzip'))).toThrow('offset 0 is no entry');
    expect(() => readCpio(archive.subarray(0, 122))).toThrow('is cut short');
  });
});
