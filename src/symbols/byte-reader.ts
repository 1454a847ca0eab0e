/** Reads little-endian values one after the other. Every read beyond the end throws a RangeError naming the source and offset. */
export class ByteReader {
  at: number;
  private readonly bytes: Uint8Array;
  private readonly view: DataView;
  private readonly source: string;

  constructor(bytes: Uint8Array, source: string, at = 0) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.source = source;
    this.at = at;
  }

  skip(count: number): void {
    this.take(count);
  }

  u8(): number {
    return this.bytes[this.take(1)];
  }

  i8(): number {
    return this.view.getInt8(this.take(1));
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

  /** Text up to its NUL. */
  text(): string {
    const end = this.at <= this.bytes.length ? this.bytes.indexOf(0, this.at) : -1;
    if (end < 0) throw new RangeError(`${this.source}: text at offset ${this.at} has no end`);
    const text = new TextDecoder().decode(this.bytes.subarray(this.at, end));
    this.at = end + 1;
    return text;
  }

  private take(count: number): number {
    const from = this.at;
    if (!(from >= 0 && count >= 0 && from + count <= this.bytes.length))
      throw new RangeError(
        `${this.source}: ends at offset ${this.bytes.length}, ${count} more bytes expected at ${from}`,
      );
    this.at = from + count;
    return from;
  }
}
