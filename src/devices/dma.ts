/**
 * Guest RAM as a device sees it: physical addresses in, bytes out. Addresses are plain numbers (RAM lies below 2^53). Every writer
 * marks pages dirty and drops what was translated or decoded from them. Reads and writes throw RangeError outside RAM.
 */
export interface DmaMemory {
  /** The bytes of RAM; index 0 is physical address {@link base}. Writers must call {@link changed}. */
  readonly bytes: Uint8Array;
  /** Physical address of the first byte. */
  readonly base: number;
  /** Whether `length` bytes at `address` all lie in RAM. */
  contains(address: number, length: number): boolean;
  /** Offset into {@link bytes} of `length` bytes at `address`. @throws RangeError when they are not all in RAM */
  offsetOf(address: number, length: number): number;
  /** A live view, for reading only. */
  read(address: number, length: number): Uint8Array;
  write(address: number, data: Uint8Array): void;
  fill(address: number, length: number, value: number): void;
  readU16(address: number): number;
  readU32(address: number): number;
  writeU8(address: number, value: number): void;
  writeU16(address: number, value: number): void;
  writeU32(address: number, value: number): void;
  /** Says that `length` bytes at `address` were written through {@link bytes}. */
  changed(address: number, length: number): void;
}
