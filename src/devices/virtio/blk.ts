import type { StateReader, StateWriter } from '../../bytes/state-stream.ts';
import { type Disk, type DiskRead, SECTOR } from '../../storage/backend.ts';
import type { ImageName } from '../../storage/image-name.ts';
import { ConfigError } from '../config-error.ts';
import type { SlotEntry } from '../entry.ts';
import { VIRTIO_ID, type VirtioBus, type VirtioModel, type VirtioModelFactory } from './model.ts';
import { type Chain, RingError } from './queue.ts';
import { gather, type Segment, scatter, sliceSegments, totalLength } from './segments.ts';

const REQUESTS = 0;
const QUEUE_SIZE = 256;

/** Feature bits (virtio 1.2, 5.2.3). */
const F_SEG_MAX = 2;
const F_RO = 5;
const F_BLK_SIZE = 6;
const F_FLUSH = 9;
const F_DISCARD = 13;
const F_WRITE_ZEROES = 14;

/** Request types and statuses (5.2.6). */
const T = { in: 0, out: 1, flush: 4, getId: 8, discard: 11, writeZeroes: 13 } as const;
const S_OK = 0;
const S_IOERR = 1;
const S_UNSUPP = 2;

const HEADER = 16;
const ID_LENGTH = 20;
const RANGE_SIZE = 16;
/** Sectors one discard or write-zeroes request may name. */
const MAX_RANGE_SECTORS = 65536;
/** Bytes one read or write may move. */
const MAX_TRANSFER = 2 ** 26;

/** Time of every request, and of a byte, in ticks (ns): 50 µs and 1 GB/s. */
const LATENCY = 50_000;
const TICKS_PER_BYTE = 1;

export interface VirtioBlkOptions {
  readonly disk: Disk;
  /** Serial number for GET_ID, at most 20 bytes of ASCII; empty if not given. */
  readonly serial?: string;
}

/** A request on its way: everything of it but the data, which is read or written when it is done. */
interface Request {
  readonly head: number;
  readonly type: number;
  readonly sector: number;
  readonly data: readonly Segment[];
  /** Address of the status byte. */
  readonly statusAt: number;
  /** What the status will be as far as it is known. */
  readonly status: number;
  /** Guest time of completion. */
  readonly due: number;
  read?: DiskRead;
}

/**
 * Block device (virtio 1.2, 5.2). Requests take guest time, 50 µs plus 1 ns a byte with one transfer at a time, and happen
 * whole at their completion: data moves, the disk changes, the buffer is returned. So the machine's state never depends on when
 * the host's data came; if it is late, guest time waits (contract 4).
 *
 * The disk saves itself; this device saves its requests only.
 */
class VirtioBlk implements VirtioModel {
  readonly name = 'blk';
  readonly id = VIRTIO_ID.block;
  readonly features: readonly number[];
  readonly queueSizes = [QUEUE_SIZE];
  readonly config = new Uint8Array(60);
  private readonly bus: VirtioBus;
  private readonly disk: Disk;
  private readonly serial = new Uint8Array(ID_LENGTH);
  /** In the order of completion. */
  private requests: Request[] = [];
  /** Guest time at which the last transfer has left the disk. */
  private busyUntil = 0;

  constructor(bus: VirtioBus, options: VirtioBlkOptions) {
    this.bus = bus;
    this.disk = options.disk;
    const common = [F_SEG_MAX, F_BLK_SIZE, F_FLUSH];
    this.features = options.disk.readOnly ? [...common, F_RO] : [...common, F_DISCARD, F_WRITE_ZEROES];
    const serial = new TextEncoder().encode(options.serial ?? '');
    if (serial.length > ID_LENGTH) throw new RangeError(`serial "${options.serial}" is longer than ${ID_LENGTH} bytes`);
    this.serial.set(serial);
    this.describe();
  }

  reset(): void {
    this.requests = [];
    this.busyUntil = 0;
  }

  notify(): void {
    const queue = this.bus.queue(REQUESTS);
    for (let chain = queue.pop(); chain !== undefined; chain = queue.pop()) this.submit(chain);
    this.arm();
  }

