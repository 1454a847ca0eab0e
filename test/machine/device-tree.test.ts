import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { FdtNode } from '../../src/devices/fdt-node.ts';
import { buildDeviceTree, type DeviceTreeOptions } from '../../src/machine/board/device-tree.ts';
import { isaString } from '../../src/machine/board/device-tree-isa.ts';
import { asCells, asStrings, type Fdt, findNode, findProperty, readFdt } from '../../src/machine/board/fdt.ts';
import { IRQ_MAP, MEMORY_MAP, VIRTIO_SLOTS, virtioIrq, virtioRegion } from '../../src/machine/board/memory-map.ts';

const isaExtensions = ['i', 'm', 'a', 'f', 'd', 'c', 'zicsr', 'zifencei', 'zba', 'zicbom', 'zicboz', 'zicbop', 'sstc'];
const host: DeviceTreeOptions = {
  harts: 2,
  ramSize: 256 << 20,
  isaBase: 'rv64i',
  isaExtensions,
  mmu: 'sv57',
  bootargs: 'console=ttyS0 quiet',
  rngSeed: new Uint8Array(32).fill(9),
  virtioSlots: [0, 3, 7, 8, 31],
  firmware: { kind: 'host' },
};
const image: DeviceTreeOptions = {
  ...host,
  harts: 8,
  firmware: { kind: 'image', reserved: { base: 0x8000_0000, size: 0x20_0000 } },
};
const initrd = { start: 0x8e00_0000, end: 0x8f00_0123 };

const read = (options: DeviceTreeOptions): Fdt => readFdt(buildDeviceTree(options));
const value = (tree: Fdt, path: string, name: string): Uint8Array => {
  const found = findProperty(findNode(tree, path), name);
  if (!found) throw new Error(`${path} has no ${name}`);
  return found;
};
const numbers = (tree: Fdt, path: string, name: string): number[] => asCells(value(tree, path, name));
const texts = (tree: Fdt, path: string, name: string): string[] => asStrings(value(tree, path, name));
const has = (command: string, flag: string): boolean => spawnSync(command, [flag]).status === 0;

