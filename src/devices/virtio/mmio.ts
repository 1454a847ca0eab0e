import type { Device } from '../device.ts';
import { type FdtNode, flag, text } from '../fdt-node.ts';
import { type DevicePlace, interrupts, placed } from '../place.ts';
import type { VirtQueue } from './queue.ts';
import { VirtioTransport } from './transport.ts';

/** Registers (virtio 1.2, 4.2.2). */
const R = {
  magic: 0x000,
  version: 0x004,
  deviceId: 0x008,
  vendorId: 0x00c,
  deviceFeatures: 0x010,
  deviceFeaturesSel: 0x014,
  driverFeatures: 0x020,
  driverFeaturesSel: 0x024,
  queueSel: 0x030,
  queueNumMax: 0x034,
  queueNum: 0x038,
  queueReady: 0x044,
  queueNotify: 0x050,
  interruptStatus: 0x060,
  interruptAck: 0x064,
  status: 0x070,
  queueDescLow: 0x080,
  queueDriverLow: 0x090,
  queueDeviceLow: 0x0a0,
  shmLenLow: 0x0b0,
  shmBaseHigh: 0x0bc,
  configGeneration: 0x0fc,
  config: 0x100,
} as const;

const MAGIC = 0x74726976; // "virt"
const VERSION = 2;
const VENDOR = 0x4e494448; // "HDIN", of no registry: the register is for information only

/**
 * Memory-mapped virtio transport, version 2 (virtio 1.2, 4.2), for one device type. Control registers take aligned 32-bit
 * accesses only (4.2.2.2); others read 0 and write nothing.
 */
export class VirtioMmio extends VirtioTransport implements Device {
  readonly size = 0x200;

  read(offset: number, width: 1 | 2 | 4): number {
    return this.peek(offset, width);
  }

  peek(offset: number, width: 1 | 2 | 4): number {
    if (offset >= R.config) return this.readConfig(offset - R.config, width);
    if (width !== 4) return 0;
    const queue = this.selected;
    switch (offset) {
      case R.magic:
        return MAGIC;
      case R.version:
        return VERSION;
      case R.deviceId:
        return this.model.id;
      case R.vendorId:
        return VENDOR;
      case R.deviceFeatures:
        return this.offeredWord;
      case R.queueNumMax:
        return queue?.max ?? 0;
      case R.queueReady:
        return Number(queue?.ready ?? false);
      case R.interruptStatus:
        return this.interrupts;
      case R.status:
        return this.status;
      case R.configGeneration:
        return this.generation;
    }
    // No shared memory regions: length and base read all ones (4.2.2).
    return offset >= R.shmLenLow && offset <= R.shmBaseHigh && offset % 4 === 0 ? 0xffffffff : 0;
  }

  write(offset: number, width: 1 | 2 | 4, value: number): void {
    if (offset >= R.config) return this.writeConfig(offset - R.config, width, value);
    if (width !== 4) return;
    switch (offset) {
      case R.deviceFeaturesSel:
        this.deviceFeaturesSel = value;
        return;
      case R.driverFeaturesSel:
        this.driverFeaturesSel = value;
        return;
      case R.driverFeatures:
        return this.acceptWord(value);
      case R.queueSel:
        this.queueSel = value;
        return;
      case R.queueNotify:
        return this.notifyQueue(value);
      case R.interruptAck:
        return this.acknowledge(value);
      case R.status:
        return this.writeStatus(value);
    }
    const queue = this.selected;
    if (queue !== undefined) this.writeQueue(queue, offset, value);
  }

  private writeQueue(queue: VirtQueue, offset: number, value: number): void {
    if (offset === R.queueReady) {
      if ((value & 1) === 0) queue.disable();
      else this.enableQueue(queue);
      return;
    }
    if (queue.ready) return; // Size and place of a live queue are not for changing (4.2.3.2).
    if (offset === R.queueNum) {
      queue.num = Math.min(value, 0xffff);
      return;
    }
    for (const [area, base] of [R.queueDescLow, R.queueDriverLow, R.queueDeviceLow].entries()) {
      if (offset === base) queue.addresses[area * 2] = value;
      else if (offset === base + 4) queue.addresses[area * 2 + 1] = value;
    }
  }
}

/** The device-tree node of the transport (Linux binding virtio,mmio); which device type is behind it the driver reads. */
export function virtioMmioNode(place: DevicePlace): FdtNode {
  return placed('virtio', place, [text('compatible', 'virtio,mmio')], [flag('dma-coherent'), ...interrupts(place)]);
}
