import { type BlockBackend, checkRange, SECTOR } from './backend.ts';

/** A base held in memory. */
export class MemoryBackend implements BlockBackend {
  readonly size: number;
  readonly hash: string;
  readonly immediate = true;
  private readonly bytes: Uint8Array;

  /**
   * @param bytes the contents, not to be changed afterwards; a last sector that is not whole is read as filled up with zeros
   * @param hash their SHA-256, 64 hexadecimal digits
   */
  constructor(bytes: Uint8Array, hash: string) {
    this.bytes = bytes;
    this.hash = hash;
    this.size = Math.ceil(bytes.length / SECTOR) * SECTOR;
  }

  read(offset: number, into: Uint8Array): void {
    checkRange(offset, into.length, this.size);
    const there = this.bytes.subarray(offset, offset + into.length);
    into.set(there);
    into.fill(0, there.length);
  }
}

/** An empty disk: all zeros, named by its size instead of a hash. */
export class BlankBackend implements BlockBackend {
  readonly size: number;
  readonly hash: string;
  readonly immediate = true;

  /** @param size in bytes, a multiple of {@link SECTOR} */
  constructor(size: number) {
    if (!(Number.isSafeInteger(size) && size > 0 && size % SECTOR === 0)) {
      throw new RangeError(`an empty disk of ${size} bytes: expected a positive multiple of ${SECTOR}`);
    }
    this.size = size;
    this.hash = `blank:${size}`;
  }

  read(offset: number, into: Uint8Array): void {
    checkRange(offset, into.length, this.size);
    into.fill(0);
  }
}
