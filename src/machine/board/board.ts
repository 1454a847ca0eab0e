import type { Device, DeviceContext } from '../../devices/device.ts';
import type { HostSide, PlatformWiring, SlotParts } from '../../devices/entry.ts';
import { PciEcam, PciMemory } from '../../devices/pci/host.ts';
import { Plic } from '../../devices/plic.ts';
import { PLATFORM_DEVICES, slotEntry } from '../../devices/registry.ts';
import { SbiConsole } from '../../devices/sbi-console.ts';
import type { SysconRequest } from '../../devices/syscon.ts';
import { VirtioMmio } from '../../devices/virtio/mmio.ts';
import { VirtioPci } from '../../devices/virtio/pci.ts';
import { type BlockBackend, OverlayDisk } from '../../storage/index.ts';
import { INTERRUPT } from '../memory/hart-state.ts';
import type { Window } from './bus.ts';
import { ConfigError, type MachineConfig } from './config.ts';
import { deviceIrq, deviceRegion, MEMORY_MAP, pciIrq, type Region, virtioIrq, virtioRegion } from './memory-map.ts';

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
  /** Left out: nothing passes between the device and the host but answers to its questions. */
  readonly host?: HostSide;
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

/** A device to be put on the board. */
interface Placement {
  readonly name: string;
  readonly host?: HostSide;
  readonly region?: Region;
  readonly irq?: number;
  readonly build: (context: DeviceContext) => Device;
}

/**
 * Builds the devices of a configuration.
 * @param backends the contents of the configuration's disks, in order
 * @throws ConfigError when a backend is missing or not the one the configuration names
 */
export function buildBoard(config: MachineConfig, backends: readonly BlockBackend[], socket: BoardSocket): Board {
  const disks: OverlayDisk[] = [];
  const parts = slotParts(backends, disks);
  const wiring: PlatformWiring = {
    harts: config.harts,
    drive: (hart, wire, level) => socket.drive(hart, INTERRUPT[wire], level),
    request: (kind, status) => socket.request(kind, status),
  };
  const placements: Placement[] = PLATFORM_DEVICES.filter(
    ({ forFirmware }) => forFirmware !== true || config.firmware !== undefined,
  ).map((entry) => ({
    name: entry.name,
    host: entry.host,
    region: deviceRegion(entry.name),
    irq: deviceIrq(entry.name),
    build: (context) => entry.build(context, wiring),
  }));
  config.slots.forEach((slot, index) => {
    const entry = slotEntry(slot);
    const model = entry.model(slot, parts);
    placements.push({
      name: `virtio${index}`,
      host: entry.host,
      region: virtioRegion(index),
      irq: virtioIrq(index),
      build: (context) => new VirtioMmio(context, model),
    });
  });
  const functions: VirtioPci[] = [];
  config.pci?.forEach((slot, device) => {
    const entry = slotEntry(slot);
    const model = entry.model(slot, parts);
    placements.push({
      name: `pci${device}`,
      host: entry.host,
      irq: pciIrq(device),
      build(context) {
        functions[device] = new VirtioPci(context, model);
        return functions[device];
      },
    });
  });

  const slots: Slot[] = [];
  const windows: Window[] = [];
  let plic: Plic | undefined;
  for (const { name, host, region, irq, build } of placements) {
    const id = slots.length;
    const drive = (level: boolean): void => {
      if (irq !== undefined) plic?.setSource(irq, level);
    };
    const device: Device = build(socket.context(id, drive));
    slots.push({ name, device, ...(host && { host }) });
    const takesInput = device.input !== undefined;
    if (device instanceof Plic) plic = device;
    if (region !== undefined)
      windows.push({ region, device, ...(takesInput && { afterAccess: () => socket.afterAccess(id) }) });
  }
  if (functions.length > 0) windows.push(...pciWindows(functions, slots, socket));
  const uart = slots.findIndex(({ name }) => name === 'uart');
  const sbiConsoleId = slots.findIndex(({ device }) => device instanceof SbiConsole);
  const sbiConsole = slots[sbiConsoleId].device as SbiConsole;
  return { slots, windows, uart, sbiConsole, sbiConsoleId, disks };
}

/** The bus's windows. What touches a function's registers may have made room for its input. */
function pciWindows(functions: readonly VirtioPci[], slots: readonly Slot[], socket: BoardSocket): Window[] {
  const { pciEcam, pciMemory } = MEMORY_MAP;
  const ids = slots.flatMap(({ device }, id) =>
    device instanceof VirtioPci && device.input !== undefined ? [id] : [],
  );
  const afterAccess = (): void => {
    for (const id of ids) socket.afterAccess(id);
  };
  const memory = new PciMemory(functions, pciMemory.base, pciMemory.size);
  return [
    { region: pciEcam, device: new PciEcam(functions) },
    { region: pciMemory, device: memory, afterAccess },
  ];
}

/** What the devices in slots are built from; adds the disks it opens to `disks`. */
function slotParts(backends: readonly BlockBackend[], disks: OverlayDisk[]): SlotParts {
  return {
    openDisk(base, readOnly) {
      const index = disks.length;
      const backend = backends[index];
      if (backend === undefined)
        throw new ConfigError(`disk ${index} (${base.file}) is missing: bring the file with SHA-256 ${base.hash}`);
      if (base.hash !== '' && backend.hash !== base.hash) {
        throw new ConfigError(
          `disk ${index} (${base.file}) has SHA-256 ${backend.hash}, expected ${base.hash}: bring the unchanged file`,
        );
      }
      const disk = new OverlayDisk(backend, { readOnly });
      disks.push(disk);
      return { disk, index };
    },
  };
}
