import { FEATURE, STATUS } from '../../src/devices/virtio/transport.ts';
import { RAM_BASE, type World } from './world.ts';

const NEXT = 1;
const WRITE = 2;
const INDIRECT = 4;

export interface Piece {
  readonly address: number;
  readonly length: number;
  readonly write?: boolean;
  /** Further descriptor flags. */
  readonly flags?: number;
}

/** Where in RAM the driver keeps each queue's areas: 8 KiB each from {@link RAM_BASE} on. */
const AREA = 0x2000;

/** A minimal virtio driver for tests: registers through the device, rings through RAM. */
export class Driver {
  readonly world: World;
  readonly size: number;
  private readonly used = new Map<number, number>();
  private free = 0;

  constructor(world: World, size = 8) {
    this.world = world;
    this.size = size;
  }

  get(offset: number): number {
    return this.world.device.read(offset, 4);
  }

  set(offset: number, value: number): void {
    this.world.device.write(offset, 4, value);
  }

  desc(queue: number): number {
    return RAM_BASE + queue * AREA;
  }

  avail(queue: number): number {
    return this.desc(queue) + 0x1000;
  }

  usedRing(queue: number): number {
    return this.desc(queue) + 0x1400;
  }

  /** Negotiates, sets `queues` queues up and goes live (3.1.1). */
  start(queues: number, features: readonly number[] = [FEATURE.version1]): void {
    this.set(0x70, 0);
    this.set(0x70, STATUS.acknowledge);
    this.set(0x70, STATUS.acknowledge | STATUS.driver);
    for (const word of [0, 1]) {
      this.set(0x24, word);
      this.set(
        0x20,
        features.filter((bit) => bit >>> 5 === word).reduce((bits, bit) => (bits | (1 << (bit & 31))) >>> 0, 0),
      );
    }
    this.set(0x70, this.get(0x70) | STATUS.featuresOk);
    for (let queue = 0; queue < queues; queue++) this.enable(queue);
    this.set(0x70, this.get(0x70) | STATUS.driverOk);
  }

  enable(queue: number): void {
    this.set(0x30, queue);
    this.set(0x38, this.size);
    this.set(0x80, this.desc(queue));
    this.set(0x90, this.avail(queue));
    this.set(0xa0, this.usedRing(queue));
    this.set(0x44, 1);
    this.used.set(queue, 0);
  }

  describe(queue: number, index: number, piece: Piece, next?: number): void {
    this.putDescriptor(this.desc(queue) + 16 * index, piece, next);
  }

  putDescriptor(at: number, piece: Piece, next?: number): void {
    const { ram } = this.world;
    ram.writeU64(at, BigInt(piece.address));
    ram.writeU32(at + 8, piece.length);
    ram.writeU16(at + 12, (piece.write === true ? WRITE : 0) | (next === undefined ? 0 : NEXT) | (piece.flags ?? 0));
    ram.writeU16(at + 14, next ?? 0);
  }

  /** Puts a chain in the table from the next free descriptor on and makes it available. @returns its head */
  offer(queue: number, pieces: readonly Piece[], notify = true): number {
    if (this.free + pieces.length > this.size) this.free = 0;
    const head = this.free;
    pieces.forEach((piece, i) =>
      this.describe(queue, head + i, piece, i + 1 < pieces.length ? head + i + 1 : undefined),
    );
    this.free += pieces.length;
    this.makeAvailable(queue, head, notify);
    return head;
  }

  /** As {@link offer}, through an indirect table at `table`. */
  offerIndirect(queue: number, table: number, pieces: readonly Piece[]): number {
    pieces.forEach((piece, i) => this.putDescriptor(table + 16 * i, piece, i + 1 < pieces.length ? i + 1 : undefined));
    return this.offer(queue, [{ address: table, length: 16 * pieces.length, flags: INDIRECT }]);
  }

  makeAvailable(queue: number, head: number, notify = true): void {
    const { ram } = this.world;
    const index = ram.readU16(this.avail(queue) + 2);
    ram.writeU16(this.avail(queue) + 4 + 2 * (index % this.size), head);
    ram.writeU16(this.avail(queue) + 2, (index + 1) & 0xffff);
    if (notify) this.set(0x50, queue);
  }

  /** The next returned buffer, if any. */
  take(queue: number): { head: number; written: number } | undefined {
    const { ram } = this.world;
    const at = this.used.get(queue) ?? 0;
    if (ram.readU16(this.usedRing(queue) + 2) === at) return undefined;
    const entry = this.usedRing(queue) + 4 + 8 * (at % this.size);
    this.used.set(queue, (at + 1) & 0xffff);
    return { head: ram.readU32(entry), written: ram.readU32(entry + 4) };
  }

  acknowledge(): number {
    const bits = this.get(0x60);
    this.set(0x64, bits);
    return bits;
  }
}

/** A place in RAM for data, clear of the rings. */
export const DATA = RAM_BASE + 0x10000;
