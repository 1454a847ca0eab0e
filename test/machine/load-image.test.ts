import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { loadKernel, readFirmware, readKernel } from '../../src/machine/boot/image.ts';
import { LoadError } from '../../src/machine/boot/load-error.ts';
import { elf, fileWith, linuxImage } from './load-samples.ts';

const LIMIT = 1 << 20;
const refusal = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(LoadError);
    return (error as LoadError).message;
  }
  throw new Error('nothing was refused');
};
const kernelRefusal = (bytes: Uint8Array): string => refusal(() => readKernel('k', bytes));

describe('Linux Image', () => {
  it('goes where its header says, with the memory it asks for', () => {
    const bytes = linuxImage({ imageSize: 0x12345 });
    expect(readKernel('k', bytes)).toEqual({
      file: 'k',
      format: 'linux',
      entry: 0x8020_0000,
      segments: [{ address: 0x8020_0000, bytes, memorySize: 0x12345 }],
    });
    expect(readKernel('k', linuxImage({ textOffset: 0x40_0000 })).entry).toBe(0x8040_0000);
  });

  it('takes its own length when the header names none', () => {
    expect(readKernel('k', linuxImage({ imageSize: 0 })).segments[0]!.memorySize).toBe(4096);
  });

  it('reads a Node Buffer that lies inside another', () => {
    const outer = Buffer.concat([Buffer.alloc(3), linuxImage({ imageSize: 9000 })]);
    expect(readKernel('k', outer.subarray(3)).segments[0]!.memorySize).toBe(9000);
  });

  it('must be whole, as far as its PE sections tell', () => {
    expect(readKernel('k', linuxImage({ pe: {} })).format).toBe('linux');
    expect(kernelRefusal(linuxImage({ pe: { end: 9999 } }))).toMatch(/k: .*cut short.*9999 bytes.*4096\. Fetch/);
    const whole = linuxImage({ pe: {} });
    for (const length of [63, 64, 80, 100, 200, 260, 4095])
      expect(kernelRefusal(whole.subarray(0, length)), String(length)).toMatch(/cut short/);
  });

  it('is refused when big-endian or 32-bit', () => {
    expect(kernelRefusal(linuxImage({ flags: 1 }))).toMatch(/big-endian.*Bring/);
    expect(kernelRefusal(linuxImage({ pe: { machine: 0x5032 } }))).toMatch(/0x5032.*64-bit RISC-V/);
  });
});

describe('ELF', () => {
  it('goes to its physical addresses', () => {
    const bytes = Uint8Array.of(1, 2, 3);
    const kernel = readKernel(
      'k',
      elf({
        entry: 0x8000_1001n,
        segments: [
          { physical: 0x8000_1000n, bytes, memorySize: 10 },
          { physical: 0x8100_0000n, memorySize: 0, bytes: new Uint8Array(0) },
        ],
      }),
    );
    expect(kernel).toEqual({
      file: 'k',
      format: 'elf',
      entry: 0x8000_1001,
      segments: [{ address: 0x8000_1000, bytes, memorySize: 10 }],
    });
  });

  it('is moved to RAM when its physical addresses are only relative, and its entry follows', () => {
    const segments = [
      { physical: 0n, virtual: 0xffff_ffff_8000_0000n },
      { physical: 0x1000n, virtual: 0xffff_ffff_8000_1000n },
    ];
    const kernel = readKernel('vmlinux', elf({ entry: 0xffff_ffff_8000_1004n, segments }));
    expect(kernel.segments.map((s) => s.address)).toEqual([0x8020_0000, 0x8020_1000]);
    expect(kernel.entry).toBe(0x8020_1004);
    expect(readFirmware('fw', elf({ type: 3, entry: 0n, segments: [{ physical: 0n }] })).entry).toBe(0x8000_0000);
  });

  it('may name its entry physically', () => {
    expect(
      readKernel(
        'k',
        elf({ entry: 0x8020_0004n, segments: [{ physical: 0x8020_0000n, virtual: 0xffff_ffff_0000_0000n }] }),
      ).entry,
    ).toBe(0x8020_0004);
  });

  it.each([
    [62, 'x86-64'],
    [183, 'aarch64'],
    [3, 'i386'],
    [999, 'machine 999'],
  ])('of machine %d is named %s', (machine, name) => {
    expect(kernelRefusal(elf({ machine }))).toContain(`an ELF program for ${name}, not RISC-V. Bring`);
  });

  it.each([
    ['32-bit', elf({ class: 1 }), /32-bit RISC-V/],
    ['big-endian', elf({ data: 2 }), /big-endian/],
    ['object file', elf({ type: 1 }), /object file or kernel module/],
    ['core dump', elf({ type: 4 }), /type 4/],
    ['without segments', elf({ segments: [] }), /nothing to load/],
    ['user program', elf({ segments: [{ type: 3, physical: 0n }] }), /program for Linux.*inside the guest/],
    [
      'linked elsewhere',
      elf({ entry: 0x10000n, segments: [{ physical: 0x10000n }] }),
      /linked at 0x10000.*Link it at 0x80200000/,
    ],
    ['entry outside', elf({ entry: 4n }), /entry point 0x4/],
    ['more file than memory', elf({ segments: [{ physical: 0x8020_0000n, memorySize: 4 }] }), /more bytes \(16\)/],
    [
      'segment past the end',
      elf({ segments: [{ physical: 0x8020_0000n, fileSize: 99, memorySize: 99 }] }),
      /needs bytes 120 to 219.*ends at 136/,
    ],
  ])('is refused: %s', (_name, bytes, message) => {
    expect(kernelRefusal(bytes)).toMatch(message);
  });

  it('is refused at every length it may be cut to', () => {
    const whole = elf();
    for (let length = 4; length < whole.length; length += 3)
      expect(kernelRefusal(whole.subarray(0, length))).toMatch(/cut short|empty/);
  });
});

