import type { Device, DeviceContext, DevicePort } from '../../devices/device.ts';
import type { HostSide, PlatformWiring, SlotParts } from '../../devices/entry.ts';
import { PciEcam, PciMemory } from '../../devices/pci/host.ts';
import { Plic } from '../../devices/plic.ts';
import { PLATFORM_DEVICES, slotEntry } from '../../devices/registry.ts';
import { SbiConsole } from '../../devices/sbi-console.ts';
import type { SysconRequest } from '../../devices/syscon.ts';
import { VirtioMmio } from '../../devices/virtio/mmio.ts';
import { VirtioPci } from '../../devices/virtio/pci.ts';
import { MACHINE_PORT } from '../../record/door.ts';
import { type BlockBackend, OverlayDisk } from '../../storage/index.ts';
import { INTERRUPT } from '../memory/hart-state.ts';
import type { Window } from './bus.ts';
import { ConfigError, type MachineConfig } from './config.ts';
import { deviceIrq, deviceRegion, MEMORY_MAP, pciIrq, type Region, virtioIrq, virtioRegion } from './memory-map.ts';

/** What a board needs of the engine it is plugged into. */
export interface BoardSocket {
  /** The context of device `id`; `irq` drives its wire, if it has one. */
  context(id: number, irq: (level: boolean) => void): Omit<DeviceContext, 'port' | 'addPort'>;
  /** A device's side of a port of the door. */
  port(port: number): DevicePort;
  /** Drives bits of a hart's interrupt wires. */
  drive(hart: number, bit: number, level: boolean): void;
  /** The guest wants the power switch. */
  request(kind: SysconRequest, status: number): void;
  /** The guest touched a register of the device that has this port. */
  afterAccess(port: number): void;
}

/** A device on the board. Its place in the list is its id: its port of the door, its place in saved states. */
export interface Slot {
  readonly name: string;
  readonly device: Device;
  /** Left out: nothing passes between the device and the host but answers to its questions. */
  readonly host?: HostSide;
}

/** A port of the door. Its place in the list is its number; the devices' own come first, by their ids. */
export interface Port {
  readonly name: string;
  /** Of the device; a further port has no commands of its own. */
  readonly host?: HostSide;
  /** Offers bytes of the host's, see {@link Device.input}. */
  readonly input?: (payload: Uint8Array) => number;
}

/** The devices of a machine, wired. */
export interface Board {
  readonly slots: readonly Slot[];
  readonly ports: readonly Port[];
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
  const further: Port[] = [];
  /** By device: the ports that its input comes in through. */
  const inputs: number[][] = [];
  let plic: Plic | undefined;
  for (const { name, host, irq, build } of placements) {
    const id = slots.length;
    const drive = (level: boolean): void => {
      if (irq !== undefined) plic?.setSource(irq, level);
    };
    inputs[id] = [];
    const addPort: DeviceContext['addPort'] = (portName, input) => {
      const port = placements.length + further.length;
      further.push({ name: portName, input, ...(host && { host: { output: host.output } }) });
      inputs[id].push(port);
      return socket.port(port);
    };
    const device: Device = build({ ...socket.context(id, drive), port: socket.port(id), addPort });
    if (device.input !== undefined) inputs[id].push(id);
    slots.push({ name, device, ...(host && { host }) });
    if (device instanceof Plic) plic = device;
  }
  const ports = [...slots.map(({ name, device, host }) => devicePort(name, device, host)), ...further];
  checkPortNames(ports);

  const windows: Window[] = [];
  const add = (region: Region, device: Device, touched: readonly number[]): void => {
    const afterAccess = (): void => {
      for (const port of touched) socket.afterAccess(port);
    };
    windows.push({ region, device, ...(touched.length > 0 && { afterAccess }) });
  };
  placements.forEach(({ region }, id) => {
    if (region !== undefined) add(region, slots[id].device, inputs[id]);
  });
  if (functions.length > 0) {
    const { pciEcam, pciMemory } = MEMORY_MAP;
    // What touches a function's registers may have made room for its input.
    const touched = slots.flatMap(({ device }, id) => (device instanceof VirtioPci ? inputs[id] : []));
    add(pciEcam, new PciEcam(functions), []);
    add(pciMemory, new PciMemory(functions, pciMemory.base, pciMemory.size), touched);
  }
  const uart = slots.findIndex(({ name }) => name === 'uart');
  const sbiConsoleId = slots.findIndex(({ device }) => device instanceof SbiConsole);
  const sbiConsole = slots[sbiConsoleId].device as SbiConsole;
  return { slots, ports, windows, uart, sbiConsole, sbiConsoleId, disks };
}

/** A device's own port. */
function devicePort(name: string, device: Device, host: HostSide | undefined): Port {
  const takesInput = device.input !== undefined;
  return { name, ...(host && { host }), ...(takesInput && { input: (payload) => device.input?.(payload) ?? 0 }) };
}

/** @throws ConfigError when two ports have one name, or there are more than the door counts */
function checkPortNames(ports: readonly Port[]): void {
  const names = new Set<string>();
  for (const { name } of ports) {
    if (names.has(name)) throw new ConfigError(`two ports are named "${name}": give the console's port another name`);
    names.add(name);
  }
  if (ports.length > MACHINE_PORT)
    throw new ConfigError(`the machine has ${ports.length} ports: expected at most ${MACHINE_PORT}`);
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
