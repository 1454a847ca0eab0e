import { TIMEBASE_FREQUENCY } from '../../devices/aclint.ts';
import { PLIC_SOURCES } from '../../devices/plic.ts';
import { SYSCON_POWEROFF, SYSCON_REBOOT } from '../../devices/syscon.ts';
import { UART_CLOCK_FREQUENCY } from '../../devices/uart16550.ts';
import { CACHE_BLOCK_SIZE } from '../../isa/layout.ts';
import { isaString } from './device-tree-isa.ts';
import { cells, EMPTY, type Fdt, type FdtNode, type FdtProperty, strings, words64, writeFdt } from './fdt.ts';
import { IRQ_MAP, MEMORY_MAP, plicContext, RAM_BASE, type Region, virtioIrq, virtioRegion } from './memory-map.ts';

/** What the guest's software expects of `riscv,cpu-intc`: local interrupt numbers (Privileged Architecture, 3.1.9). */
const LOCAL_IRQ = { machineSoftware: 3, machineTimer: 7, supervisorExternal: 9, machineExternal: 11 } as const;

/** Marks a PLIC context that nothing is connected to (sifive,plic-1.0.0 binding). */
const NO_CONTEXT = 0xffff_ffff;

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

const node = (name: string, properties: readonly FdtProperty[], children: readonly FdtNode[] = []): FdtNode => ({
  name,
  properties,
  children,
});
const property = (name: string, value: Uint8Array): FdtProperty => ({ name, value });
const text = (name: string, ...values: string[]): FdtProperty => property(name, strings(...values));
const number = (name: string, ...values: number[]): FdtProperty => property(name, cells(...values));
const flag = (name: string): FdtProperty => property(name, EMPTY);
const reg = (region: Region): FdtProperty => property('reg', words64(region.base, region.size));
const at = (name: string, region: Region): string => `${name}@${region.base.toString(16)}`;
const interrupt = (irq: number): FdtProperty[] => [number('interrupt-parent', PHANDLE.plic), number('interrupts', irq)];
const harts = (options: DeviceTreeOptions): number[] => Array.from({ length: options.harts }, (_, hart) => hart);

/** Builds the device tree of a machine as a DTB. */
export function buildDeviceTree(options: DeviceTreeOptions): Uint8Array {
  return writeFdt(describeMachine(options));
}

/** The tree itself, before flattening. */
export function describeMachine(options: DeviceTreeOptions): Fdt {
  const ram = { base: RAM_BASE, size: options.ramSize };
  const serial = at('serial', MEMORY_MAP.uart);
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
        [
          syscon(),
          rtc(),
          ...(options.firmware.kind === 'image' ? [clint(options)] : []),
          plic(options),
          uart(serial),
          ...options.virtioSlots.map(virtio),
        ],
      ),
      power('poweroff', 'syscon-poweroff', SYSCON_POWEROFF),
      power('reboot', 'syscon-reboot', SYSCON_REBOOT),
    ],
  );
  return { root, reservations: [], bootCpu: 0 };
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

function syscon(): FdtNode {
  return node(at('test', MEMORY_MAP.syscon), [
    text('compatible', 'sifive,test1', 'sifive,test0', 'syscon'),
    reg(MEMORY_MAP.syscon),
    number('phandle', PHANDLE.syscon),
  ]);
}

function power(name: string, compatible: string, value: number): FdtNode {
  return node(name, [
    text('compatible', compatible),
    number('regmap', PHANDLE.syscon),
    number('offset', 0),
    number('value', value),
  ]);
}

function rtc(): FdtNode {
  return node(at('rtc', MEMORY_MAP.rtc), [
    text('compatible', 'google,goldfish-rtc'),
    reg(MEMORY_MAP.rtc),
    ...interrupt(IRQ_MAP.rtc),
  ]);
}

function uart(name: string): FdtNode {
  return node(name, [
    text('compatible', 'ns16550a'),
    reg(MEMORY_MAP.uart),
    number('clock-frequency', UART_CLOCK_FREQUENCY),
    ...interrupt(IRQ_MAP.uart),
  ]);
}

function clint(options: DeviceTreeOptions): FdtNode {
  return node(at('clint', MEMORY_MAP.aclint), [
    text('compatible', 'sifive,clint0', 'riscv,clint0'),
    reg(MEMORY_MAP.aclint),
    number(
      'interrupts-extended',
      ...harts(options).flatMap((hart) => [intc(hart), LOCAL_IRQ.machineSoftware, intc(hart), LOCAL_IRQ.machineTimer]),
    ),
  ]);
}

function plic(options: DeviceTreeOptions): FdtNode {
  const machineLevel = options.firmware.kind === 'image' ? LOCAL_IRQ.machineExternal : NO_CONTEXT;
  const wires: number[] = [];
  for (const hart of harts(options)) {
    wires.splice(plicContext(hart, 'machine') * 2, 0, intc(hart), machineLevel);
    wires.splice(plicContext(hart, 'supervisor') * 2, 0, intc(hart), LOCAL_IRQ.supervisorExternal);
  }
  return node(at('plic', MEMORY_MAP.plic), [
    text('compatible', 'sifive,plic-1.0.0', 'riscv,plic0'),
    reg(MEMORY_MAP.plic),
    number('riscv,ndev', PLIC_SOURCES),
    flag('interrupt-controller'),
    number('#interrupt-cells', 1),
    number('#address-cells', 0),
    number('interrupts-extended', ...wires),
    number('phandle', PHANDLE.plic),
  ]);
}

function virtio(slot: number): FdtNode {
  const region = virtioRegion(slot);
  return node(at('virtio', region), [
    text('compatible', 'virtio,mmio'),
    reg(region),
    flag('dma-coherent'),
    ...interrupt(virtioIrq(slot)),
  ]);
}