  deadline(): void {
    const queue = this.bus.queue(REQUESTS);
    const now = this.bus.context.now();
    while (this.requests.length > 0 && this.requests[0].due <= now) {
      const request = this.requests[0];
      if (!queue.ready) this.drop();
      else {
        const { status, written } = this.perform(request);
        this.bus.context.ram.writeU8(request.statusAt, status);
        this.drop();
        queue.push(request.head, written);
      }
    }
    this.arm();
    this.bus.signal(REQUESTS);
  }

  save(w: StateWriter): void {
    w.f64(this.busyUntil);
    w.u32(this.requests.length);
    for (const request of this.requests) {
      w.u16(request.head);
      w.u32(request.type);
      w.f64(request.sector);
      w.f64(request.statusAt);
      w.u8(request.status);
      w.f64(request.due);
      w.u16(request.data.length);
      for (const { address, length } of request.data) {
        w.f64(address);
        w.u32(length);
      }
    }
  }

  restore(r: StateReader): void {
    this.busyUntil = r.f64();
    this.requests = Array.from({ length: r.u32() }, () => this.restoreRequest(r));
    if (this.bus.running) this.arm();
  }

  private restoreRequest(r: StateReader): Request {
    const head = r.u16();
    const type = r.u32();
    const sector = r.f64();
    const statusAt = r.f64();
    const status = r.u8();
    const due = r.f64();
    const data = Array.from({ length: r.u16() }, () => ({ address: r.f64(), length: r.u32() }));
    return this.begin({ head, type, sector, data, statusAt, status, due });
  }

  /** Configuration space (5.2.4). */
  private describe(): void {
    const view = new DataView(this.config.buffer);
    view.setBigUint64(0, BigInt(this.disk.size / SECTOR), true); // capacity
    view.setUint32(12, QUEUE_SIZE - 2, true); // seg_max: a chain also holds header and status
    view.setUint32(20, SECTOR, true); // blk_size
    view.setUint16(34, 1, true); // num_queues
    if (this.disk.readOnly) return;
    view.setUint32(36, MAX_RANGE_SECTORS, true); // max_discard_sectors
    view.setUint32(40, 1, true); // max_discard_seg
    view.setUint32(44, 8, true); // discard_sector_alignment
    view.setUint32(48, MAX_RANGE_SECTORS, true); // max_write_zeroes_sectors
    view.setUint32(52, 1, true); // max_write_zeroes_seg
  }

  /** Takes a request apart (5.2.6); the driver may frame it as it likes (2.7.4.1). */
  private submit(chain: Chain): void {
    const { context } = this.bus;
    const { ram } = context;
    const out = totalLength(chain.readable);
    const into = totalLength(chain.writable);
    if (out < HEADER || into < 1)
      throw new RingError(`disk request of ${out} bytes out and ${into} in: expected at least 16 and 1`);
    const header = new DataView(gather(ram, sliceSegments(chain.readable, 0, HEADER)).buffer);
    const type = header.getUint32(0, true);
    const sector = header.getUint32(12, true) * 2 ** 32 + header.getUint32(8, true);
    const fromDevice = type === T.in || type === T.getId;
    const data = fromDevice
      ? sliceSegments(chain.writable, 0, into - 1)
      : sliceSegments(chain.readable, HEADER, out - HEADER);
    const status = this.judge(type, sector, totalLength(data));
    const moves = status === S_OK && (type === T.in || type === T.out) ? totalLength(data) : 0;
    this.busyUntil = Math.max(context.now(), this.busyUntil) + moves * TICKS_PER_BYTE;
    const [{ address: statusAt }] = sliceSegments(chain.writable, into - 1, 1);
    const request = { head: chain.head, type, sector, data, statusAt, status, due: this.busyUntil + LATENCY };
    this.requests.push(this.begin(request));
  }

  /** The status a request gets for its form alone. */
  private judge(type: number, sector: number, length: number): number {
    switch (type) {
      case T.in:
        return this.transferable(sector, length) ? S_OK : S_IOERR;
      case T.out:
        return !this.disk.readOnly && this.transferable(sector, length) ? S_OK : S_IOERR;
      case T.flush:
      case T.getId:
        return S_OK;
      case T.discard:
      case T.writeZeroes:
        if (this.disk.readOnly) return S_UNSUPP;
        return length === RANGE_SIZE ? S_OK : S_IOERR;
      default:
        return S_UNSUPP;
    }
  }