describe('device tree', () => {
  it('tells the kernel its command line, entropy, console and memory', () => {
    const tree = read({ ...host, initrd });
    expect(texts(tree, '/chosen', 'bootargs')).toEqual(['console=ttyS0 quiet']);
    expect(value(tree, '/chosen', 'rng-seed')).toEqual(host.rngSeed);
    expect(texts(tree, '/chosen', 'stdout-path')).toEqual(['/soc/serial@10000000']);
    expect(numbers(tree, '/chosen', 'linux,initrd-start')).toEqual([0, 0x8e00_0000]);
    expect(numbers(tree, '/chosen', 'linux,initrd-end')).toEqual([0, 0x8f00_0123]);
    expect(numbers(tree, '/memory@80000000', 'reg')).toEqual([0, 0x8000_0000, 0, 256 << 20]);
    expect(findProperty(findNode(read(host), '/chosen'), 'linux,initrd-start')).toBeUndefined();
  });

  it('has a PCI bus only where something is on it', () => {
    expect(JSON.stringify(read(host))).not.toContain('pci');
    const path = '/soc/pci@30000000';
    const tree = read({ ...host, pciDevices: 2 });
    expect(texts(tree, path, 'compatible')).toEqual(['pci-host-ecam-generic']);
    expect(numbers(tree, path, 'reg')).toEqual([0, 0x3000_0000, 0, 0x10_0000]);
    expect(numbers(tree, path, 'ranges')).toEqual([0x200_0000, 0, 0x4000_0000, 0, 0x4000_0000, 0, 0x100_0000]);
    const plic = numbers(tree, '/soc/plic@c000000', 'phandle')[0];
    expect(numbers(tree, path, 'interrupt-map')).toEqual([0, 0, 0, 1, plic, 64, 1 << 11, 0, 0, 1, plic, 65]);
    expect(numbers(tree, path, 'interrupt-map-mask')).toEqual([0xf800, 0, 0, 7]);
  });

  it('keeps memory beyond 4 GiB whole', () => {
    expect(numbers(read({ ...host, ramSize: 5 * 2 ** 30 }), '/memory@80000000', 'reg')).toEqual([
      0, 0x8000_0000, 1, 0x4000_0000,
    ]);
  });

  it('describes each hart once, with the extensions in both forms', () => {
    const tree = read(host);
    for (const hart of [0, 1]) {
      const path = `/cpus/cpu@${hart}`;
      expect(numbers(tree, path, 'reg')).toEqual([hart]);
      expect(texts(tree, path, 'riscv,isa')).toEqual(['rv64imafdc_zicbom_zicbop_zicboz_zicsr_zifencei_zba_sstc']);
      expect(texts(tree, path, 'riscv,isa-base')).toEqual(['rv64i']);
      expect(texts(tree, path, 'riscv,isa-extensions')).toEqual(isaExtensions);
      expect(texts(tree, path, 'mmu-type')).toEqual(['riscv,sv57']);
      for (const block of ['cbom', 'cboz', 'cbop'])
        expect(numbers(tree, path, `riscv,${block}-block-size`)).toEqual([64]);
    }
    expect(findNode(tree, '/cpus/cpu@2')).toBeUndefined();
    expect(numbers(tree, '/cpus', 'timebase-frequency')).toEqual([15_625_000]);
  });

  it('states block sizes only with their extensions', () => {
    const cpu = findNode(read({ ...host, isaExtensions: ['i', 'm', 'zicboz'] }), '/cpus/cpu@0');
    expect(cpu!.properties.map((p) => p.name).filter((n) => n.endsWith('block-size'))).toEqual([
      'riscv,cboz-block-size',
    ]);
  });

  it('connects supervisor interrupts only, when the host is the firmware', () => {
    const tree = read(host);
    const [a, b] = [0, 1].map((hart) => numbers(tree, `/cpus/cpu@${hart}/interrupt-controller`, 'phandle')[0]!);
    expect(numbers(tree, '/soc/plic@c000000', 'interrupts-extended')).toEqual([
      a,
      0xffff_ffff,
      a,
      9,
      b,
      0xffff_ffff,
      b,
      9,
    ]);
    expect(findNode(tree, '/soc/clint@2000000')).toBeUndefined();
    expect(findNode(tree, '/reserved-memory')).toBeUndefined();
  });

  it('connects machine interrupts and keeps the firmware, when it runs in the guest', () => {
    const tree = read(image);
    const wires = Array.from(
      { length: 8 },
      (_, hart) => numbers(tree, `/cpus/cpu@${hart}/interrupt-controller`, 'phandle')[0]!,
    );
    expect(numbers(tree, '/soc/plic@c000000', 'interrupts-extended')).toEqual(wires.flatMap((w) => [w, 11, w, 9]));
    expect(numbers(tree, '/soc/clint@2000000', 'interrupts-extended')).toEqual(wires.flatMap((w) => [w, 3, w, 7]));
    expect(numbers(tree, '/reserved-memory/mmode_resv0@80000000', 'reg')).toEqual([0, 0x8000_0000, 0, 0x20_0000]);
  });

  it('places every device where the memory map has it', () => {
    const tree = read(image);
    for (const [path, region] of [
      ['test@100000', MEMORY_MAP.syscon],
      ['rtc@101000', MEMORY_MAP.rtc],
      ['clint@2000000', MEMORY_MAP.aclint],
      ['plic@c000000', MEMORY_MAP.plic],
      ['serial@10000000', MEMORY_MAP.uart],
    ] as const) {
      expect(numbers(tree, `/soc/${path}`, 'reg')).toEqual([0, region.base, 0, region.size]);
    }
    expect(numbers(tree, '/soc/serial@10000000', 'interrupts')).toEqual([IRQ_MAP.uart]);
    expect(numbers(tree, '/soc/rtc@101000', 'interrupts')).toEqual([IRQ_MAP.rtc]);
    const slots = findNode(tree, '/soc')!.children.filter((child) => child.name.startsWith('virtio'));
    expect(slots.map((s) => [s.name, asCells(findProperty(s, 'interrupts')!)[0]])).toEqual([
      ['virtio@10001000', 1],
      ['virtio@10004000', 4],
      ['virtio@10008000', 8],
      ['virtio@10009000', 40],
      ['virtio@10020000', 63],
    ]);
  });

  it.each([
    ['power-off', '/poweroff', 0x5555],
    ['reboot', '/reboot', 0x7777],
  ])('offers %s through the syscon', (_name, path, written) => {
    const tree = read(host);
    expect(numbers(tree, path, 'value')).toEqual([written]);
    expect(numbers(tree, path, 'regmap')).toEqual(numbers(tree, '/soc/test@100000', 'phandle'));
  });
});

describe('memory map', () => {
  it('has windows and interrupts that never coincide', () => {
    const slots = Array.from({ length: VIRTIO_SLOTS }, (_, slot) => slot);
    const regions = [...Object.values(MEMORY_MAP), ...slots.map(virtioRegion)].sort((a, b) => a.base - b.base);
    for (let i = 1; i < regions.length; i++)
      expect(regions[i]!.base).toBeGreaterThanOrEqual(regions[i - 1]!.base + regions[i - 1]!.size);
    const irqs = [...Object.values(IRQ_MAP), ...slots.map(virtioIrq)];
    expect(new Set(irqs).size).toBe(irqs.length);
    expect(() => virtioRegion(VIRTIO_SLOTS)).toThrow(RangeError);
    expect(() => virtioIrq(-1)).toThrow(RangeError);
  });
});

