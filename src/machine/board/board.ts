import { Aclint } from '../../devices/aclint.ts';
import type { Device, DeviceContext } from '../../devices/device.ts';
import { Plic } from '../../devices/plic.ts';
import { GoldfishRtc } from '../../devices/rtc.ts';
import { SbiConsole } from '../../devices/sbi-console.ts';
import { Syscon, type SysconRequest } from '../../devices/syscon.ts';
import { Uart16550 } from '../../devices/uart16550.ts';
import { virtioBlk } from '../../devices/virtio/blk.ts';
import { virtioConsole } from '../../devices/virtio/console.ts';
import { VirtioMmio } from '../../devices/virtio/mmio.ts';
import type { VirtioModelFactory } from '../../devices/virtio/model.ts';
import { virtioRng } from '../../devices/virtio/rng.ts';
import { type BlockBackend, OverlayDisk } from '../../storage/index.ts';
import { INTERRUPT } from '../memory/hart-state.ts';
import type { Window } from './bus.ts';
import { ConfigError, type MachineConfig, type SlotConfig } from './config.ts';
import { IRQ_MAP, MEMORY_MAP, type Region, virtioIrq, virtioRegion } from './memory-map.ts';

/** What a board needs of the engine it is plugged into. */
export interface BoardSocket {
  /** The context of device `id`; `irq` drives its wire, if it has one. */
  context(id: number, irq: (level: boolean) => void): DeviceContext;
  /** Drives bits of a hart's interrupt wires. */
  drive(hart: number, bit: number, level: boolean): void;
  /** The guest wants the power switch. */
  request(kind: SysconRequest, status: number): void;
  /** The guest touched a register of device `id`. */
  afterAccess(id: number): void;
}

/** A device on the board. Its place in the list is its id: its port of the door, its place in saved states. */
export interface Slot {
  readonly name: string;
  readonly device: Device;
}

/** The devices of a machine, wired. */
export interface Board {
  readonly slots: readonly Slot[];
  readonly windows: readonly Window[];
  /** Id of the serial port. */
  readonly uart: number;
  readonly sbiConsole: SbiConsole;
  readonly sbiConsoleId: number;
  /** Disks in the order of their slots. */
  readonly disks: readonly OverlayDisk[];
}

/**
 * Builds the devices of a configuration.
 * @param backends the contents of the configuration's disks, in order
 * @throws ConfigError when a backend is missing or not the one the configuration names
 */
export function buildBoard(config: MachineConfig, backends: readonly BlockBackend[], socket: BoardSocket): Board {
  const slots: Slot[] = [];
  const windows: Window[] = [];
  const disks: OverlayDisk[] = [];
  const NO_WIRE = (): void => undefined;

  const add = <D extends Device>(
    name: string,
    region: Region | undefined,
    build: (context: DeviceContext) => D,
    irq = NO_WIRE as (level: boolean) => void,
  ): D => {
    const id = slots.length;
    const device = build(socket.context(id, irq));
    slots.push({ name, device });
    const takesInput = device.input !== undefined;
    if (region !== undefined)
      windows.push({ region, device, ...(takesInput && { afterAccess: () => socket.afterAccess(id) }) });
    return device;
  };

  const plic = add('plic', MEMORY_MAP.plic, (context) => {
    const setExternal = (at: number, level: boolean): void =>
      socket.drive(at >>> 1, at % 2 === 0 ? INTERRUPT.MEIP : INTERRUPT.SEIP, level);
    return new Plic(context, { harts: config.harts, setExternal });
  });
  const wire =
    (irq: number) =>
    (level: boolean): void =>
      plic.setSource(irq, level);

  const uart = slots.length;
  add('uart', MEMORY_MAP.uart, (context) => new Uart16550(context), wire(IRQ_MAP.uart));
  add('rtc', MEMORY_MAP.rtc, (context) => new GoldfishRtc(context), wire(IRQ_MAP.rtc));
  add(
    'syscon',
    MEMORY_MAP.syscon,
    (context) => new Syscon(context, { onRequest: (kind, status) => socket.request(kind, status) }),
  );
  const sbiConsoleId = slots.length;
  const sbiConsole = add('sbi', undefined, (context) => new SbiConsole(context));
  if (config.firmware !== undefined) {
    add('aclint', MEMORY_MAP.aclint, (context) => {
      const setSoftware = (hart: number, level: boolean): void => socket.drive(hart, INTERRUPT.MSIP, level);
      const setTimer = (hart: number, level: boolean): void => socket.drive(hart, INTERRUPT.MTIP, level);
      return new Aclint(context, { harts: config.harts, setSoftware, setTimer });
    });
  }
  config.slots.forEach((slot, index) => {
    const model = virtioModel(slot, disks, backends);
    add(`virtio${index}`, virtioRegion(index), (context) => new VirtioMmio(context, model), wire(virtioIrq(index)));
  });
  return { slots, windows, uart, sbiConsole, sbiConsoleId, disks };
}

function virtioModel(slot: SlotConfig, disks: OverlayDisk[], backends: readonly BlockBackend[]): VirtioModelFactory {
  switch (slot.kind) {
    case 'blk': {
      const backend = backends[disks.length];
      if (backend === undefined)
        throw new ConfigError(
          `disk ${disks.length} (${slot.base.file}) is missing: bring the file with SHA-256 ${slot.base.hash}`,
        );
      if (slot.base.hash !== '' && backend.hash !== slot.base.hash) {
        throw new ConfigError(
          `disk ${disks.length} (${slot.base.file}) has SHA-256 ${backend.hash}, expected ${slot.base.hash}: bring the unchanged file`,
        );
      }
      const disk = new OverlayDisk(backend, { readOnly: slot.readOnly });
      disks.push(disk);
      return virtioBlk({ disk, serial: `hindsight${disks.length - 1}` });
    }
    case 'rng':
      return virtioRng;
    case 'console':
      return virtioConsole({ columns: slot.columns, rows: slot.rows });
  }
}
