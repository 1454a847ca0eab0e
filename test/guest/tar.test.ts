import { linkSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type TarEntry, TarReader } from '../../src/guest/tar.ts';
import { has, scratch, tool } from './tools.ts';

describe.skipIf(!has('tar'))('tar reader', () => {
  const directory = scratch();
  const deep = `${'long-directory-name/'.repeat(8)}and-a-file-${'x'.repeat(90)}`;
  mkdirSync(join(directory, 'in', deep, '..'), { recursive: true });
  writeFileSync(join(directory, 'in', deep), 'deep');
  writeFileSync(join(directory, 'in/one'), Buffer.alloc(1500, 'a'), { mode: 0o750 });
  writeFileSync(join(directory, 'in/unwanted'), Buffer.alloc(700, 'b'));
  linkSync(join(directory, 'in/one'), join(directory, 'in/zz-same'));
  symlinkSync(`../${'y'.repeat(120)}`, join(directory, 'in/link'));

  const read = (format: string, step: number): Map<string, TarEntry> => {
    const archive = tool('tar', [
      `--format=${format}`,
      '--sort=name',
      '--mtime=@1234567',
      '-C',
      join(directory, 'in'),
      '-cf',
      '-',
      '.',
    ]).stdout;
    const found = new Map<string, TarEntry>();
    const reader = new TarReader(
      (entry) => found.set(entry.path, entry),
      (path) => path !== 'unwanted',
    );
    for (let at = 0; at < archive.length; at += step) reader.push(archive.subarray(at, at + step));
    reader.end();
    return found;
  };

  it.each([
    ['gnu', 1 << 20],
    ['gnu', 7],
    ['pax', 511],
  ])('reads %s archives in pieces of %d bytes', (format, step) => {
    const found = read(format, step);
    expect(Buffer.from(found.get(deep)!.data).toString()).toBe('deep');
    expect(found.get('one')).toMatchObject({ type: 'file', mode: 0o750, mtime: 1234567 });
    expect(found.get('one')!.data).toHaveLength(1500);
    expect(found.get('unwanted')!.data).toHaveLength(0);
    expect(found.get('zz-same')).toMatchObject({ type: 'hardlink', target: 'one' });
    expect(found.get('link')).toMatchObject({ type: 'symlink', target: `../${'y'.repeat(120)}` });
    expect(found.get('')).toMatchObject({ type: 'dir' });
  });

  it('refuses damage and truncation', () => {
    const archive = Buffer.from(tool('tar', ['-C', join(directory, 'in'), '-cf', '-', 'one']).stdout);
    const reader = new TarReader(() => undefined);
    reader.push(archive.subarray(0, 1000));
    expect(() => reader.end()).toThrow('ends in the middle');
    archive[3]! ^= 1;
    expect(() => new TarReader(() => undefined).push(archive)).toThrow('checksum');
  });
});
