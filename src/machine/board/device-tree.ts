import { TIMEBASE_FREQUENCY } from '../../devices/aclint.ts';
import { type FdtNode, type FdtProperty, flag, node, number, property, text, words64 } from '../../devices/fdt-node.ts';
import { pciHostNode } from '../../devices/pci/host.ts';
import type { DevicePlace } from '../../devices/place.ts';
import { PLATFORM_DEVICES } from '../../devices/registry.ts';
import { virtioMmioNode } from '../../devices/virtio/mmio.ts';
import { CACHE_BLOCK_SIZE } from '../../isa/layout.ts';
import { isaString } from './device-tree-isa.ts';
import { type Fdt, writeFdt } from './fdt.ts';
import {
  deviceIrq,
  deviceRegion,
  MEMORY_MAP,
  pciIrq,
  RAM_BASE,
  type Region,
  virtioIrq,
  virtioRegion,
} from './memory-map.ts';

/** What the device tree tells about a machine. */
export interface DeviceTreeOptions {
  /** Number of harts, 1 to 8; ids count from 0. */
  readonly harts: number;
  /** Bytes of RAM. */
  readonly ramSize: number;
  /** Base instruction set. */
  readonly isaBase: 'rv64i';
  /** Extensions as the RISC-V bindings name them, e.g. `['i', 'm', 'a', 'f', 'd', 'c', 'zicsr', 'sstc']`. */
  readonly isaExtensions: readonly string[];
  /** Largest virtual-memory scheme; `none` for harts without an MMU. */
  readonly mmu: 'none' | 'sv39' | 'sv48' | 'sv57';
  /** Kernel command line. */
  readonly bootargs: string;
  /** Where the initial RAM disk lies: first byte, and the byte after the last. */
  readonly initrd?: { readonly start: number; readonly end: number };
  /** Entropy for the kernel's random number generator; 32 bytes or more let it start at once. */
  readonly rngSeed: Uint8Array;
  /** Slots that hold a virtio device. */
  readonly virtioSlots: readonly number[];
  /** How many devices are on the PCI bus; left out or 0, there is none. */
  readonly pciDevices?: number;
  /**
   * `host`: SBI is answered by the host, only supervisor-level interrupts are described. `image`: firmware runs in M-mode in the
   * guest, which needs the ACLINT, the PLIC's machine contexts and the memory it lives in kept from the kernel.
   */
  readonly firmware: { readonly kind: 'host' } | { readonly kind: 'image'; readonly reserved: Region };
}

const PHANDLE = { plic: 1, syscon: 2, firstHart: 16 } as const;
/** Phandle of a hart's local interrupt controller, and of the hart. */
const intc = (hart: number): number => PHANDLE.firstHart + hart * 2;
const cpu = (hart: number): number => intc(hart) + 1;

const reg = (region: Region): FdtProperty => property('reg', words64(region.base, region.size));
const at = (name: string, region: Region): string => `${name}@${region.base.toString(16)}`;
const harts = (options: DeviceTreeOptions): number[] => Array.from({ length: options.harts }, (_, hart) => hart);

/** Builds the device tree of a machine as a DTB. */
export function buildDeviceTree(options: DeviceTreeOptions): Uint8Array {
  return writeFdt(describeMachine(options));
}

/** The tree itself, before flattening. */
function describeMachine(options: DeviceTreeOptions): Fdt {
  const ram = { base: RAM_BASE, size: options.ramSize };
  const serial = at('serial', MEMORY_MAP.uart);
  const { soc, others } = devices(options);
  const root = node(
    '',
    [
      number('#address-cells', 2),
      number('#size-cells', 2),
      text('compatible', 'riscv-virtio'),
      text('model', 'hindsight,virt'),
    ],
    [
      node('aliases', [text('serial0', `/soc/${serial}`)]),
      chosen(options, `/soc/${serial}`),
      node(at('memory', ram), [text('device_type', 'memory'), reg(ram)]),
      ...reservedMemory(options),
      cpus(options),
      node(
        'soc',
        [number('#address-cells', 2), number('#size-cells', 2), text('compatible', 'simple-bus'), flag('ranges')],
        soc,
      ),
      ...others,
    ],
  );
  return { root, reservations: [], bootCpu: 0 };
}

