import type { StateReader, StateWriter } from '../../bytes/state-stream.ts';
import type { Device, DeviceContext } from '../device.ts';
import { type FdtNode, flag, text } from '../fdt-node.ts';
import { type DevicePlace, interrupts, placed } from '../place.ts';
import type { VirtioBus, VirtioModel, VirtioModelFactory } from './model.ts';
import { RingError, type RingFeatures, VirtQueue } from './queue.ts';

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

/** Device status bits (2.1). */
export const STATUS = { acknowledge: 1, driver: 2, driverOk: 4, featuresOk: 8, needsReset: 64, failed: 128 } as const;

/** Feature bits of the transport and rings (chapter 6). */
export const FEATURE = { indirectDesc: 28, eventIndex: 29, version1: 32 } as const;
const RING_FEATURES = [FEATURE.indirectDesc, FEATURE.eventIndex, FEATURE.version1];

/** InterruptStatus bits (4.2.2). */
const INTERRUPT_USED = 1;
const INTERRUPT_CONFIG = 2;

/**
 * Memory-mapped virtio transport, version 2 (virtio 1.2, 4.2), for one device type. Control registers take aligned 32-bit
 * accesses only (4.2.2.2); others read 0 and write nothing. A driver that breaks a ring gets DEVICE_NEEDS_RESET and a
 * configuration interrupt, and the device rests until it is reset.
 */
export class VirtioMmio implements Device, VirtioBus {
  readonly kind: string;
  readonly size = 0x200;
  readonly context: DeviceContext;
  /** There when the device type takes input. */
  readonly input?: (payload: Uint8Array) => number;
  /** There when the device type knows commands. */
  readonly control?: (command: Uint8Array) => void;
  private readonly model: VirtioModel;
  private readonly queues: readonly VirtQueue[];
  /** Offered features, words 0 and 1. */
  private readonly offered = new Uint32Array(2);
  private readonly accepted = new Uint32Array(2);
  private deviceFeaturesSel = 0;
  private driverFeaturesSel = 0;
  private queueSel = 0;
  private status = 0;
  private interrupts = 0;
  private generation = 0;

  constructor(context: DeviceContext, build: VirtioModelFactory) {
    this.context = context;
    this.model = build(this);
    this.kind = `virtio-${this.model.name}`;
    this.queues = this.model.queueSizes.map((size) => new VirtQueue(context.ram, size));
    for (const bit of [...RING_FEATURES, ...this.model.features]) this.offered[bit >>> 5] |= 1 << (bit & 31);
    const { model } = this;
    if (model.input !== undefined) this.input = (payload) => this.offer(model, payload);
    if (model.control !== undefined) this.control = (command) => model.control?.(command);
  }

  get awaitsAnswer(): boolean {
    return this.model.awaitsAnswer ?? false;
  }

  get running(): boolean {
    return (this.status & STATUS.driverOk) !== 0 && (this.status & STATUS.needsReset) === 0;
  }

  queue(index: number): VirtQueue {
    return this.queues[index];
  }

  negotiated(bit: number): boolean {
    return (this.accepted[bit >>> 5] & (1 << (bit & 31))) !== 0;
  }

  signal(index: number): void {
    if (this.queues[index].wantsInterrupt()) this.raise(INTERRUPT_USED);
  }

  configChanged(): void {
    this.generation = (this.generation + 1) >>> 0;
    if (this.running) this.raise(INTERRUPT_CONFIG);
  }

  reset(): void {
    this.driverReset();
    this.generation = 0;
    this.model.powerOn?.();
  }

  read(offset: number, width: 1 | 2 | 4): number {
    return this.peek(offset, width);
  }

  peek(offset: number, width: 1 | 2 | 4): number {
    if (offset >= R.config) return this.readConfig(offset - R.config, width);
    if (width !== 4) return 0;
    const queue = this.queues[this.queueSel];
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
        return this.offered[this.deviceFeaturesSel] ?? 0;
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
    if (offset >= R.config) {
      for (let i = 0; i < width; i++) this.model.writeConfig?.(offset - R.config + i, (value >>> (8 * i)) & 0xff);
      return;
    }
    if (width !== 4) return;
    switch (offset) {
      case R.deviceFeaturesSel:
        this.deviceFeaturesSel = value;
        return;
      case R.driverFeaturesSel:
        this.driverFeaturesSel = value;
        return;
      case R.driverFeatures:
        if ((this.status & STATUS.featuresOk) === 0 && this.driverFeaturesSel < 2)
          this.accepted[this.driverFeaturesSel] = value;
        return;
      case R.queueSel:
        this.queueSel = value;
        return;
      case R.queueNotify:
        if (value < this.queues.length) this.guard(() => this.model.notify(value));
        return;
      case R.interruptAck:
        this.interrupts &= ~value;
        this.drive();
        return;
      case R.status:
        if (value === 0) this.driverReset();
        else this.setStatus(value & 0xff);
        return;
    }
    const queue = this.queues[this.queueSel];
    if (queue !== undefined) this.writeQueue(queue, offset, value);
  }

