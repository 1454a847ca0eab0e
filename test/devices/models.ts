import { StateReader, StateWriter } from '../../src/bytes/state-stream.ts';
import { Aclint } from '../../src/devices/aclint.ts';
import type { Device } from '../../src/devices/device.ts';
import { PLIC_SOURCES, Plic } from '../../src/devices/plic.ts';
import { GoldfishRtc } from '../../src/devices/rtc.ts';
import { SbiConsole } from '../../src/devices/sbi-console.ts';
import { Syscon } from '../../src/devices/syscon.ts';
import { Uart16550 } from '../../src/devices/uart16550.ts';
import { balloonInflate, virtioBalloon } from '../../src/devices/virtio/balloon.ts';
import { virtioBlk } from '../../src/devices/virtio/blk.ts';
import { consoleHold, consoleResize, virtioConsole } from '../../src/devices/virtio/console.ts';
import { virtioFs } from '../../src/devices/virtio/fs.ts';
import { VirtioMmio } from '../../src/devices/virtio/mmio.ts';
import { netLink, virtioNet } from '../../src/devices/virtio/net.ts';
import { virtio9p } from '../../src/devices/virtio/ninep.ts';
import { VirtioPci } from '../../src/devices/virtio/pci.ts';
import { virtioRng } from '../../src/devices/virtio/rng.ts';
import { MemoryBackend, OverlayDisk } from '../../src/storage/index.ts';
import { RAM_BASE, World } from './world.ts';

/** A device in its world, with what it drives besides its wire. */
export interface Subject {
  readonly world: World;
  /** Levels driven through callbacks, and requests made. */
  readonly outputs: Map<string, boolean | number>;
  /** Drives an input wire, if the device has some. */
  drive?(n: number, level: boolean): void;
  /** Copies state kept beside the device (a disk) from another subject. */
  copyBackend?(from: Subject): void;
  readonly disk?: OverlayDisk;
}

export interface Model {
  readonly name: string;
  /** Offsets worth hitting more often than others. */
  readonly offsets: readonly number[];
  /** Number of virtqueues, for devices that have them. */
  readonly queues?: number;
  /** One of the device's commands, by any number below 65536. */
  readonly command?: (n: number) => Uint8Array;
  /** Feature bits of the device type that change how it works. */
  readonly features?: readonly number[];
  /** Register writes that bring the device to life, as a driver would: random traffic alone seldom finds them all. */
  readonly wake?: readonly (readonly [offset: number, value: number])[];
  create(): Subject;
}

const words = (from: number, to: number, step = 4): number[] => {
  const offsets: number[] = [];
  for (let at = from; at < to; at += step) offsets.push(at);
  return offsets;
};

function plain(build: (world: World, outputs: Subject['outputs']) => Device): Subject {
  const world = new World();
  const outputs: Subject['outputs'] = new Map();
  world.device = build(world, outputs);
  return { world, outputs };
}

const VIRTIO_OFFSETS = [...words(0, 0x48), 0x50, 0x60, 0x64, 0x70, ...words(0x80, 0x110)];
const HARTS = 2;

export const DISK_SIZE = 64 * 1024;
export const diskContents = (): Uint8Array =>
  Uint8Array.from({ length: DISK_SIZE }, (_, i) => (i * 7 + (i >> 9)) & 0xff);

function virtioDisk(): Subject {
  const disk = new OverlayDisk(new MemoryBackend(diskContents(), 'b'.repeat(64)));
  const subject = plain((world) => new VirtioMmio(world.context, virtioBlk({ disk, serial: 'hindsight' })));
  return {
    ...subject,
    disk,
    copyBackend(from) {
      const w = new StateWriter();
      from.disk?.save(w);
      disk.restore(new StateReader(w.finish()));
    },
  };
}

/** What a driver writes to the BAR of a virtio device on PCI until the device runs, if each write were of 32 bits. */
const PCI_DRIVER: readonly (readonly [number, number])[] = [
  [0x08, 1],
  [0x0c, 1],
  [0x20, RAM_BASE],
  [0x28, RAM_BASE + 0x1000],
  [0x30, RAM_BASE + 0x2000],
];

