import type { StateReader, StateWriter } from '../../bytes/state-stream.ts';
import type { DmaMemory } from '../dma.ts';
import type { Segment } from './segments.ts';

/** Descriptor flags (virtio 1.2, 2.7.5). */
const DESC_NEXT = 1;
const DESC_WRITE = 2;
const DESC_INDIRECT = 4;
const DESC_SIZE = 16;

/** Flag of the available ring (2.7.6). */
const AVAIL_NO_INTERRUPT = 1;

/** Most bytes one chain may name (2.7.5.2). */
const MAX_CHAIN_BYTES = 2 ** 32;

/** The driver broke the rules of the ring: the device needs a reset (2.1.2). */
export class RingError extends Error {
  override name = 'RingError';
}

/** One buffer the driver made available: what the device may read, then what it may write. */
export interface Chain {
  /** Index of the first descriptor, to be handed back by {@link VirtQueue.push}. */
  readonly head: number;
  readonly readable: readonly Segment[];
  readonly writable: readonly Segment[];
}

/** What the driver accepted of the ring's features. */
export interface RingFeatures {
  readonly indirect: boolean;
  readonly eventIndex: boolean;
}

/**
 * The device's side of a split virtqueue (virtio 1.2, 2.7). Everything the driver wrote is doubted: chains are bounded by the
 * queue's size, addresses by RAM, and whatever breaks a rule of the specification throws {@link RingError} and nothing else.
 */
export class VirtQueue {
  /** Largest size the driver may choose. */
  readonly max: number;
  /** QueueNum: entries, chosen by the driver. */
  num: number;
  /** Physical addresses as the driver wrote them: words, low first, of descriptor table, available ring and used ring. */
  readonly addresses = new Uint32Array(6);
  private readonly ram: DmaMemory;
  private enabled = false;
  private features: RingFeatures = { indirect: false, eventIndex: false };
  private descriptors = 0;
  private available = 0;
  private used = 0;
  /** Next entry of the available ring to take, free-running. */
  private nextAvailable = 0;
  /** Next entry of the used ring to fill, free-running. */
  private nextUsed = 0;
  /** {@link nextUsed} when the driver was last considered for a notification. */
  private signalled = 0;

  constructor(ram: DmaMemory, max: number) {
    this.ram = ram;
    this.max = max;
    this.num = max;
  }

  /** QueueReady. */
  get ready(): boolean {
    return this.enabled;
  }

  /** Back to the state after a device reset. */
  reset(): void {
    this.disable();
    this.num = this.max;
    this.addresses.fill(0);
  }

  /** The driver wrote 0 to QueueReady. */
  disable(): void {
    this.enabled = false;
    this.nextAvailable = 0;
    this.nextUsed = 0;
    this.signalled = 0;
  }

  /** The driver wrote 1 to QueueReady. @throws RingError when size, alignment (2.7) or place of a ring area is wrong */
  enable(features: RingFeatures): void {
    if (this.enabled) return;
    this.disable();
    this.locate(features);
    this.enabled = true;
  }

  /** Takes the next available buffer; undefined if there is none. @throws RingError */
  pop(): Chain | undefined {
    const chain = this.look(0);
    if (chain !== undefined) this.take(1);
    return chain;
  }

  /** The available buffer that is `ahead` of the next one, without taking it; undefined if there is none. @throws RingError */
  look(ahead: number): Chain | undefined {
    if (!this.enabled) return undefined;
    const waiting = (this.ram.readU16(this.available + 2) - this.nextAvailable) & 0xffff;
    if (waiting > this.num) throw new RingError(`available ring is ${waiting} entries ahead of a queue of ${this.num}`);
    if (ahead >= waiting) return undefined;
    const entry = (this.nextAvailable + ahead) & (this.num - 1);
    return this.walk(this.ram.readU16(this.available + 4 + 2 * entry));
  }

  /** Takes buffers that were looked at. */
  take(count: number): void {
    this.nextAvailable = (this.nextAvailable + count) & 0xffff;
    this.askForNotification(this.nextAvailable);
  }

  /** Asks for a notification as soon as another buffer is added to those that are there, for who needs several at a time. */
  watch(): void {
    if (this.enabled) this.askForNotification(this.ram.readU16(this.available + 2));
  }

  /** The driver is to notify when it adds entry `index` (2.7.10.1); without the feature the used ring's flags stay 0, which asks for all. */
  private askForNotification(index: number): void {
    if (this.features.eventIndex) this.ram.writeU16(this.used + 4 + 8 * this.num, index);
  }

