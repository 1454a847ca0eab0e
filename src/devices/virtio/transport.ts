import type { StateReader, StateWriter } from '../../bytes/state-stream.ts';
import type { DeviceContext, DevicePort } from '../device.ts';
import type { VirtioBus, VirtioModel, VirtioModelFactory } from './model.ts';
import { RingError, type RingFeatures, VirtQueue } from './queue.ts';

/** Device status bits (virtio 1.2, 2.1). */
export const STATUS = { acknowledge: 1, driver: 2, driverOk: 4, featuresOk: 8, needsReset: 64, failed: 128 } as const;

/** Feature bits of the transport and rings (chapter 6). */
export const FEATURE = { indirectDesc: 28, eventIndex: 29, version1: 32 } as const;
const RING_FEATURES = [FEATURE.indirectDesc, FEATURE.eventIndex, FEATURE.version1];

/** Bits of the interrupt status (4.1.4.5, 4.2.2). */
const INTERRUPT_USED = 1;
const INTERRUPT_CONFIG = 2;

/**
 * What every virtio transport does for one device type: negotiation, status, queues, interrupts. A transport gives it registers. A driver
 * that breaks a ring gets DEVICE_NEEDS_RESET and a configuration interrupt, and the device rests until it is reset.
 */
export abstract class VirtioTransport implements VirtioBus {
  readonly kind: string;
  readonly context: DeviceContext;
  /** There when the device type takes input. */
  readonly input?: (payload: Uint8Array) => number;
  /** There when the device type knows commands. */
  readonly control?: (command: Uint8Array) => void;
  protected readonly model: VirtioModel;
  protected readonly queues: readonly VirtQueue[];
  protected deviceFeaturesSel = 0;
  protected driverFeaturesSel = 0;
  protected queueSel = 0;
  protected status = 0;
  protected interrupts = 0;
  protected generation = 0;
  /** Offered features, words 0 and 1. */
  private readonly offered = new Uint32Array(2);
  private readonly accepted = new Uint32Array(2);

  constructor(context: DeviceContext, build: VirtioModelFactory) {
    this.context = context;
    this.model = build(this);
    this.kind = `virtio-${this.model.name}`;
    this.queues = this.model.queueSizes.map((size) => new VirtQueue(context.ram, size));
    for (const bit of [...RING_FEATURES, ...this.model.features]) this.offered[bit >>> 5] |= 1 << (bit & 31);
    const { model } = this;
    if (model.input !== undefined)
      this.input = (payload) => this.offer((offered) => model.input?.(offered) ?? 0, payload);
    if (model.control !== undefined) this.control = (command) => void this.attempt(() => model.control?.(command));
  }

  get awaitsAnswer(): boolean {
    return this.model.awaitsAnswer ?? false;
  }

  get running(): boolean {
    return (this.status & STATUS.driverOk) !== 0 && (this.status & STATUS.needsReset) === 0;
  }

  addPort(name: string, input: (payload: Uint8Array) => number): DevicePort {
    return this.context.addPort(name, (payload) => this.offer(input, payload));
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

  repeatRequests(): void {
    this.model.repeatRequests?.();
  }

  deadline(): void {
    this.guard(() => this.model.deadline?.());
  }

  reset(): void {
    this.driverReset();
    this.generation = 0;
    this.model.powerOn?.();
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

  /** The queue that the driver selected, if there is such a one. */
  protected get selected(): VirtQueue | undefined {
    return this.queues[this.queueSel];
  }

  /** The word of offered features that the driver selected. */
  protected get offeredWord(): number {
    return this.offered[this.deviceFeaturesSel] ?? 0;
  }

  /** The word of accepted features that the driver selected. */
  protected get acceptedWord(): number {
    return this.accepted[this.driverFeaturesSel] ?? 0;
  }

  /** The driver accepts a word of features; not after FEATURES_OK (3.1.1). */
  protected acceptWord(value: number): void {
    if ((this.status & STATUS.featuresOk) === 0 && this.driverFeaturesSel < 2)
      this.accepted[this.driverFeaturesSel] = value;
  }

  protected notifyQueue(index: number): void {
    if (index < this.queues.length) this.guard(() => this.model.notify(index));
  }

  protected enableQueue(queue: VirtQueue): void {
    this.attempt(() => queue.enable(this.ringFeatures()));
  }

  protected acknowledge(bits: number): void {
    this.interrupts &= ~bits;
    this.drive();
  }

  protected readConfig(offset: number, width: number): number {
    const { config } = this.model;
    let value = 0;
    for (let i = width - 1; i >= 0; i--) value = value * 256 + (config[offset + i] ?? 0);
    return value;
  }

  protected writeConfig(offset: number, width: number, value: number): void {
    for (let i = 0; i < width; i++) this.model.writeConfig?.(offset + i, (value >>> (8 * i)) & 0xff);
  }

  /** Status only grows but by a reset; FEATURES_OK is kept off unless the features can be had (2.2.2, 3.1.1). */
  protected writeStatus(value: number): void {
    if (value === 0) return this.driverReset();
    const before = this.status;
    let status = before | (value & 0xff & ~STATUS.needsReset);
    if ((before & STATUS.featuresOk) === 0 && !this.featuresAcceptable()) status &= ~STATUS.featuresOk;
    if ((status & STATUS.featuresOk) === 0) status &= ~STATUS.driverOk;
    this.status = status;
    if ((status & ~before & STATUS.driverOk) === 0) return;
    // Buffers made available before DRIVER_OK wait for it; their notifications were not heard.
    for (let index = 0; index < this.queues.length; index++) this.guard(() => this.model.notify(index));
  }

  /** Drives the interrupt wire. */
  protected drive(): void {
    this.context.irq(this.interrupts !== 0);
  }

  private offer(input: (payload: Uint8Array) => number, payload: Uint8Array): number {
    let taken = this.model.losesInput === true ? payload.length : 0;
    const sound = this.guard(() => {
      taken = input(payload);
    });
    // A ring found broken changed the device: the whole offer counts as taken (and lost), so that it is recorded.
    return sound ? taken : payload.length;
  }

  private ringFeatures(): RingFeatures {
    return { indirect: this.negotiated(FEATURE.indirectDesc), eventIndex: this.negotiated(FEATURE.eventIndex) };
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
}
