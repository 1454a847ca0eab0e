import { createHash } from 'node:crypto';
import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { writeExt4 } from '../../src/guest/ext4-image.ts';
import { FileTree } from '../../src/guest/file-tree.ts';
import { has, scratch, tool } from './tools.ts';

const MIB = 2 ** 20;
const facts = { mode: 0o644, uid: 1000, gid: 70000, mtime: 1_600_000_000 };
const bytes = (length: number, seed: number): Uint8Array => {
  let state = seed;
  return Uint8Array.from({ length }, () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) >>> 24);
};
const options = { size: 160 * MIB, uuid: new Uint8Array(16).fill(0x42), label: 'test', time: 1_700_000_000 };

function sample(): FileTree {
  const tree = new FileTree();
  tree.put('usr/bin', { kind: 'dir', facts: { ...facts, mode: 0o755, uid: 0, gid: 0 }, children: new Map() });
  tree.put('bin', { kind: 'symlink', facts, target: 'usr/bin' });
  const tool = { kind: 'file', facts: { ...facts, mode: 0o4755 }, data: bytes(10_001, 1) } as const;
  tree.put('bin/tool', tool); // through the link
  tree.put('usr/bin/same', tool);
  tree.put('empty', { kind: 'file', facts, data: new Uint8Array(0) });
  tree.put('long-link', { kind: 'symlink', facts, target: 'z'.repeat(200) });
  tree.put('dev/null', { kind: 'char', facts: { ...facts, mode: 0o666 }, major: 1, minor: 3 });
  tree.put('big', { kind: 'file', facts, data: new Uint8Array(125 * MIB).fill(0x61) }); // goes across the superblock's copy in group 1
  for (let i = 0; i < 700; i++) tree.put(`many/entry-number-${i}`, { kind: 'file', facts, data: bytes(i, i) });
  return tree;
}

function write(path: string, tree: FileTree): void {
  const file = openSync(path, 'w');
  ftruncateSync(file, options.size);
  for (const { offset, data } of writeExt4(tree, options)) writeSync(file, data, 0, data.length, offset);
  closeSync(file);
}

describe('ext4 writer', () => {
  it('says when a tree does not fit', () => {
    const tree = new FileTree();
    tree.put('big', { kind: 'file', facts, data: new Uint8Array(60 * MIB) });
    expect(() => [...writeExt4(tree, { ...options, size: 64 * MIB })]).toThrow('give it a larger size');
  });

  it.skipIf(!has('e2fsck') || !has('debugfs'))(
    'makes a file system without fault that holds the tree',
    () => {
      const directory = scratch();
      const image = join(directory, 'image');
      write(image, sample());
      const check = tool('e2fsck', ['-fn', image]);
      expect(check.output).not.toMatch(/Fix|Clear|wrong|WARNING/);
      expect(check.status).toBe(0);
      const ask = (...requests: string[]): string =>
        requests.map((r) => tool('debugfs', ['-R', r, image]).output).join('\n');
      expect(ask('stat bin/tool')).toMatch(/Mode:\s+04755(.*\n)*User:\s+1000\s+Group:\s+70000(.*\n)*Links: 2 /);
      expect(ask('stat bin')).toContain('Fast link dest: "usr/bin"');
      expect(ask('stat dev/null')).toMatch(/Device major\/minor number: 01:03/);
      expect(ask('stat usr/bin/same')).toContain('mtime: 0x5f5e1000');
      for (const [path, data] of [
        ['usr/bin/tool', bytes(10_001, 1)],
        ['many/entry-number-699', bytes(699, 699)],
        ['empty', new Uint8Array(0)],
      ] as const) {
        const out = join(directory, 'out');
        ask(`dump ${path} ${out}`);
        expect(readFileSync(out).equals(data)).toBe(true);
      }
      ask(`dump big ${join(directory, 'big')}`);
      const big = readFileSync(join(directory, 'big'));
      expect(big.length).toBe(125 * MIB);
      expect(big.every((byte) => byte === 0x61)).toBe(true);
    },
    30_000,
  );

  it('is the same for the same tree', () => {
    const hash = (): string => {
      const all = createHash('sha256');
      for (const { offset, data } of writeExt4(sample(), options)) all.update(String(offset)).update(data);
      return all.digest('hex');
    };
    expect(hash()).toBe(hash());
  });
});

describe('file tree', () => {
  it('follows links on the way, and keeps a directory that is laid over a link to one', () => {
    const tree = sample();
    tree.put('bin', { kind: 'dir', facts, children: new Map() });
    expect(tree.look('bin')).toMatchObject({ kind: 'symlink' });
    expect(tree.find('bin/tool')).toBe(tree.look('usr/bin/same'));
    expect(tree.find('usr/bin/../../bin/tool')?.kind).toBe('file');
    tree.remove('bin/tool');
    expect(tree.look('usr/bin/tool')).toBeUndefined();
  });

  it('refuses circles of links', () => {
    const tree = new FileTree();
    tree.put('a', { kind: 'symlink', facts, target: 'b' });
    tree.put('b', { kind: 'symlink', facts, target: 'a' });
    expect(() => tree.find('a/x')).toThrow('too many symbolic links');
  });
});