describe('ISA string', () => {
  it('orders letters canonically, then Z by category, then S', () => {
    expect(isaString('rv64i', ['c', 'sstc', 'd', 'zba', 'f', 'a', 'zicsr', 'm', 'zacas', 'svinval', 'i'])).toBe(
      'rv64imafdc_zicsr_zacas_zba_sstc_svinval',
    );
    expect(isaString('rv64i', [])).toBe('rv64i');
  });

  it.each(['', 'Zba', 'z_b', 'y', '1'])('refuses "%s" as an extension', (name) => {
    expect(() => isaString('rv64i', [name])).toThrow(RangeError);
  });
});

describe.skipIf(!has('dtc', '--version'))('dtc', () => {
  it.each([
    ['host', { ...host, initrd }],
    ['image', { ...image, initrd }],
    ['PCI', { ...host, pciDevices: 3 }],
    ['no virtio, no MMU', { ...host, harts: 1, virtioSlots: [], mmu: 'none' as const }],
  ])('reads the tree without a warning: %s', (_name, options) => {
    const out = spawnSync('dtc', ['-I', 'dtb', '-O', 'dts', '-'], { input: buildDeviceTree(options) });
    expect(out.stderr.toString()).toBe('');
    expect(out.status).toBe(0);
  });
});

describe.skipIf(!has('qemu-system-riscv64', '--version'))("QEMU's virt machine", () => {
  const folder = mkdtempSync(join(tmpdir(), 'hindsight-fdt-'));
  const file = join(folder, 'virt.dtb');
  const ran = spawnSync('qemu-system-riscv64', [
    '-M',
    `virt,dumpdtb=${file}`,
    '-smp',
    '8',
    '-m',
    '256M',
    '-bios',
    'none',
    '-display',
    'none',
  ]);
  const theirs = ran.status === 0 ? readFdt(readFileSync(file)) : undefined;
  rmSync(folder, { recursive: true });
  const phandle = (node: FdtNode): number => asCells(findProperty(node, 'phandle')!)[0]!;
  /** Numbers of local interrupt controllers and of the PLIC differ between trees; the hart they belong to does not. */
  const wires = (tree: Fdt, path: string): string[] => {
    const owner = new Map(
      Array.from({ length: 8 }, (_, hart) => [
        phandle(findNode(tree, `/cpus/cpu@${hart}/interrupt-controller`)!),
        `hart${hart}`,
      ]),
    );
    const list = numbers(tree, path, 'interrupts-extended');
    return list.map((v, i) => (i % 2 === 0 ? (owner.get(v) ?? `unknown ${v}`) : String(v)));
  };

  it('agrees with ours on what a driver looks at', () => {
    expect(ran.stderr.toString() + ran.stdout.toString()).toMatch(/^(qemu-system-riscv64: info: dtb dumped.*)?\s*$/);
    const ours = read({ ...image, virtioSlots: [0, 1, 2, 3, 4, 5, 6, 7] });
    const same = (path: string, theirPath: string, ...names: string[]): void => {
      for (const name of names)
        expect(value(ours, path, name), `${path} ${name}`).toEqual(value(theirs!, theirPath, name));
    };
    same('/', '/', '#address-cells', '#size-cells', 'compatible');
    same('/memory@80000000', '/memory@80000000', 'device_type', 'reg');
    same('/cpus', '/cpus', '#address-cells', '#size-cells');
    for (let hart = 0; hart < 8; hart++) {
      same(`/cpus/cpu@${hart}`, `/cpus/cpu@${hart}`, 'device_type', 'reg', 'status', 'compatible');
      same(
        `/cpus/cpu@${hart}/interrupt-controller`,
        `/cpus/cpu@${hart}/interrupt-controller`,
        'compatible',
        'interrupt-controller',
        '#interrupt-cells',
      );
    }
    same('/soc', '/soc', '#address-cells', '#size-cells', 'compatible', 'ranges');
    same('/soc/test@100000', '/soc/test@100000', 'reg', 'compatible');
    same('/soc/rtc@101000', '/soc/rtc@101000', 'reg', 'compatible', 'interrupts');
    same('/soc/serial@10000000', '/soc/serial@10000000', 'reg', 'compatible', 'interrupts', 'clock-frequency');
    same('/soc/clint@2000000', '/soc/clint@2000000', 'reg', 'compatible');
    same(
      '/soc/plic@c000000',
      '/soc/plic@c000000',
      'reg',
      'compatible',
      'interrupt-controller',
      '#interrupt-cells',
      'riscv,ndev',
    );
    for (const path of ['/soc/clint@2000000', '/soc/plic@c000000'])
      expect(wires(ours, path)).toEqual(wires(theirs!, path));
    for (let slot = 0; slot < 8; slot++) {
      const at = virtioRegion(slot).base.toString(16);
      same(`/soc/virtio@${at}`, `/soc/virtio_mmio@${at}`, 'reg', 'compatible', 'interrupts');
    }
    same('/poweroff', '/poweroff', 'compatible', 'offset', 'value');
    same('/reboot', '/reboot', 'compatible', 'offset', 'value');
  });
});
