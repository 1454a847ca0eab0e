import type { Disk } from '../storage/backend.ts';
import type { ImageName } from '../storage/image-name.ts';
import type { Device, DeviceContext } from './device.ts';
import type { FdtNode } from './fdt-node.ts';
import type { DevicePlace } from './place.ts';
import type { SysconRequest } from './syscon.ts';
import type { VirtioModelFactory } from './virtio/model.ts';

/** What the host has to do with a kind of device. */
export interface HostSide {
  /** How to read what the device emits: pieces of a stream may be joined and cut anywhere, a frame is one whole message. */
  readonly output: 'stream' | 'frames';
  /**
   * The commands it knows ({@link Device.control}), by name; each makes the command's bytes of its arguments.
   * @throws RangeError for arguments that are out of range
   */
  readonly commands?: Readonly<Record<string, (...args: number[]) => Uint8Array>>;
}

/** Interrupt wires of a hart (bits of mip) that a device may drive. */
export type HartWire = 'MSIP' | 'MTIP' | 'MEIP' | 'SEIP';

/** What a device that belongs to the machine itself is wired to, besides its context. */
export interface PlatformWiring {
  /** Number of harts. */
  readonly harts: number;
  drive(hart: number, wire: HartWire, level: boolean): void;
  /** Works the power switch. */
  request(kind: SysconRequest, status: number): void;
}

/** A device that every machine has, or every machine with firmware in the guest. */
export interface PlatformEntry {
  /** Name of its port, and of its place in the memory map and the interrupt map. One without registers has no place. */
  readonly name: string;
  /** Only there when M-mode firmware runs in the guest. */
  readonly forFirmware?: boolean;
  /** Left out: nothing passes between the device and the host but answers to {@link DevicePort.ask}. */
  readonly host?: HostSide;
  build(context: DeviceContext, wiring: PlatformWiring): Device;
  /** Its node below /soc, and nodes of the root that refer to it. */
  describe?(place: DevicePlace): { readonly soc: FdtNode; readonly root?: readonly FdtNode[] };
}

/** What the machine brings to a device in a slot. */
export interface SlotParts {
  /** The disk over the next of the contents the host brought, in the order of the slots. @throws ConfigError when they are not `base` */
  openDisk(base: ImageName, readOnly: boolean): { readonly disk: Disk; readonly index: number };
}

/** A device that a machine's configuration may put into a virtio slot. `C` is what the configuration says of it. */
export interface SlotEntry<C extends { readonly kind: string }> {
  readonly kind: C['kind'];
  readonly host?: HostSide;
  /** Checks a slot's fields, which may come from a file. @throws ConfigError saying which is wrong */
  check(slot: C): void;
  /** The image whose contents the host must bring. */
  image?(slot: C): ImageName;
  /** The device type, for whatever transport the slot has. */
  model(slot: C, parts: SlotParts): VirtioModelFactory;
}
