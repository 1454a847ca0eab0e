import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { FileBackend } from '../../src/host/node/disk.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'hindsight-disk-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const contents = Uint8Array.from({ length: 10_000 }, (_, i) => (i * 11) & 0xff);
const file = (name: string, bytes: Uint8Array | string = contents): string => {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
};

test('reads the file anywhere, fills the last sector up, and knows its hash', () => {
  const base = new FileBackend(file('plain.img'));
  expect(base.size).toBe(10_240);
  const into = new Uint8Array(1024);
  base.read(9216, into);
  expect(into.subarray(0, 784)).toEqual(contents.subarray(9216));
  expect(into.subarray(784)).toEqual(new Uint8Array(240));
  expect(base.hash).toBe(createHash('sha256').update(contents).digest('hex'));
  base.close();
  expect(() => base.read(0, into)).toThrow(`disk ${base.path} cannot be read`);
});

test('a hash that is given is believed', () => {
  const base = new FileBackend(file('known.img'), { hash: '1'.repeat(64) });
  expect(base.hash).toBe('1'.repeat(64));
  base.close();
});

test('every refusal names the file and what to do', () => {
  expect(() => new FileBackend(join(folder, 'none'))).toThrow(/disk .*none cannot be opened: there is no such file/);
  expect(() => new FileBackend(folder)).toThrow(/not a regular file/);
  expect(() => new FileBackend(file('empty', ''))).toThrow(/empty is empty: expected a raw image/);
  expect(() => new FileBackend(file('a.qcow2', Uint8Array.of(0x51, 0x46, 0x49, 0xfb, 0, 0, 0, 3)))).toThrow(
    /qcow2 image.*qemu-img convert -O raw/,
  );
});

test('a file cut short while in use is an error, not zeros', () => {
  const path = file('cut.img');
  const base = new FileBackend(path);
  truncateSync(path, 5000);
  expect(() => base.read(4096, new Uint8Array(2048))).toThrow(`disk ${path} ends at byte 5000, expected 10000`);
  base.close();
});
