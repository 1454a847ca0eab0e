import type { StateReader, StateWriter } from '../../bytes/state-stream.ts';
import type { Device, DeviceContext } from '../device.ts';
import { PciConfigSpace } from '../pci/config-space.ts';
import type { PciFunction } from '../pci/host.ts';
import { VIRTIO_ID, type VirtioModelFactory } from './model.ts';
import { VirtioTransport } from './transport.ts';

const VENDOR_VIRTIO = 0x1af4;
/** PCI device id of a virtio device type (virtio 1.2, 4.1.2.1): this plus the type. */
const DEVICE_BASE = 0x1040;
/** Class codes by device type; others are unclassified. Drivers look at the device id. */
const CLASS: Readonly<Record<number, number>> = {
  [VIRTIO_ID.net]: 0x02_0000,
  [VIRTIO_ID.block]: 0x01_8000,
  [VIRTIO_ID.console]: 0x07_8000,
  [VIRTIO_ID.fs]: 0x01_8000,
};
const UNCLASSIFIED = 0xff_0000;

/** Vendor-specific capability (4.1.4), its types, and what lies where in BAR 0. */
const CAPABILITY_VENDOR = 0x09;
const TYPE = { common: 1, notify: 2, isr: 3, device: 4, configAccess: 5 } as const;
const AREA = {
  common: { offset: 0x0000, length: 0x40 },
  isr: { offset: 0x1000, length: 4 },
  device: { offset: 0x2000, length: 0x1000 },
  notify: { offset: 0x3000, length: 0x1000 },
} as const;
const BAR_SIZE = 0x4000;
/** notify_off_multiplier (4.1.4.4): each queue's doorbell is its own word. */
const NOTIFY_STEP = 4;

/** Common configuration (4.1.4.3). */
const C = {
  deviceFeatureSelect: 0x00,
  deviceFeature: 0x04,
  driverFeatureSelect: 0x08,
  driverFeature: 0x0c,
  configVector: 0x10,
  numQueues: 0x12,
  status: 0x14,
  generation: 0x15,
  queueSelect: 0x16,
  queueSize: 0x18,
  queueVector: 0x1a,
  queueEnable: 0x1c,
  queueNotifyOffset: 0x1e,
  queueAddresses: 0x20,
  queueAddressesEnd: 0x38,
} as const;
/** There are no MSI-X vectors: whatever is chosen reads as none (4.1.5.1.2). */
const NO_VECTOR = 0xffff;

/** A virtio device on a PCI bus (virtio 1.2, 4.1), version 1 only, with INTA# and no MSI-X. Its registers are BAR 0. */
export class VirtioPci extends VirtioTransport implements Device, PciFunction {
  readonly size = BAR_SIZE;
  private readonly space: PciConfigSpace;
  /** Offset in configuration space of the capability that gives access to the BAR (4.1.4.9). */
  private readonly accessAt: number;

  constructor(context: DeviceContext, build: VirtioModelFactory) {
    super(context, build);
    const { id } = this.model;
    const identity = {
      vendor: VENDOR_VIRTIO,
      device: DEVICE_BASE + id,
      revision: 1,
      classCode: CLASS[id] ?? UNCLASSIFIED,
      subsystemVendor: VENDOR_VIRTIO,
      subsystem: 0x40,
    };
    this.space = new PciConfigSpace(identity, BAR_SIZE);
    this.space.addCapability(CAPABILITY_VENDOR, capability(TYPE.common, AREA.common));
    this.space.addCapability(CAPABILITY_VENDOR, capability(TYPE.notify, AREA.notify, NOTIFY_STEP));
    this.space.addCapability(CAPABILITY_VENDOR, capability(TYPE.isr, AREA.isr));
    this.space.addCapability(CAPABILITY_VENDOR, capability(TYPE.device, AREA.device));
    this.accessAt = this.space.addCapability(
      CAPABILITY_VENDOR,
      capability(TYPE.configAccess, { offset: 0, length: 0 }, 0),
    );
    this.space.reset();
  }

  override reset(): void {
    this.space.reset();
    super.reset();
  }

  readConfiguration(offset: number, width: 1 | 2 | 4): number {
    const access = this.accessedBar(offset, width);
    return access === undefined ? this.space.read(offset, width) : this.readBar(access, width);
  }

  peekConfiguration(offset: number, width: 1 | 2 | 4): number {
    const access = this.accessedBar(offset, width);
    return access === undefined ? this.space.read(offset, width) : this.peekBar(access, width);
  }

  writeConfiguration(offset: number, width: 1 | 2 | 4, value: number): void {
    const access = this.accessedBar(offset, width);
    if (access !== undefined) return this.writeBar(access, width, value);
    // Of the access capability: bar, offset and length are the driver's to choose.
    const within = offset - this.accessAt;
    if (within === 4 || (within >= 8 && within < 16)) {
      for (let i = 0; i < width; i++) this.space.bytes[offset + i] = (value >>> (8 * i)) & 0xff;
      return;
    }
    this.space.write(offset, width, value);
    this.drive();
  }

  decode(address: number): number | undefined {
    return this.space.decode(address);
  }

