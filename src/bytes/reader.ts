/** Reads fields one after the other, little-endian. Every read past the end throws an error that names the source and the offset. */
export class ByteReader {
  /** Offset of the next read; may be set. */
  at: number;
  private readonly data: Uint8Array;
  private readonly fields: DataView;
  private readonly source: string;

  /** @param source what the bytes are, for messages @param at offset to begin at */
  constructor(data: Uint8Array, source: string, at = 0) {
    this.data = data;
    this.fields = new DataView(data.buffer, data.byteOffset, data.byteLength);
    this.source = source;
    this.at = at;
  }

  /** Offset of the next read. */
  get offset(): number {
    return this.at;
  }

  /** Bytes left. */
  get remaining(): number {
    return this.data.length - this.at;
  }

  /** The error for bytes that are not what they should be. */
  protected error(message: string): Error {
    return new RangeError(message);
  }

  private take(n: number): number {
    const at = this.at;
    if (!(at >= 0 && n >= 0 && at + n <= this.data.length)) {
      throw this.error(`${this.source} ends at offset ${this.data.length}, expected ${n} more bytes at ${at}`);
    }
    this.at = at + n;
    return at;
  }

  skip(n: number): void {
    this.take(n);
  }

  u8(): number {
    return this.data[this.take(1)];
  }

  i8(): number {
    return this.fields.getInt8(this.take(1));
  }

  bool(): boolean {
    return this.u8() !== 0;
  }

  u16(): number {
    return this.fields.getUint16(this.take(2), true);
  }

  u32(): number {
    return this.fields.getUint32(this.take(4), true);
  }

  u64(): bigint {
    return this.fields.getBigUint64(this.take(8), true);
  }

  f64(): number {
    return this.fields.getFloat64(this.take(8), true);
  }

  /** What {@link ByteWriter.varint} wrote. */
  varint(): number {
    const at = this.at;
    const v = this.uleb();
    if (v > Number.MAX_SAFE_INTEGER) throw this.error(`${this.source}: the number at offset ${at} is too large`);
    return v;
  }

  /** What {@link ByteWriter.zigzag} wrote. */
  zigzag(): number {
    const v = this.varint();
    return v % 2 === 0 ? v / 2 : -(v + 1) / 2;
  }

  /** Unsigned LEB128; values above 2^53 lose their lowest bits. */
  uleb(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.u8();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  }

  /** Signed LEB128. */
  sleb(): number {
    let value = 0;
    let scale = 1;
    for (;;) {
      const byte = this.u8();
      value += (byte & 0x7f) * scale;
      scale *= 128;
      if (byte < 0x80) return byte & 0x40 ? value - scale : value;
    }
  }

  /** The next `n` bytes, as a view. */
  view(n: number): Uint8Array {
    const at = this.take(n);
    return this.data.subarray(at, at + n);
  }

  /** A copy of the next `n` bytes. */
  raw(n: number): Uint8Array {
    const at = this.take(n);
    // Of a plain Uint8Array: a Node Buffer's own slice would share memory with it.
    return Uint8Array.prototype.slice.call(this.data, at, at + n);
  }

  /** A copy of bytes that follow their length as u32. */
  bytes(): Uint8Array {
    return this.raw(this.u32());
  }

  /** UTF-8 after its length as u32. */
  text(): string {
    return new TextDecoder().decode(this.bytes());
  }

  /** UTF-8 up to its NUL. */
  textToNul(): string {
    const end = this.at <= this.data.length ? this.data.indexOf(0, this.at) : -1;
    if (end < 0) throw this.error(`${this.source}: text at offset ${this.at} has no end`);
    const text = new TextDecoder().decode(this.data.subarray(this.at, end));
    this.at = end + 1;
    return text;
  }
}