  repeatRequests(): void {
    this.model.repeatRequests?.();
  }

  deadline(): void {
    this.guard(() => this.model.deadline?.());
  }

  save(w: StateWriter): void {
    w.u32(this.accepted[0]);
    w.u32(this.accepted[1]);
    w.u32(this.deviceFeaturesSel);
    w.u32(this.driverFeaturesSel);
    w.u32(this.queueSel);
    w.u8(this.status);
    w.u8(this.interrupts);
    w.u32(this.generation);
    for (const queue of this.queues) queue.save(w);
    this.model.save(w);
  }

  restore(r: StateReader): void {
    this.accepted[0] = r.u32();
    this.accepted[1] = r.u32();
    this.deviceFeaturesSel = r.u32();
    this.driverFeaturesSel = r.u32();
    this.queueSel = r.u32();
    this.status = r.u8();
    this.interrupts = r.u8();
    this.generation = r.u32();
    const features = this.ringFeatures();
    for (const queue of this.queues) queue.restore(r, features);
    this.context.disarm();
    this.model.restore(r);
    this.drive();
  }

  private offer(model: VirtioModel, payload: Uint8Array): number {
    let taken = 0;
    const sound = this.guard(() => {
      taken = model.input?.(payload) ?? 0;
    });
    // A ring found broken changed the device: the whole offer counts as taken (and lost), so that it is recorded.
    return sound ? taken : payload.length;
  }

  private ringFeatures(): RingFeatures {
    return { indirect: this.negotiated(FEATURE.indirectDesc), eventIndex: this.negotiated(FEATURE.eventIndex) };
  }

  private readConfig(offset: number, width: number): number {
    const { config } = this.model;
    let value = 0;
    for (let i = width - 1; i >= 0; i--) value = value * 256 + (config[offset + i] ?? 0);
    return value;
  }

  private writeQueue(queue: VirtQueue, offset: number, value: number): void {
    if (offset === R.queueReady) {
      if ((value & 1) === 0) queue.disable();
      else this.attempt(() => queue.enable(this.ringFeatures()));
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

  /** Status only grows but by a reset; FEATURES_OK is kept off unless the features can be had (2.2.2, 3.1.1). */
  private setStatus(value: number): void {
    const before = this.status;
    let status = before | (value & ~STATUS.needsReset);
    if ((before & STATUS.featuresOk) === 0 && !this.featuresAcceptable()) status &= ~STATUS.featuresOk;
    if ((status & STATUS.featuresOk) === 0) status &= ~STATUS.driverOk;
    this.status = status;
    if ((status & ~before & STATUS.driverOk) === 0) return;
    // Buffers made available before DRIVER_OK wait for it; their notifications were not heard.
    for (let index = 0; index < this.queues.length; index++) this.guard(() => this.model.notify(index));
  }

  private featuresAcceptable(): boolean {
    const { accepted, offered } = this;
    return this.negotiated(FEATURE.version1) && (accepted[0] & ~offered[0]) === 0 && (accepted[1] & ~offered[1]) === 0;
  }

  private driverReset(): void {
    this.accepted.fill(0);
    this.deviceFeaturesSel = 0;
    this.driverFeaturesSel = 0;
    this.queueSel = 0;
    this.status = 0;
    this.interrupts = 0;
    for (const queue of this.queues) queue.reset();
    this.context.disarm();
    this.model.reset();
    this.drive();
  }

  /** Runs what uses rings, if the device runs. @returns false when a ring proved broken */
  private guard(action: () => void): boolean {
    return this.running ? this.attempt(action) : true;
  }

  private attempt(action: () => void): boolean {
    try {
      action();
      return true;
    } catch (error) {
      if (!(error instanceof RingError)) throw error;
      const ran = this.running;
      this.status |= STATUS.needsReset;
      this.context.disarm();
      if (ran) this.raise(INTERRUPT_CONFIG);
      return false;
    }
  }

  private raise(bits: number): void {
    this.interrupts |= bits;
    this.drive();
  }

  private drive(): void {
    this.context.irq(this.interrupts !== 0);
  }
}

/** The device-tree node of the transport (Linux binding virtio,mmio); which device type is behind it the driver reads. */
export function virtioMmioNode(place: DevicePlace): FdtNode {
  return placed('virtio', place, [text('compatible', 'virtio,mmio')], [flag('dma-coherent'), ...interrupts(place)]);
}
