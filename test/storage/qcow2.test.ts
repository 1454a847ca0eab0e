import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inflateRawSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openDiskFile } from '../../src/host/node/disk-file.ts';
import { Qcow2Backend } from '../../src/storage/qcow2.ts';

const has = spawnSync('qemu-img', ['--version']).status === 0;
const dir = mkdtempSync(join(tmpdir(), 'hindsight-qcow2-'));
const at = (name: string): string => join(dir, name);
const qemu = (...args: string[]): void => void execFileSync('qemu-img', args, { cwd: dir, stdio: 'pipe' });
const SIZE = 5_000_192;

/** Some of it packs well, some does not, some is zero. */
const contents = Uint8Array.from({ length: SIZE }, (_, i) =>
  i < 2_000_000 ? (i >> 10) & 0xff : i < 3_000_000 ? 0 : (Math.imul(i, 2_654_435_761) >>> 13) & 0xff,
);

function all(path: string): Uint8Array {
  const disk = openDiskFile(path);
  const bytes = new Uint8Array(disk.size);
  // Pieces that begin and end anywhere a disk is read.
  for (let offset = 0, n = 1; offset < bytes.length; n = (n * 7) % 251) {
    const length = Math.min(512 * (1 + (n % 200)), bytes.length - offset);
    void disk.read(offset, bytes.subarray(offset, offset + length));
    offset += length;
  }
  return bytes;
}

afterAll(() => rmSync(dir, { recursive: true, force: true }));

describe.skipIf(!has)('qcow2 images', () => {
  beforeAll(() => writeFileSync(at('raw'), contents));

  test.each<[string, string[]]>([
    ['version 3', []],
    ['version 2', ['-o', 'compat=0.10']],
    ['packed', ['-c']],
    ['small clusters', ['-o', 'cluster_size=512']],
    ['large clusters, packed', ['-c', '-o', 'cluster_size=2M']],
  ])('are read as qemu-img wrote them: %s', (name, options) => {
    const file = `${name.replace(/\W/g, '-')}.qcow2`;
    qemu('convert', '-f', 'raw', '-O', 'qcow2', ...options, 'raw', file);
    expect(Buffer.compare(all(at(file)), contents)).toBe(0);
    const raw = openDiskFile(at('raw'));
    const image = openDiskFile(at(file));
    expect([image.size, image.hash]).toEqual([raw.size, raw.hash]);
  });

  test('images over images: what is not in one is read from the one below', () => {
    qemu('convert', '-f', 'raw', '-O', 'qcow2', '-c', 'raw', 'base.qcow2');
    qemu('create', '-f', 'qcow2', '-b', 'raw', '-F', 'raw', 'middle.qcow2', '7000064');
    qemu('create', '-f', 'qcow2', '-b', 'middle.qcow2', '-F', 'qcow2', 'top.qcow2');
    execFileSync('qemu-io', ['-c', 'write -P 0x11 65536 131072', '-c', 'write -z 1M 65536', at('middle.qcow2')], {
      stdio: 'pipe',
    });
    execFileSync('qemu-io', ['-c', 'write -P 0x22 100k 4096', '-c', 'write -z -u 2M 65536', at('top.qcow2')], {
      stdio: 'pipe',
    });
    qemu('convert', '-O', 'raw', 'top.qcow2', 'flat');
    expect(Buffer.compare(all(at('top.qcow2')), readFileSync(at('flat')))).toBe(0);
  });

  test('an image below must lie beside it', () => {
    mkdirSync(at('inner'), { recursive: true });
    qemu('create', '-f', 'qcow2', '-b', at('raw'), '-F', 'raw', 'inner/escape.qcow2');
    expect(() => openDiskFile(at('inner/escape.qcow2'))).toThrow(/lies outside .*inner: bring it there/);
    qemu('create', '-f', 'qcow2', '-u', '-b', 'nothing', '-F', 'raw', 'lost.qcow2', '1M');
    expect(() => openDiskFile(at('lost.qcow2'))).toThrow(/nothing, is not there/);
  });

  test('of a file that comes later it is read later', async () => {
    qemu('convert', '-f', 'raw', '-O', 'qcow2', '-c', 'raw', 'late.qcow2');
    const bytes = new Uint8Array(readFileSync(at('late.qcow2')));
    const late = await Qcow2Backend.open(
      {
        name: 'late',
        size: bytes.length,
        immediate: false,
        close: () => undefined,
        read: async (offset, into) => {
          await new Promise((resolve) => setImmediate(resolve));
          into.set(bytes.subarray(offset, offset + into.length));
        },
      },
      {
        openBacking: () => {
          throw new Error('there is none');
        },
        inflate: (packed, size) => inflateRawSync(packed, { maxOutputLength: size }),
        hash: () => '',
      },
    );
    const into = new Uint8Array(300_032);
    await late.read(1_800_192, into);
    expect(Buffer.compare(into, contents.subarray(1_800_192, 2_100_224))).toBe(0);
  });

  test('what cannot be read is refused, with the offset', () => {
    qemu('convert', '-f', 'raw', '-O', 'qcow2', '-c', 'raw', 'good.qcow2');
    const good = new Uint8Array(readFileSync(at('good.qcow2')));
    const broken = (change: (bytes: Uint8Array, view: DataView) => unknown): (() => unknown) => {
      const bytes = good.slice();
      const cut = change(bytes, new DataView(bytes.buffer));
      writeFileSync(at('bad.qcow2'), cut instanceof Uint8Array ? cut : bytes);
      return () => all(at('bad.qcow2'));
    };
    expect(broken((_, v) => v.setUint32(4, 9))).toThrow('offset 4 says version 9');
    expect(broken((_, v) => v.setUint32(20, 40))).toThrow('offset 20 says clusters of 2^40');
    expect(broken((_, v) => v.setUint32(32, 1))).toThrow('encrypted');
    expect(broken((_, v) => v.setUint32(36, 0))).toThrow('offset 36 says a table of 0 entries');
    expect(broken((_, v) => v.setBigUint64(40, 2n ** 40n))).toThrow('table at offset 1099511627776 lies beyond');
    expect(broken((_, v) => v.setBigUint64(72, 2n))).toThrow('corrupt');
    expect(broken((_, v) => v.setBigUint64(72, 4n))).toThrow('in another file');
    expect(broken((_, v) => v.setBigUint64(72, 64n))).toThrow('unknown features');
    expect(broken((bytes) => bytes.slice(0, 50))).toThrow('header has 72 bytes');
    expect(broken((bytes) => bytes.slice(0, 300_000))).toThrow(/at offset \d+/);
    const l1 = Number(new DataView(good.buffer).getBigUint64(40));
    expect(broken((_, v) => v.setBigUint64(l1, (1n << 63n) | (2n ** 40n)))).toThrow('offset 1099511627776, beyond');
    const l2 = Number(new DataView(good.buffer).getBigUint64(l1) & 0xffffffffff00n);
    const packed = Number(new DataView(good.buffer).getBigUint64(l2) & 0xffffffffffn);
    expect(broken((bytes) => void bytes.fill(0xff, packed, packed + 100))).toThrow(/packed cluster at offset \d+/);
  });
});
