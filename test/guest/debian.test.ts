import { describe, expect, it } from 'vitest';
import { kernelPackage, mirrorFrom, parsePackages } from '../../src/guest/debian.ts';
import { FileTree } from '../../src/guest/file-tree.ts';
import { parseManifest } from '../../src/guest/manifest.ts';
import { belongsOnDisk, finishRoot } from '../../src/guest/root-files.ts';

describe('mirror of the machine', () => {
  it('is the Debian archive among its sources, with the security archive', () => {
    expect(
      mirrorFrom(
        [
          'Packages|http://other.test/node_20.x/|nodistro|. nodistro',
          'Packages|http://mirror.test/debian-security/|bookworm-security|Debian',
          'Sources|http://source.test/debian/|bookworm|Debian',
          'Packages|http://backports.test/debian/|bookworm-backports|Debian Backports',
          'Packages|http://mirror.test/debian/|bookworm|Debian',
        ].join('\n'),
      ),
    ).toEqual({ archive: 'http://mirror.test/debian', security: 'http://mirror.test/debian-security' });
  });

  it('is known by its suite where no index has been fetched yet', () => {
    expect(mirrorFrom('Packages|http://m.test/debian/|trixie|\n')).toEqual({ archive: 'http://m.test/debian' });
  });

  it("is not another distribution's", () => {
    expect(
      mirrorFrom('Packages|http://m.test/ubuntu/|noble|Ubuntu\nPackages|http://m.test/ubuntu/|noble|\n'),
    ).toBeUndefined();
  });
});

describe('package records', () => {
  const text =
    'Package: linux-image-riscv64\nVersion: 6.12.9-1\nSize: 1436\nDepends: linux-base (>= 4), linux-image-6.12.9+deb13-riscv64 (= 6.12.9-1)\nDescription: x\n y\n\nPackage: b\nVersion: 1:2\nSize: 7\n\n';

  it('are read', () => {
    expect(parsePackages(text)).toEqual([
      {
        name: 'linux-image-riscv64',
        version: '6.12.9-1',
        size: 1436,
        depends: 'linux-base (>= 4), linux-image-6.12.9+deb13-riscv64 (= 6.12.9-1)',
      },
      { name: 'b', version: '1:2', size: 7, depends: '' },
    ]);
  });

  it('lead from the metapackage to the kernel, and to no debugging or unsigned variant', () => {
    expect(kernelPackage(parsePackages(text)[0]!)).toBe('linux-image-6.12.9+deb13-riscv64');
    expect(() =>
      kernelPackage({
        name: 'm',
        version: '1',
        size: 0,
        depends: 'linux-image-6.1-riscv64-dbg, linux-image-6.1-riscv64-unsigned',
      }),
    ).toThrow('depends on no kernel image');
  });
});

describe('manifest', () => {
  const file = { name: 'kernel', size: 1, sha256: 'a'.repeat(64) };
  const sound = { format: 1, kind: 'kernel', recipe: 'r', packages: {}, files: [file] };
  it.each([
    [{ ...sound, format: 2 }, 'format 2'],
    [{ ...sound, files: [{ ...file, name: '../x' }] }, 'damaged'],
    [{ ...sound, files: [{ ...file, sha256: '' }] }, 'damaged'],
    [null, 'format'],
  ])('refuses %#', (value, message) => {
    expect(() => parseManifest(JSON.stringify(value))).toThrow(message);
  });
  it('is read', () => {
    expect(parseManifest(JSON.stringify(sound))).toEqual(sound);
  });
});

describe('root disk', () => {
  it('leaves manuals behind and takes licences along', () => {
    expect(
      ['usr/share/man/man1/ls.1.gz', 'usr/share/doc/bash/README', 'usr/share/locale/de/x'].some(belongsOnDisk),
    ).toBe(false);
    expect(['usr/share/doc/bash/copyright', 'usr/bin/man', 'usr/lib/python3.13/os.py'].every(belongsOnDisk)).toBe(true);
  });
  it('says which program is missing', () => {
    expect(() => finishRoot(new FileTree(), new Map(), 0)).toThrow('/bin/sh is missing');
  });
});
