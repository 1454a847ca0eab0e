/** Appends fixed-width little-endian fields to a growing buffer: the one way anything of the machine is saved. */
export class StateWriter {
  private buffer = new Uint8Array(1024);
  private view = new DataView(this.buffer.buffer);
  private length = 0;

  private room(n: number): number {
    const at = this.length;
    if (at + n > this.buffer.length) {
      const bigger = new Uint8Array(Math.max(this.buffer.length * 2, at + n));
      bigger.set(this.buffer);
      this.buffer = bigger;
      this.view = new DataView(bigger.buffer);
    }
    this.length = at + n;
    return at;
  }

  u8(v: number): void {
    const at = this.room(1);
    this.view.setUint8(at, v);
  }

  bool(v: boolean): void {
    this.u8(v ? 1 : 0);
  }

  u16(v: number): void {
    const at = this.room(2);
    this.view.setUint16(at, v, true);
  }

  u32(v: number): void {
    const at = this.room(4);
    this.view.setUint32(at, v, true);
  }

  u64(v: bigint): void {
    const at = this.room(8);
    this.view.setBigUint64(at, v, true);
  }

  /** A number kept exactly, e.g. ticks (any finite number or ±Infinity). */
  f64(v: number): void {
    const at = this.room(8);
    this.view.setFloat64(at, v, true);
  }

  /** Length-prefixed bytes. */
  bytes(v: Uint8Array): void {
    this.u32(v.length);
    const at = this.room(v.length);
    this.buffer.set(v, at);
  }

  /** Length-prefixed UTF-8. */
  text(v: string): void {
    this.bytes(new TextEncoder().encode(v));
  }

  /** A copy of what was written so far. */
  finish(): Uint8Array {
    return this.buffer.slice(0, this.length);
  }
}

/** A saved state that cannot be read: damaged, foreign or of another version. */
export class StateError extends Error {
  override name = 'StateError';
}

/** Reads what {@link StateWriter} wrote. Every read past the end throws {@link StateError} with the offset. */
export class StateReader {
  private readonly data: Uint8Array;
  private readonly view: DataView;
  private at = 0;

  constructor(data: Uint8Array) {
    this.data = data;
    this.view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  }

  /** Offset of the next read. */
  get offset(): number {
    return this.at;
  }

  /** Bytes left. */
  get remaining(): number {
    return this.data.length - this.at;
  }

  private take(n: number): number {
    const at = this.at;
    if (at + n > this.data.length)
      throw new StateError(`state ends at offset ${this.data.length}, expected ${n} more bytes at ${at}`);
    this.at = at + n;
    return at;
  }

  u8(): number {
    return this.view.getUint8(this.take(1));
  }

  bool(): boolean {
    return this.u8() !== 0;
  }

  u16(): number {
    return this.view.getUint16(this.take(2), true);
  }

  u32(): number {
    return this.view.getUint32(this.take(4), true);
  }

  u64(): bigint {
    return this.view.getBigUint64(this.take(8), true);
  }

  f64(): number {
    return this.view.getFloat64(this.take(8), true);
  }

  /** A copy. */
  bytes(): Uint8Array {
    const n = this.u32();
    const at = this.take(n);
    return this.data.slice(at, at + n);
  }

  text(): string {
    return new TextDecoder().decode(this.bytes());
  }
}
