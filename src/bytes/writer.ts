/** Appends fields to a growing buffer, little-endian unless the method says otherwise: the one way bytes are put together. */
export class ByteWriter {
  private buffer: Uint8Array;
  private view: DataView;
  private used = 0;

  /** @param capacity bytes reserved at first; the buffer doubles as needed */
  constructor(capacity = 1024) {
    this.buffer = new Uint8Array(capacity);
    this.view = new DataView(this.buffer.buffer);
  }

  /** Bytes written so far. */
  get length(): number {
    return this.used;
  }

  private room(n: number): number {
    const at = this.used;
    if (at + n > this.buffer.length) {
      const bigger = new Uint8Array(Math.max(this.buffer.length * 2, at + n));
      bigger.set(this.buffer);
      this.buffer = bigger;
      this.view = new DataView(bigger.buffer);
    }
    this.used = at + n;
    return at;
  }

  // `room` may replace the buffer and its view: it comes first.

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

  /** Big-endian, as device trees have it. */
  u32be(v: number): void {
    const at = this.room(4);
    this.view.setUint32(at, v, false);
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

  /** A non-negative integer up to 2^53 − 1, 7 bits a byte, low first, the high bit set while more follow (unsigned LEB128). */
  varint(v: number): void {
    if (!Number.isSafeInteger(v) || v < 0) throw new RangeError(`${v} cannot be written: expected 0 to 2^53 − 1`);
    while (v >= 128) {
      this.u8((v % 128) | 128);
      v = Math.floor(v / 128);
    }
    this.u8(v);
  }

  /** A signed integer of up to 52 bits as a varint: 0, −1, 1, −2 … become 0, 1, 2, 3 … */
  zigzag(v: number): void {
    this.varint(v < 0 ? -2 * v - 1 : 2 * v);
  }

  /** A signed integer of up to 64 bits in two's complement, 7 bits a byte, low first (signed LEB128, DWARF 5 section 7.6). */
  sleb128(v: bigint): void {
    let rest = v;
    for (;;) {
      const low = Number(rest & 127n);
      rest >>= 7n;
      if ((rest === 0n && low < 64) || (rest === -1n && low >= 64)) {
        this.u8(low);
        return;
      }
      this.u8(low | 128);
    }
  }

  /** Bytes as they are. */
  raw(v: Uint8Array): void {
    const at = this.room(v.length);
    this.buffer.set(v, at);
  }

  /** Zeros up to a multiple of `alignment` bytes. */
  pad(alignment: number): void {
    const at = this.room((alignment - (this.used % alignment)) % alignment);
    this.buffer.fill(0, at, this.used);
  }

  /** Bytes after their length as u32. */
  bytes(v: Uint8Array): void {
    this.u32(v.length);
    this.raw(v);
  }

  /** UTF-8 after its length as u32. */
  text(v: string): void {
    this.bytes(new TextEncoder().encode(v));
  }

  /** A copy of what was written so far. */
  finish(): Uint8Array {
    return this.buffer.slice(0, this.used);
  }

  /** A copy of what was written so far; the writer is empty again. */
  take(): Uint8Array {
    const taken = this.finish();
    this.used = 0;
    return taken;
  }
}