/** The nodes of the devices: those below /soc by ascending address, and those that belong to the root. */
function devices(options: DeviceTreeOptions): { soc: FdtNode[]; others: FdtNode[] } {
  const firmware = options.firmware.kind === 'image';
  const place = (region: Region, irq?: number): DevicePlace => ({
    region,
    ...(irq !== undefined && { irq }),
    harts: options.harts,
    firmware,
    phandle: PHANDLE,
    intc,
  });
  const placed: { base: number; soc: FdtNode; root?: readonly FdtNode[] }[] = [];
  for (const { name, forFirmware, describe } of PLATFORM_DEVICES) {
    const region = deviceRegion(name);
    if (region === undefined || describe === undefined || (forFirmware === true && !firmware)) continue;
    placed.push({ base: region.base, ...describe(place(region, deviceIrq(name))) });
  }
  for (const slot of options.virtioSlots) {
    const region = virtioRegion(slot);
    placed.push({ base: region.base, soc: virtioMmioNode(place(region, virtioIrq(slot))) });
  }
  const { pciDevices = 0 } = options;
  if (pciDevices > 0) {
    const { pciEcam, pciMemory } = MEMORY_MAP;
    const irqs = Array.from({ length: pciDevices }, (_, device) => pciIrq(device));
    placed.push({ base: pciEcam.base, soc: pciHostNode(place(pciEcam), pciMemory, irqs) });
  }
  placed.sort((a, b) => a.base - b.base);
  return { soc: placed.map(({ soc }) => soc), others: placed.flatMap(({ root }) => root ?? []) };
}

function chosen(options: DeviceTreeOptions, stdout: string): FdtNode {
  const { initrd } = options;
  return node('chosen', [
    text('bootargs', options.bootargs),
    text('stdout-path', stdout),
    property('rng-seed', options.rngSeed),
    ...(initrd
      ? [property('linux,initrd-start', words64(initrd.start)), property('linux,initrd-end', words64(initrd.end))]
      : []),
  ]);
}

function reservedMemory(options: DeviceTreeOptions): FdtNode[] {
  if (options.firmware.kind === 'host') return [];
  const { reserved } = options.firmware;
  return [
    node(
      'reserved-memory',
      [number('#address-cells', 2), number('#size-cells', 2), flag('ranges')],
      [node(at('mmode_resv0', reserved), [reg(reserved), flag('no-map')])],
    ),
  ];
}

function cpus(options: DeviceTreeOptions): FdtNode {
  return node(
    'cpus',
    [number('#address-cells', 1), number('#size-cells', 0), number('timebase-frequency', TIMEBASE_FREQUENCY)],
    [
      ...harts(options).map((hart) => hartNode(hart, options)),
      node(
        'cpu-map',
        [],
        [
          node(
            'cluster0',
            [],
            harts(options).map((hart) => node(`core${hart}`, [number('cpu', cpu(hart))])),
          ),
        ],
      ),
    ],
  );
}

function hartNode(hart: number, options: DeviceTreeOptions): FdtNode {
  const has = (extension: string): boolean => options.isaExtensions.includes(extension);
  const blockSize = (extension: string, name: string): FdtProperty[] =>
    has(extension) ? [number(name, CACHE_BLOCK_SIZE)] : [];
  return node(
    `cpu@${hart.toString(16)}`,
    [
      text('device_type', 'cpu'),
      number('reg', hart),
      text('status', 'okay'),
      text('compatible', 'riscv'),
      text('riscv,isa', isaString(options.isaBase, options.isaExtensions)),
      text('riscv,isa-base', options.isaBase),
      text('riscv,isa-extensions', ...options.isaExtensions),
      ...blockSize('zicbom', 'riscv,cbom-block-size'),
      ...blockSize('zicboz', 'riscv,cboz-block-size'),
      ...blockSize('zicbop', 'riscv,cbop-block-size'),
      text('mmu-type', `riscv,${options.mmu}`),
      number('phandle', cpu(hart)),
    ],
    [
      node('interrupt-controller', [
        text('compatible', 'riscv,cpu-intc'),
        flag('interrupt-controller'),
        number('#interrupt-cells', 1),
        number('#address-cells', 0),
        number('phandle', intc(hart)),
      ]),
    ],
  );
}
