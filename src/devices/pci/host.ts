import type { Device } from '../device.ts';
import { cells, type FdtNode, flag, number, property, text, words64 } from '../fdt-node.ts';
import { type DevicePlace, placed, type Region } from '../place.ts';

/** A function as the host bridge sees it. */
export interface PciFunction {
  /** Configuration space. */
  readConfiguration(offset: number, width: 1 | 2 | 4): number;
  writeConfiguration(offset: number, width: 1 | 2 | 4, value: number): void;
  /** As {@link readConfiguration}, changing nothing. */
  peekConfiguration(offset: number, width: 1 | 2 | 4): number;
  /** Offset into its BAR of a bus address, if it answers there. */
  decode(address: number): number | undefined;
  readBar(offset: number, width: 1 | 2 | 4): number;
  writeBar(offset: number, width: 1 | 2 | 4, value: number): void;
  peekBar(offset: number, width: 1 | 2 | 4): number;
}

/** Devices of bus 0, each with function 0 only. */
export const PCI_DEVICES = 32;
/** Bytes of one function's configuration space, and of a device's eight, in the window (PCI Express 7.2.2). */
const FUNCTION_SIZE = 4096;
const DEVICE_SIZE = 8 * FUNCTION_SIZE;
/** Bytes of the window that maps configuration space: one bus. */
export const ECAM_SIZE = PCI_DEVICES * DEVICE_SIZE;

/** What a read gives where no function answers. */
const nothing = (width: number): number => (width === 4 ? 0xffff_ffff : 2 ** (8 * width) - 1);

/**
 * The window that maps configuration space (ECAM, PCI Express 7.2.2): bus 0, one function a device. It has no state of its own: that is the
 * functions'.
 */
export class PciEcam implements Device {
  readonly kind = 'pci-ecam';
  readonly size = ECAM_SIZE;
  private readonly functions: readonly PciFunction[];

  /** @param functions by device number */
  constructor(functions: readonly PciFunction[]) {
    this.functions = functions;
  }

  reset(): void {}

  read(offset: number, width: 1 | 2 | 4): number {
    return this.find(offset)?.readConfiguration(offset % FUNCTION_SIZE, width) ?? nothing(width);
  }

  write(offset: number, width: 1 | 2 | 4, value: number): void {
    this.find(offset)?.writeConfiguration(offset % FUNCTION_SIZE, width, value);
  }

  peek(offset: number, width: 1 | 2 | 4): number {
    return this.find(offset)?.peekConfiguration(offset % FUNCTION_SIZE, width) ?? nothing(width);
  }

  save(): void {}

  restore(): void {}

  private find(offset: number): PciFunction | undefined {
    return offset % DEVICE_SIZE < FUNCTION_SIZE ? this.functions[Math.floor(offset / DEVICE_SIZE)] : undefined;
  }
}

/** The window of memory space: where the guest puts the functions' BARs. It has no state of its own. */
export class PciMemory implements Device {
  readonly kind = 'pci-memory';
  readonly size: number;
  private readonly functions: readonly PciFunction[];
  private readonly busAddress: number;

  /** @param busAddress of the window's first byte on the bus */
  constructor(functions: readonly PciFunction[], busAddress: number, size: number) {
    this.functions = functions;
    this.busAddress = busAddress;
    this.size = size;
  }

  reset(): void {}

  read(offset: number, width: 1 | 2 | 4): number {
    return this.claimed(offset, (f, at) => f.readBar(at, width)) ?? nothing(width);
  }

  write(offset: number, width: 1 | 2 | 4, value: number): void {
    this.claimed(offset, (f, at) => f.writeBar(at, width, value));
  }

  peek(offset: number, width: 1 | 2 | 4): number {
    return this.claimed(offset, (f, at) => f.peekBar(at, width)) ?? nothing(width);
  }

  save(): void {}

  restore(): void {}

  private claimed<T>(offset: number, action: (f: PciFunction, at: number) => T): T | undefined {
    for (const f of this.functions) {
      const at = f.decode(this.busAddress + offset);
      if (at !== undefined) return action(f, at);
    }
    return undefined;
  }
}

/** Space code of a range of 32-bit memory addresses, and number of INTA# (IEEE 1275, PCI bus binding, 2.2.1). */
const MEMORY_SPACE = 0x0200_0000;
const INTA = 1;
/** Where a device number is in a unit address. */
const DEVICE_SHIFT = 11;

/**
 * The device-tree node of the bus (Linux binding host-generic-pci).
 * @param ecam where configuration space is mapped @param memory where BARs may be put, at the same addresses on the bus
 * @param irqs PLIC source of each device's INTA#, by device number
 */
export function pciHostNode(ecam: DevicePlace, memory: Region, irqs: readonly number[]): FdtNode {
  const map = irqs.flatMap((irq, device) => [device << DEVICE_SHIFT, 0, 0, INTA, ecam.phandle.plic, irq]);
  return placed(
    'pci',
    ecam,
    [text('compatible', 'pci-host-ecam-generic')],
    [
      text('device_type', 'pci'),
      number('#address-cells', 3),
      number('#size-cells', 2),
      number('#interrupt-cells', 1),
      number('linux,pci-domain', 0),
      number('bus-range', 0, 0),
      flag('dma-coherent'),
      property('ranges', Uint8Array.of(...cells(MEMORY_SPACE), ...words64(memory.base, memory.base, memory.size))),
      number('interrupt-map-mask', (PCI_DEVICES - 1) << DEVICE_SHIFT, 0, 0, 7),
      number('interrupt-map', ...map),
    ],
  );
}
