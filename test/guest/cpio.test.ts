import { readFileSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type CpioEntry, writeCpio } from '../../src/guest/cpio.ts';
import { has, scratch, tool } from './tools.ts';

const entries: CpioEntry[] = [
  { type: 'file', path: 'sub/odd-length', mode: 0o640, data: new TextEncoder().encode('seven b') },
  { type: 'dir', path: 'sub', mode: 0o751 },
  { type: 'file', path: 'empty', mode: 0o600, data: new Uint8Array(0) },
  { type: 'link', path: 'link', target: 'sub/odd-length' },
  { type: 'char', path: 'console', mode: 0o600, major: 5, minor: 1 },
];

describe('cpio writer', () => {
  it('does not depend on the order of its entries, and names no user and no time', () => {
    const archive = writeCpio(entries);
    expect(writeCpio([...entries].reverse())).toEqual(archive);
    expect(archive.length % 4).toBe(0);
    const header = Buffer.from(archive.subarray(0, 110)).toString('latin1');
    expect(header.slice(0, 6)).toBe('070701');
    expect(header.slice(22, 38)).toBe('0'.repeat(16)); // uid, gid
    expect(header.slice(46, 54)).toBe('0'.repeat(8)); // mtime
  });

  it('puts directories before what is in them', () => {
    const text = Buffer.from(writeCpio(entries.filter((e) => e.type !== 'link'))).toString('latin1');
    expect(text.indexOf('sub\0')).toBeLessThan(text.indexOf('sub/odd-length\0'));
  });

  it.each(['/absolute', '', 'trailing/'])('refuses the path "%s"', (path) => {
    expect(() => writeCpio([{ type: 'dir', path, mode: 0o755 }])).toThrow(/path/);
  });

  it('refuses a path given twice', () => {
    expect(() => writeCpio([...entries, entries[2]!])).toThrow('"empty" is given twice');
  });

  it.skipIf(!has('cpio'))('is read by cpio', () => {
    const archive = writeCpio(entries);
    const listed = tool('cpio', ['-tv', '--quiet'], archive).output;
    expect(listed).toMatch(/^crw-------\s+1 root\s+root\s+5,\s+1 .* console$/m);
    expect(listed).toMatch(/^drwxr-x--x .* sub$/m);
    const directory = scratch();
    const files = entries.filter((e) => e.type !== 'char');
    expect(tool('cpio', ['-i', '--quiet', '-m', '--no-absolute-filenames'], writeCpio(files), directory)).toMatchObject(
      { status: 0 },
    );
    expect(readFileSync(join(directory, 'sub/odd-length'), 'utf8')).toBe('seven b');
    expect(statSync(join(directory, 'empty')).size).toBe(0);
    expect(readlinkSync(join(directory, 'link'))).toBe('sub/odd-length');
  });
});
