import { describe, expect, it } from 'vitest';
import { base64, bootWords, COMMAND_LINE_LIMIT, commandLine, DEFAULT_COMMAND_LINE } from '../../src/guest/cmdline.ts';
import { DHCP_SCRIPT, haltScript, initScript } from '../../src/guest/init-script.ts';
import { busyboxApplets, commandArchive, packInitramfs } from '../../src/guest/initramfs.ts';
import { tinyModule } from './tiny-module.ts';
import { has, tool } from './tools.ts';

const busybox = Buffer.from('\x7fELF junk \x20[\0[[\0ar\0init\0ls\0poweroff\0sh\0\0more');

describe('command line', () => {
  it('carries what was asked for', () => {
    expect(
      bootWords({
        root: '/dev/vda',
        exec: 'echo "ä"',
        token: 'a1',
        stdin: 'none',
        rows: 40,
        columns: 100,
        modules: ['9p', 'virtio_rng'],
      }),
    ).toEqual([
      'root=/dev/vda',
      'hindsight.rows=40',
      'hindsight.cols=100',
      'hindsight.modules=9p,virtio_rng',
      'hindsight.token=a1',
      'hindsight.stdin=none',
      `hindsight.exec=${Buffer.from('echo "ä"').toString('base64')}`,
    ]);
    expect(commandLine({})).toBe(DEFAULT_COMMAND_LINE);
  });

  it('encodes base64 like everyone', () => {
    for (const text of ['', 'a', 'ab', 'abc', 'abcd', 'ünïcödé ✓ 💾'])
      expect(base64(text)).toBe(Buffer.from(text).toString('base64'));
  });

  it('refuses what the kernel would cut off or split', () => {
    expect(() => commandLine({ exec: 'x'.repeat(1000) })).toThrow(`the kernel keeps ${COMMAND_LINE_LIMIT}`);
    expect(() => bootWords({ root: '/dev/v da' })).toThrow('cannot be part of a kernel command line');
    expect(() => bootWords({ rows: 0 })).toThrow('hindsight.rows=0');
  });
});

describe('initramfs', () => {
  const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');
  const modules = new Map(
    ['virtio_mmio', 'virtio_blk', 'ext4'].map((name) => [`kernel/${name}.ko`, tinyModule([`name=${name}`])]),
  );

  it('finds the programs inside busybox', () => {
    expect(busyboxApplets(busybox)).toEqual(['[', '[[', 'ar', 'init', 'ls', 'poweroff', 'sh']);
    expect(() => busyboxApplets(Buffer.from('nothing'))).toThrow('no table of applet names');
  });

  it("loads the disk's modules in order, but not what is built in", () => {
    expect(text(packInitramfs({ release: '6.0', busybox, modules, builtin: new Set() }))).toContain(
      'load virtio_mmio virtio_blk ext4\n',
    );
    const without = new Map([...modules].slice(1));
    expect(
      text(packInitramfs({ release: '6.0', busybox, modules: without, builtin: new Set(['virtio_mmio']) })),
    ).toContain('load virtio_blk ext4\n');
    expect(() => packInitramfs({ release: '6.0', busybox, modules: without, builtin: new Set() })).toThrow(
      'virtio_mmio is not in the package',
    );
  });

  it('is the same for the same parts', () => {
    const parts = { release: '6.0', busybox, modules, builtin: new Set<string>() };
    expect(packInitramfs(parts)).toEqual(packInitramfs({ ...parts, modules: new Map([...modules].reverse()) }));
  });

  it('can carry a long command behind it', () => {
    expect(text(commandArchive(`echo ${'y'.repeat(5000)}`))).toContain('hindsight/exec\0');
  });

  it.skipIf(!has('sh'))('has scripts that a shell can parse', () => {
    for (const script of [
      initScript({ release: '6.0', diskModules: ['a', 'b'] }),
      DHCP_SCRIPT,
      haltScript('poweroff'),
    ]) {
      expect(tool('sh', ['-n'], Buffer.from(script))).toMatchObject({ status: 0, output: '' });
    }
  });
});