describe('other files', () => {
  it.each([
    ['x86 bzImage', fileWith('HdrS', 0x202), /x86 kernel \(bzImage\), not a RISC-V kernel\. Bring/],
    ['arm64 Image', fileWith('ARM\x64', 0x38), /aarch64/],
    ['zImage', fileWith('\x18\x28\x6f\x01', 0x24), /32-bit ARM/],
    ['cpio', fileWith('070701', 0), /initial RAM disk.*--initrd/],
    ['deb', fileWith('!<arch>\n', 0), /dpkg-deb -x/],
    ['qcow2', fileWith('QFI\xfb', 0), /qcow2.*--disk/],
    ['ext4', fileWith('\x53\xef', 0x438), /ext2\/3\/4.*--disk/],
    ['dtb', fileWith('\xd0\x0d\xfe\xed', 0), /device tree/],
    ['web page', new TextEncoder().encode('<!doctype html><html>404</html>'), /text file.*download/],
    ['Windows program', fileWith('MZ', 0), /EFI or Windows program/],
    ['zeros', new Uint8Array(4096), /neither a Linux Image.*nor an ELF/],
    ['few bytes', Uint8Array.of(0, 1, 2), /3 bytes are too few/],
    ['nothing', new Uint8Array(0), /empty/],
  ])('are named: %s', (_name, bytes, message) => {
    expect(kernelRefusal(bytes)).toMatch(message);
  });

  it('give a LoadError naming the file, whatever they hold', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 300 }),
        fc.constantFrom(linuxImage({ pe: {} }), elf(), gzipSync(linuxImage()), new Uint8Array(0)),
        async (noise, start) => {
          const bytes = new Uint8Array([...start.subarray(0, noise[0] ?? 0), ...noise]);
          await loadKernel('some/file', bytes, LIMIT).catch((error: unknown) => {
            expect(error).toBeInstanceOf(LoadError);
            expect((error as LoadError).message).toMatch(/^some\/file: .+\. .+\.$/);
          });
        },
      ),
      { seed: 3, numRuns: 500 },
    );
  });
});

describe('compressed kernels', () => {
  it('are unpacked from gzip', async () => {
    expect(await loadKernel('k.gz', gzipSync(linuxImage()), LIMIT)).toEqual({ ...readKernel('k.gz', linuxImage()) });
  });

  it('are unpacked from an EFI zboot file', async () => {
    const payload = gzipSync(linuxImage());
    const file = new Uint8Array(100 + payload.length + 10);
    file.set(new TextEncoder().encode('MZ\0\0zimg'));
    new DataView(file.buffer).setUint32(8, 100, true);
    new DataView(file.buffer).setUint32(12, payload.length, true);
    file.set(payload, 100);
    expect((await loadKernel('k', file, LIMIT)).entry).toBe(0x8020_0000);
    await expect(loadKernel('k', file.subarray(0, 120), LIMIT)).rejects.toThrow(/zboot kernel cut short/);
  });

  it('are refused when damaged, cut short, or larger than memory', async () => {
    const packed = gzipSync(linuxImage());
    await expect(loadKernel('k', packed.subarray(0, packed.length - 9), LIMIT)).rejects.toThrow(
      /damaged or cut short.*gzip -t/,
    );
    const damaged = new Uint8Array(packed);
    damaged[packed.length - 6]! ^= 1;
    await expect(loadKernel('k', damaged, LIMIT)).rejects.toThrow(LoadError);
    await expect(loadKernel('k', gzipSync(new Uint8Array(2 * LIMIT)), LIMIT)).rejects.toThrow(
      /more than the 1 MiB of RAM.*--mem/,
    );
    await expect(loadKernel('k', gzipSync(fileWith('HdrS', 0x202)), LIMIT)).rejects.toThrow(/bzImage/);
  });

  it.each([
    ['xz', '\xfd7zXZ\0', 'xz -dc'],
    ['zstd', '\x28\xb5\x2f\xfd', 'zstd -dc'],
    ['lz4', '\x04\x22\x4d\x18', 'lz4 -dc'],
    ['bzip2', 'BZh9', 'bzip2 -dc'],
  ])('come with the command to undo %s', async (name, magic, command) => {
    await expect(loadKernel('k', fileWith(magic, 0), LIMIT)).rejects.toThrow(
      `k: compressed with ${name}, which is not undone here. Unpack it first: ${command} k > Image.`,
    );
  });
});

describe('firmware', () => {
  it('is a raw binary at the beginning of RAM, or an ELF program', () => {
    const bytes = Uint8Array.of(0x13, 0, 0, 0);
    expect(readFirmware('fw', bytes)).toEqual({
      file: 'fw',
      format: 'raw',
      entry: 0x8000_0000,
      segments: [{ address: 0x8000_0000, bytes, memorySize: 4 }],
    });
    expect(readFirmware('fw', elf({ entry: 0x8000_0000n, segments: [{ physical: 0x8000_0000n }] })).format).toBe('elf');
  });

  it('is not a kernel, a text or empty', () => {
    expect(refusal(() => readFirmware('fw', linuxImage()))).toMatch(
      /Linux kernel, not firmware\. Pass it with --kernel/,
    );
    expect(refusal(() => readFirmware('fw', new TextEncoder().encode('hello')))).toMatch(/text file/);
    expect(refusal(() => readFirmware('fw', new Uint8Array(0)))).toMatch(/empty/);
    expect(refusal(() => readFirmware('fw', elf({ machine: 62 })))).toMatch(/x86-64/);
  });
});
