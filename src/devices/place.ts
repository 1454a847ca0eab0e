import { type FdtNode, type FdtProperty, node, number, property, words64 } from './fdt-node.ts';

/** A window of physical addresses. */
export interface Region {
  /** Physical address of the first byte. */
  readonly base: number;
  /** Size in bytes. */
  readonly size: number;
}

/** Where a device sits and what it is connected to, as its device-tree node says it. The device itself never learns this. */
export interface DevicePlace {
  readonly region: Region;
  /** Its source at the interrupt controller; left out for a device without a wire. */
  readonly irq?: number;
  /** Number of harts. */
  readonly harts: number;
  /** Whether M-mode firmware runs in the guest, which machine-level interrupts are described for. */
  readonly firmware: boolean;
  /** Phandles of the devices that others refer to. */
  readonly phandle: { readonly plic: number; readonly syscon: number };
  /** Phandle of a hart's local interrupt controller. */
  intc(hart: number): number;
}

/** A node at a place: its unit address and `reg` are the place's. `compatible` and what else comes before `reg` is `first`. */
export function placed(
  name: string,
  { region }: DevicePlace,
  first: readonly FdtProperty[],
  rest: readonly FdtProperty[] = [],
): FdtNode {
  const reg = property('reg', words64(region.base, region.size));
  return node(`${name}@${region.base.toString(16)}`, [...first, reg, ...rest]);
}

/** The properties of a device with a wire to the interrupt controller. @throws RangeError when the place has none */
export function interrupts({ irq, phandle }: DevicePlace): FdtProperty[] {
  if (irq === undefined) throw new RangeError('the interrupt map has no source for this device');
  return [number('interrupt-parent', phandle.plic), number('interrupts', irq)];
}