  /** Hands a buffer back, `written` bytes of its writable part filled (2.7.8). Nothing happens on a queue taken back meanwhile. */
  push(head: number, written: number): void {
    if (!this.enabled) return;
    const entry = this.used + 4 + 8 * (this.nextUsed & (this.num - 1));
    this.ram.writeU32(entry, head);
    this.ram.writeU32(entry + 4, written);
    this.nextUsed = (this.nextUsed + 1) & 0xffff;
    this.ram.writeU16(this.used + 2, this.nextUsed);
  }

  /** Whether the driver wants a notification for what was pushed since the last call (2.7.7, 2.7.10). */
  wantsInterrupt(): boolean {
    if (!this.enabled) return false;
    const before = this.signalled;
    this.signalled = this.nextUsed;
    if (this.nextUsed === before) return false;
    if (!this.features.eventIndex) return (this.ram.readU16(this.available) & AVAIL_NO_INTERRUPT) === 0;
    const event = this.ram.readU16(this.available + 4 + 2 * this.num);
    return ((this.nextUsed - event - 1) & 0xffff) < ((this.nextUsed - before) & 0xffff);
  }

  save(w: StateWriter): void {
    w.u16(this.num);
    for (const word of this.addresses) w.u32(word);
    w.bool(this.enabled);
    w.u16(this.nextAvailable);
    w.u16(this.nextUsed);
    w.u16(this.signalled);
  }

  /** @param features as negotiated in the same saved state */
  restore(r: StateReader, features: RingFeatures): void {
    this.num = r.u16();
    for (let i = 0; i < this.addresses.length; i++) this.addresses[i] = r.u32();
    this.enabled = r.bool();
    if (this.enabled) this.locate(features);
    this.nextAvailable = r.u16();
    this.nextUsed = r.u16();
    this.signalled = r.u16();
  }

  private locate(features: RingFeatures): void {
    const { num } = this;
    if (num < 1 || num > this.max || (num & (num - 1)) !== 0) {
      throw new RingError(`queue size ${num}: expected a power of two up to ${this.max}`);
    }
    this.features = features;
    this.descriptors = this.area('descriptor table', 0, 16, DESC_SIZE * num);
    this.available = this.area('available ring', 2, 2, 6 + 2 * num);
    this.used = this.area('used ring', 4, 4, 6 + 8 * num);
  }

  private area(name: string, word: number, alignment: number, length: number): number {
    const address = this.addresses[word + 1] * 2 ** 32 + this.addresses[word];
    if (address % alignment !== 0 || !this.ram.contains(address, length)) {
      throw new RingError(
        `${name} at 0x${address.toString(16)}: expected ${length} bytes of RAM aligned to ${alignment}`,
      );
    }
    return address;
  }

  /** Reads the chain that starts at `head`, through its indirect table if it has one (2.7.5.3). */
  private walk(head: number): Chain {
    const { ram, num } = this;
    const readable: Segment[] = [];
    const writable: Segment[] = [];
    let table = this.descriptors;
    let entries = num;
    let index = head;
    let bytes = 0;
    let indirect = false;
    let count = 0;
    for (;;) {
      if (index >= entries) throw new RingError(`descriptor ${index} of a table of ${entries}`);
      const at = table + DESC_SIZE * index;
      const address = ram.readU32(at + 4) * 2 ** 32 + ram.readU32(at);
      const length = ram.readU32(at + 8);
      const flags = ram.readU16(at + 12);
      if (!ram.contains(address, length)) throw new RingError(`descriptor ${index} names memory outside RAM`);
      if ((flags & DESC_INDIRECT) !== 0) {
        if (!this.features.indirect || indirect || (flags & DESC_NEXT) !== 0)
          throw new RingError('indirect descriptor out of place');
        if (length === 0 || length % DESC_SIZE !== 0) throw new RingError(`indirect table of ${length} bytes`);
        indirect = true;
        table = address;
        entries = length / DESC_SIZE;
        index = 0;
        continue;
      }
      if (++count > num) throw new RingError(`descriptor chain longer than the queue of ${num}`);
      bytes += length;
      if (bytes > MAX_CHAIN_BYTES) throw new RingError('descriptor chain names more than 2^32 bytes');
      if ((flags & DESC_WRITE) !== 0) writable.push({ address, length });
      else if (writable.length > 0) throw new RingError('readable descriptor after a writable one');
      else readable.push({ address, length });
      if ((flags & DESC_NEXT) === 0) return { head, readable, writable };
      index = ram.readU16(at + 14);
    }
  }
}
