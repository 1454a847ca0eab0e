const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;

/** A protocol buffer that is written (https://protobuf.dev/programming-guides/encoding/). */
export class Message {
  readonly bytes: number[] = [];

  integer(field: number, value: number | bigint): this {
    this.varint((field << 3) | VARINT);
    this.varint(value);
    return this;
  }

  double(field: number, value: number): this {
    this.varint((field << 3) | FIXED64);
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setFloat64(0, value, true);
    this.bytes.push(...bytes);
    return this;
  }

  text(field: number, value: string): this {
    return this.nested(field, new TextEncoder().encode(value));
  }

  message(field: number, value: Message): this {
    return this.nested(field, value.bytes);
  }

  private nested(field: number, bytes: ArrayLike<number>): this {
    this.varint((field << 3) | BYTES);
    this.varint(bytes.length);
    for (let i = 0; i < bytes.length; i++) this.bytes.push(bytes[i]);
    return this;
  }

  private varint(value: number | bigint): void {
    let rest = BigInt.asUintN(64, BigInt(value));
    for (; rest > 0x7fn; rest >>= 7n) this.bytes.push(Number(rest & 0x7fn) | 0x80);
    this.bytes.push(Number(rest));
  }
}