/** Every device there is: one that is not in here escapes the conformance suite. */
export const MODELS: readonly Model[] = [
  {
    name: 'uart16550',
    offsets: words(0, 8, 1),
    wake: [
      [3, 3],
      [2, 0x41],
      [1, 0x0f],
    ],
    create: () => plain((world) => new Uart16550(world.context)),
  },
  {
    name: 'plic',
    wake: [[4, 3], [8, 1], ...words(0x2000, 0x2200, 0x80).map((at) => [at, 6] as const)],
    offsets: [
      0,
      4,
      8,
      4 * PLIC_SOURCES,
      0x1000,
      0x100c,
      0x2000,
      0x2004,
      0x200c,
      0x2080,
      0x2100,
      0x200000,
      0x200004,
      0x201000,
      0x201004,
    ],
    create: () => {
      let plic!: Plic;
      const subject = plain((world, outputs) => {
        plic = new Plic(world.context, {
          harts: HARTS,
          setExternal: (n, level) => outputs.set(`external ${n}`, level),
        });
        return plic;
      });
      return { ...subject, drive: (n, level) => plic.setSource(1 + (n % PLIC_SOURCES), level) };
    },
  },
  {
    name: 'aclint',
    offsets: [0, 4, 0x4000, 0x4004, 0x4008, 0x400c, 0xbff8, 0xbffc],
    create: () =>
      plain(
        (world, outputs) =>
          new Aclint(world.context, {
            harts: HARTS,
            setSoftware: (n, level) => outputs.set(`software ${n}`, level),
            setTimer: (n, level) => outputs.set(`timer ${n}`, level),
          }),
      ),
  },
  { name: 'goldfish-rtc', offsets: words(0, 0x24), create: () => plain((world) => new GoldfishRtc(world.context)) },
  {
    name: 'syscon',
    offsets: [0],
    create: () =>
      plain((world, outputs) => new Syscon(world.context, { onRequest: (kind, status) => outputs.set(kind, status) })),
  },
  {
    name: 'sbi-console',
    offsets: [0],
    create: () => {
      let console!: SbiConsole;
      const subject = plain((world) => (console = new SbiConsole(world.context)));
      return { ...subject, drive: (n) => void console.take(n) };
    },
  },
  { name: 'virtio-blk', offsets: VIRTIO_OFFSETS, queues: 1, create: virtioDisk },
  {
    name: 'virtio-console',
    offsets: VIRTIO_OFFSETS,
    queues: 2,
    command: (n) => consoleResize(n + 1, 24),
    create: () => plain((world) => new VirtioMmio(world.context, virtioConsole({ columns: 100, rows: 30 }))),
  },
  {
    name: 'virtio-console with further ports',
    offsets: VIRTIO_OFFSETS,
    queues: 8,
    command: (n) =>
      n % 2 === 0 ? consoleResize(n + 1, 24) : consoleHold(1 + (n % 3 === 0 ? 1 : 0), Number(n % 5 < 2)),
    create: () => {
      const subject = plain((world) => new VirtioMmio(world.context, virtioConsole({ ports: ['one', 'two'] })));
      return { ...subject, drive: (n) => void subject.world.ports.get('two')!.input(Uint8Array.of(n & 255)) };
    },
  },
  {
    name: 'virtio-balloon',
    offsets: VIRTIO_OFFSETS,
    queues: 3,
    command: (n) => balloonInflate(n * 4096),
    create: () => plain((world) => new VirtioMmio(world.context, virtioBalloon(8192))),
  },
  {
    name: 'virtio-rng',
    offsets: VIRTIO_OFFSETS,
    queues: 1,
    create: () => plain((world) => new VirtioMmio(world.context, virtioRng)),
  },
  {
    name: 'virtio-fs',
    offsets: VIRTIO_OFFSETS,
    queues: 2,
    create: () => plain((world) => new VirtioMmio(world.context, virtioFs('share'))),
  },
  {
    name: 'virtio-9p',
    offsets: VIRTIO_OFFSETS,
    queues: 1,
    features: [0],
    create: () => plain((world) => new VirtioMmio(world.context, virtio9p('share'))),
  },
  {
    name: 'virtio-rng on PCI',
    offsets: [...words(0, 0x40, 1), 0x1000, 0x2000, 0x3000],
    wake: PCI_DRIVER,
    create: () => plain((world) => new VirtioPci(world.context, virtioRng)),
  },
  {
    name: 'virtio-net',
    offsets: VIRTIO_OFFSETS,
    queues: 2,
    command: (n) => netLink(n % 2),
    features: [0, 1, 3, 5, 7, 8, 11, 12, 15, 16],
    create: () =>
      plain((world) => new VirtioMmio(world.context, virtioNet(Uint8Array.of(0x52, 0x54, 0, 0x12, 0x34, 0x56), 1500))),
  },
];
