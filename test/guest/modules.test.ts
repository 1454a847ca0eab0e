import { describe, expect, it } from 'vitest';
import { loadOrder, type ModuleFile, moduleIndexes, moduleName, readModuleInfo } from '../../src/guest/modules.ts';
import { tinyModule } from './tiny-module.ts';

const module = (
  name: string,
  depends: string[] = [],
  wantsFirst: string[] = [],
  aliases: string[] = [],
): ModuleFile => ({ name, depends, wantsFirst, aliases });
const disk = [
  module('ext4', ['jbd2', 'mbcache', 'crc16'], ['crypto_crc32c']),
  module('jbd2', [], ['crypto_crc32c']),
  module('mbcache'),
  module('crc16'),
  module('virtio_blk', [], [], ['virtio:d00000002v*']),
  module('virtio_mmio'),
  module('crc32c_generic', [], [], ['crypto-crc32c', 'crc32c']),
];

describe('kernel modules', () => {
  it('reads what a module says of itself', () => {
    const image = tinyModule([
      'softdep=pre: crypto-crc32c other post: later',
      'alias=fs-ext4',
      'alias=ext3',
      'depends=jbd2,mb-cache',
      'name=ext4',
    ]);
    expect(readModuleInfo(image, 'kernel/fs/ext4/ext4.ko')).toEqual({
      name: 'ext4',
      depends: ['jbd2', 'mb_cache'],
      wantsFirst: ['crypto_crc32c', 'other'],
      aliases: ['fs-ext4', 'ext3'],
    });
  });

  it('names modules as the kernel does', () => {
    expect(moduleName('kernel/drivers/char/hw_random/virtio-rng.ko.xz')).toBe('virtio_rng');
  });

  it('loads each module after everything it needs, and once', () => {
    const order = loadOrder(disk, ['virtio_mmio', 'virtio_blk', 'ext4']);
    expect(order).toEqual(['virtio_mmio', 'virtio_blk', 'crc32c_generic', 'jbd2', 'mbcache', 'crc16', 'ext4']);
  });

  it('takes an unknown dependency to be built in, and an unknown module for a mistake', () => {
    expect(loadOrder([module('a', ['built_in'])], ['a'])).toEqual(['a']);
    expect(() => loadOrder(disk, ['xfs'])).toThrow('kernel module xfs is not in the package');
  });

  it('names a circle', () => {
    expect(() => loadOrder([module('a', ['b']), module('b', ['a'])], ['a'])).toThrow('a → b → a');
  });

  it('writes the indexes modprobe reads', () => {
    const { dep, alias, softdep } = moduleIndexes(disk);
    expect(dep).toContain('\next4.ko: crc16.ko mbcache.ko jbd2.ko crc32c_generic.ko\n');
    expect(dep).toContain('virtio_mmio.ko:\n');
    expect(alias).toContain('alias virtio:d00000002v* virtio_blk\n');
    expect(softdep).toContain('softdep ext4 pre: crypto_crc32c\n');
  });
});
