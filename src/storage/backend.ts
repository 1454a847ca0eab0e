import type { DiskOverlay } from './image-name.ts';
import type { OverlayDisk } from './overlay.ts';

/** Bytes of a sector, the unit of all disk addresses (virtio 1.2, 5.2.4). */
export const SECTOR = 512;

/**
 * The immutable contents a disk starts from. As they never change, it does not matter to the guest when they arrive: a read
 * may be answered at once or later (contract 4).
 */
export interface BlockBackend {
  /** Size in bytes, a multiple of {@link SECTOR}. */
  readonly size: number;
  /** SHA-256 of the whole contents, 64 lower-case hexadecimal digits: the name recordings and saved states know it by. */
  readonly hash: string;
  /** What lies over the contents that {@link hash} names; they are then those that were written there, as of that moment. */
  readonly overlay?: DiskOverlay;
  /**
   * Has what is written over this be kept, where it was opened for that: whenever the guest flushes it, and with {@link keepNow}.
   * @param disk over this @param isLive what is replayed is kept already
   */
  keepWrites?(disk: OverlayDisk, isLive: () => boolean): void;
  /** Keeps what was written so far. @throws when it cannot be kept, saying why */
  keepNow?(): void;
  /** Whether {@link read} always returns at once, without a promise. */
  readonly immediate: boolean;
  /**
   * Fills `into` with `into.length` bytes from `offset` on.
   * @returns a promise, unless {@link immediate}, where the bytes come later; `into` belongs to the backend until then
   * @throws (or rejects) with an error that names the source when it cannot be read; RangeError outside the contents
   */
  read(offset: number, into: Uint8Array): void | Promise<void>;
}

/** @throws RangeError unless `length` bytes at `offset` lie within `size` */
export function checkRange(offset: number, length: number, size: number): void {
  if (!(offset >= 0 && length >= 0 && offset + length <= size)) {
    throw new RangeError(`${length} bytes at offset ${offset} of a disk of ${size}`);
  }
}

/** A read begun: see {@link Disk.prefetch}. */
export interface DiskRead {
  /** Settles when {@link finish} may be called; undefined when it may be called already. Rejects when the base can't be read. */
  readonly late: Promise<void> | undefined;
  /** Copies the disk's bytes as they are now (with all writes so far), from `from` bytes into the range on. */
  finish(from: number, into: Uint8Array): void;
}

/** A disk as a device model uses it. All offsets and lengths are multiples of {@link SECTOR}. */
export interface Disk {
  /** Size in bytes. */
  readonly size: number;
  readonly readOnly: boolean;
  /** Begins to read: whatever of the base is needed is fetched from now on; what is read is decided by {@link DiskRead.finish}. */
  prefetch(offset: number, length: number): DiskRead;
  write(offset: number, data: Uint8Array): void;
  /** Makes a range read as zeros. */
  zero(offset: number, length: number): void;
  /** The guest no longer needs a range; what it reads afterwards is any of its former contents or zeros, but always the same. */
  discard(offset: number, length: number): void;
  /** What was written is to survive the loss of the machine's power. */
  flush(): void;
}
