import { ECAM_SIZE, PCI_DEVICES } from '../../devices/pci/host.ts';
import type { Region } from '../../devices/place.ts';
import { RAM_BASE } from '../../isa/layout.ts';

/**
 * The one memory map and the one interrupt map. Addresses and interrupt numbers are those of QEMU's `virt` machine, so that
 * guests, firmware and people find everything where they expect it. Everything else (bus, device tree, loader, docs) reads this.
 */

export type { Region };

/** Number of virtio-mmio slots. */
export const VIRTIO_SLOTS = 32;

/** Windows of the devices, by name. */
export const MEMORY_MAP = {
  /** Power-off and reboot (`sifive,test1`). */
  syscon: { base: 0x0010_0000, size: 0x1000 },
  /** Wall clock (`google,goldfish-rtc`). */
  rtc: { base: 0x0010_1000, size: 0x1000 },
  /** Machine-level timer and software interrupts, in the SiFive CLINT arrangement. */
  aclint: { base: 0x0200_0000, size: 0x1_0000 },
  /** Platform-level interrupt controller. */
  plic: { base: 0x0c00_0000, size: 0x60_0000 },
  /** 16550A serial port. */
  uart: { base: 0x1000_0000, size: 0x100 },
  /** Configuration space of the PCI bus; there when something is on it. */
  pciEcam: { base: 0x3000_0000, size: ECAM_SIZE },
  /** Where the guest puts the BARs of what is on the PCI bus. */
  pciMemory: { base: 0x4000_0000, size: 0x0100_0000 },
} as const satisfies Record<string, Region>;

/** Window of the first virtio-mmio slot and the distance to the next. */
const VIRTIO = { base: 0x1000_1000, step: 0x1000 } as const;

/** Where RAM begins; its size is the machine's choice. */
export { RAM_BASE };

/** Distance from the beginning of RAM to the next boot stage (kernel) when firmware lies in front of it, and to a kernel without. */
export const KERNEL_OFFSET = 0x20_0000;

/** PLIC sources of the devices. */
export const IRQ_MAP = {
  uart: 10,
  rtc: 11,
} as const;

/**
 * PLIC sources of the virtio-mmio slots, which count on from these. The first eight slots are those of QEMU's `virt` machine; the others have
 * sources that nothing has there, clear of PCI's 32 to 35.
 */
const VIRTIO_IRQ = { first: 1, slots: 8, others: 40 } as const;

/** PLIC source of INTA# of the PCI bus's device 0; device n has this plus n. (QEMU has four for all.) */
const PCI_IRQ = 64;

/** PLIC source of INTA# of a device on the PCI bus. @throws RangeError for a device that cannot be */
export function pciIrq(device: number): number {
  if (!Number.isInteger(device) || device < 0 || device >= PCI_DEVICES)
    throw new RangeError(`PCI device ${device} does not exist: devices are 0 to ${PCI_DEVICES - 1}`);
  return PCI_IRQ + device;
}

/** Throws unless `slot` is one of the {@link VIRTIO_SLOTS}. */
function checkSlot(slot: number): void {
  if (!Number.isInteger(slot) || slot < 0 || slot >= VIRTIO_SLOTS) {
    throw new RangeError(`virtio slot ${slot} does not exist: slots are 0 to ${VIRTIO_SLOTS - 1}`);
  }
}

/** Window of virtio-mmio slot `slot`. @throws RangeError for a slot that does not exist. */
export function virtioRegion(slot: number): Region {
  checkSlot(slot);
  return { base: VIRTIO.base + slot * VIRTIO.step, size: VIRTIO.step };
}

/** PLIC source of virtio-mmio slot `slot`. @throws RangeError for a slot that does not exist. */
export function virtioIrq(slot: number): number {
  checkSlot(slot);
  return slot < VIRTIO_IRQ.slots ? VIRTIO_IRQ.first + slot : VIRTIO_IRQ.others + slot - VIRTIO_IRQ.slots;
}

/** Window of the device of that name; undefined for one without registers. */
export function deviceRegion(name: string): Region | undefined {
  return (MEMORY_MAP as Record<string, Region>)[name];
}

/** PLIC source of the device of that name; undefined for one without a wire. */
export function deviceIrq(name: string): number | undefined {
  return (IRQ_MAP as Record<string, number>)[name];
}

/** The device that has a PLIC source, as the board names it; undefined when none does. */
export function irqName(source: number): string | undefined {
  const fixed = Object.entries(IRQ_MAP).find(([, irq]) => irq === source)?.[0];
  if (fixed !== undefined) return fixed;
  for (let slot = 0; slot < VIRTIO_SLOTS; slot++) if (virtioIrq(slot) === source) return `virtio${slot}`;
  return source >= PCI_IRQ && source < PCI_IRQ + PCI_DEVICES ? `pci${source - PCI_IRQ}` : undefined;
}