  readBar(offset: number, width: 1 | 2 | 4): number {
    const value = this.peekBar(offset, width);
    // Reading the interrupt status acknowledges it (4.1.4.5).
    if (offset === AREA.isr.offset) this.acknowledge(0xff);
    return value;
  }

  peekBar(offset: number, width: 1 | 2 | 4): number {
    if (offset >= AREA.notify.offset) return 0;
    if (offset >= AREA.device.offset) return this.readConfig(offset - AREA.device.offset, width);
    if (offset >= AREA.isr.offset) return offset === AREA.isr.offset ? this.interrupts : 0;
    return this.readCommon(offset, width);
  }

  writeBar(offset: number, width: 1 | 2 | 4, value: number): void {
    if (offset >= AREA.notify.offset) {
      if (offset % NOTIFY_STEP === 0) this.notifyQueue((offset - AREA.notify.offset) / NOTIFY_STEP);
    } else if (offset >= AREA.device.offset) this.writeConfig(offset - AREA.device.offset, width, value);
    else if (offset < AREA.common.length) this.writeCommon(offset, width, value);
  }

  // On the machine's own bus it has no registers; these are those of its BAR, for tests that every device passes.

  read(offset: number, width: 1 | 2 | 4): number {
    return this.readBar(offset, width);
  }

  write(offset: number, width: 1 | 2 | 4, value: number): void {
    this.writeBar(offset, width, value);
  }

  peek(offset: number, width: 1 | 2 | 4): number {
    return this.peekBar(offset, width);
  }

  override save(w: StateWriter): void {
    this.space.save(w);
    super.save(w);
  }

  override restore(r: StateReader): void {
    this.space.restore(r);
    super.restore(r);
  }

  protected override drive(): void {
    const pending = this.interrupts !== 0;
    this.space.interruptPending = pending;
    this.context.irq(pending && this.space.interruptsEnabled);
  }

  /** Registers are read whole: at their offset and in their width (4.1.3.1). */
  private readCommon(offset: number, width: number): number {
    const queue = this.selected;
    const short = (value: number): number => (width === 2 ? value : 0);
    const byte = (value: number): number => (width === 1 ? value : 0);
    const word = (value: number): number => (width === 4 ? value : 0);
    switch (offset) {
      case C.deviceFeatureSelect:
        return word(this.deviceFeaturesSel);
      case C.deviceFeature:
        return word(this.offeredWord);
      case C.driverFeatureSelect:
        return word(this.driverFeaturesSel);
      case C.driverFeature:
        return word(this.acceptedWord);
      case C.configVector:
      case C.queueVector:
        return short(NO_VECTOR);
      case C.numQueues:
        return short(this.queues.length);
      case C.status:
        return byte(this.status);
      case C.generation:
        return byte(this.generation & 0xff);
      case C.queueSelect:
        return short(this.queueSel);
      case C.queueSize:
        return short(queue?.num ?? 0);
      case C.queueEnable:
        return short(Number(queue?.ready ?? false));
      case C.queueNotifyOffset:
        return short(queue === undefined ? 0 : this.queueSel);
    }
    if (offset >= C.queueAddresses && offset < C.queueAddressesEnd && offset % 4 === 0)
      return word(queue?.addresses[(offset - C.queueAddresses) / 4] ?? 0);
    return 0;
  }

  private writeCommon(offset: number, width: number, value: number): void {
    if (width === 1) {
      if (offset === C.status) this.writeStatus(value);
      return;
    }
    const queue = this.selected;
    if (width === 2) {
      if (offset === C.queueSelect) this.queueSel = value;
      else if (queue !== undefined && !queue.ready && offset === C.queueSize) queue.num = value;
      else if (queue !== undefined && offset === C.queueEnable && value === 1) this.enableQueue(queue);
      return;
    }
    if (offset === C.deviceFeatureSelect) this.deviceFeaturesSel = value;
    else if (offset === C.driverFeatureSelect) this.driverFeaturesSel = value;
    else if (offset === C.driverFeature) this.acceptWord(value);
    else if (
      queue !== undefined &&
      !queue.ready &&
      offset >= C.queueAddresses &&
      offset < C.queueAddressesEnd &&
      offset % 4 === 0
    )
      queue.addresses[(offset - C.queueAddresses) / 4] = value;
  }

  /** Offset into the BAR that an access of the data register of the access capability means; undefined elsewhere. */
  private accessedBar(offset: number, width: number): number | undefined {
    const at = this.accessAt;
    if (offset !== at + 16) return undefined;
    const { space } = this;
    const target = space.read(at + 8, 4);
    const length = space.read(at + 12, 4);
    return space.read(at + 4, 1) === 0 && length === width && target % width === 0 && target < BAR_SIZE
      ? target
      : undefined;
  }
}

/** struct virtio_pci_cap from cap_len on (4.1.4); `extra` is the word that some types have after it. */
function capability(
  type: number,
  { offset, length }: { readonly offset: number; readonly length: number },
  extra?: number,
): Uint8Array {
  const body = new Uint8Array(extra === undefined ? 14 : 18);
  const view = new DataView(body.buffer);
  body[0] = body.length + 2; // cap_len
  body[1] = type;
  view.setUint32(6, offset, true);
  view.setUint32(10, length, true);
  if (extra !== undefined) view.setUint32(14, extra, true);
  return body;
}