  private transferable(sector: number, length: number): boolean {
    return length % SECTOR === 0 && length <= MAX_TRANSFER && this.onDisk(sector, length / SECTOR);
  }

  private onDisk(sector: number, sectors: number): boolean {
    return (sector + sectors) * SECTOR <= this.disk.size;
  }

  /** Has the base's data fetched for a read. Guest time waits at the completion for data that is late. */
  private begin(request: Request): Request {
    if (request.type === T.in && request.status === S_OK) {
      request.read = this.disk.prefetch(request.sector * SECTOR, totalLength(request.data));
      if (request.read.late !== undefined) this.bus.context.waitFor(request.read.late, request.due);
    }
    return request;
  }

  private perform(request: Request): { status: number; written: number } {
    const { ram } = this.bus.context;
    if (request.status !== S_OK) return { status: request.status, written: request.type === T.in ? 0 : 1 };
    switch (request.type) {
      case T.in: {
        let at = 0;
        for (const { address, length } of request.data) {
          const offset = ram.offsetOf(address, length);
          request.read?.finish(at, ram.bytes.subarray(offset, offset + length));
          ram.changed(address, length);
          at += length;
        }
        return { status: S_OK, written: at + 1 };
      }
      case T.out:
        this.disk.write(request.sector * SECTOR, gather(ram, request.data));
        return { status: S_OK, written: 1 };
      case T.flush:
        this.disk.flush();
        return { status: S_OK, written: 1 };
      case T.getId:
        return { status: S_OK, written: scatter(ram, request.data, this.serial) + 1 };
      case T.discard:
      case T.writeZeroes:
        return { status: this.changeRange(request), written: 1 };
      default:
        return { status: S_OK, written: 1 };
    }
  }

  /** Discard or write zeroes of the one range in the request's data: sector, number of sectors, flags. */
  private changeRange(request: Request): number {
    const range = new DataView(gather(this.bus.context.ram, request.data).buffer);
    const sector = range.getUint32(4, true) * 2 ** 32 + range.getUint32(0, true);
    const sectors = range.getUint32(8, true);
    const flags = range.getUint32(12, true);
    const unmap = 1;
    if ((flags & ~unmap) !== 0 || (request.type === T.discard && flags !== 0)) return S_UNSUPP;
    if (sectors > MAX_RANGE_SECTORS || !this.onDisk(sector, sectors)) return S_IOERR;
    if (request.type === T.discard) this.disk.discard(sector * SECTOR, sectors * SECTOR);
    else this.disk.zero(sector * SECTOR, sectors * SECTOR);
    return S_OK;
  }

  private drop(): void {
    this.requests.shift();
  }

  /** Arms the deadline of the next completion. */
  private arm(): void {
    const { context } = this.bus;
    if (this.requests.length === 0) return context.disarm();
    context.arm(this.requests[0].due);
  }
}

/** Builds a block device over a disk. */
export function virtioBlk(options: VirtioBlkOptions): VirtioModelFactory {
  return (bus) => new VirtioBlk(bus, options);
}

/** A disk in a slot. */
export interface BlkSlot {
  readonly kind: 'blk';
  /** What the disk holds before the guest writes. */
  readonly base: ImageName;
  readonly readOnly: boolean;
}

export const blkEntry: SlotEntry<BlkSlot> = {
  kind: 'blk',
  check({ base, readOnly }) {
    const named = typeof base?.file === 'string' && typeof base.hash === 'string';
    if (!named || !Number.isSafeInteger(base.size))
      throw new ConfigError("a disk needs its file's name, its size and its hash");
    if (typeof readOnly !== 'boolean') throw new ConfigError(`disk ${base.file}: readOnly must be true or false`);
  },
  image: ({ base }) => base,
  model({ base, readOnly }, { openDisk }) {
    const { disk, index } = openDisk(base, readOnly);
    return virtioBlk({ disk, serial: `hindsight${index}` });
  },
};
