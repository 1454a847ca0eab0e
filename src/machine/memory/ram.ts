/** Told after bytes of guest RAM changed behind the core's back, so that derived state (decode cache, TLB, dirty flags) follows. */
export type RamChanged = (offset: number, length: number) => void;

/** Told before bytes of guest RAM are read or written, so that they are there. */
export type RamUsed = (offset: number, length: number) => void;

/**
 * Guest RAM as devices, firmware and debuggers see it: physical addresses in, bytes out. Addresses are plain numbers (RAM lies
 * below 2^53). Every writer here tells the core what it touched.
 */
export class GuestRam {
  /** The bytes of RAM; index 0 is physical address `base`. Readers ask {@link offsetOf} first, writers call {@link changed} afterwards. */
  readonly bytes: Uint8Array;
  /** Physical address of the first byte. */
  readonly base: number;
  private readonly view: DataView;
  private readonly onChange: RamChanged;
  private readonly onUse: RamUsed | undefined;

  constructor(bytes: Uint8Array, base: number, onChange: RamChanged, onUse?: RamUsed) {
    this.onUse = onUse;
    this.bytes = bytes;
    this.base = base;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.onChange = onChange;
  }

  /** Size in bytes. */
  get size(): number {
    return this.bytes.length;
  }

  /** Whether `length` bytes at `address` all lie in RAM. */
  contains(address: number, length: number): boolean {
    const offset = address - this.base;
    return offset >= 0 && length >= 0 && offset + length <= this.bytes.length;
  }

  /** Offset into {@link bytes} of `length` bytes at `address`, which are there. @throws RangeError when they are not all in RAM. */
  offsetOf(address: number, length: number): number {
    if (!this.contains(address, length)) {
      throw new RangeError(`physical address 0x${address.toString(16)} (+${length}) is outside RAM`);
    }
    this.onUse?.(address - this.base, length);
    return address - this.base;
  }

  /** A live view, for reading only. */
  read(address: number, length: number): Uint8Array {
    const offset = this.offsetOf(address, length);
    return this.bytes.subarray(offset, offset + length);
  }

  write(address: number, data: Uint8Array): void {
    const offset = this.offsetOf(address, data.length);
    this.bytes.set(data, offset);
    this.onChange(offset, data.length);
  }

  fill(address: number, length: number, value: number): void {
    const offset = this.offsetOf(address, length);
    this.bytes.fill(value, offset, offset + length);
    this.onChange(offset, length);
  }

  readU8(address: number): number {
    return this.view.getUint8(this.offsetOf(address, 1));
  }

  readU16(address: number): number {
    return this.view.getUint16(this.offsetOf(address, 2), true);
  }

  readU32(address: number): number {
    return this.view.getUint32(this.offsetOf(address, 4), true);
  }

  readU64(address: number): bigint {
    return this.view.getBigUint64(this.offsetOf(address, 8), true);
  }

  writeU8(address: number, value: number): void {
    const offset = this.offsetOf(address, 1);
    this.view.setUint8(offset, value);
    this.onChange(offset, 1);
  }

  writeU16(address: number, value: number): void {
    const offset = this.offsetOf(address, 2);
    this.view.setUint16(offset, value, true);
    this.onChange(offset, 2);
  }

  writeU32(address: number, value: number): void {
    const offset = this.offsetOf(address, 4);
    this.view.setUint32(offset, value, true);
    this.onChange(offset, 4);
  }

  writeU64(address: number, value: bigint): void {
    const offset = this.offsetOf(address, 8);
    this.view.setBigUint64(offset, value, true);
    this.onChange(offset, 8);
  }

  /** Tells the core that `length` bytes at `address` were written through {@link bytes}. */
  changed(address: number, length: number): void {
    this.onChange(this.offsetOf(address, length), length);
  }
}
