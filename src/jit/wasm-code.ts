import { OP } from './wasm-opcodes.ts';

/** A growing run of WebAssembly code bytes with the encodings instructions need (core specification, "Binary Format", "Values"). */
export class WasmCode {
  private buffer: Uint8Array;
  private used = 0;

  /** @param capacity bytes reserved at first; the buffer doubles as needed. */
  constructor(capacity = 1024) {
    this.buffer = new Uint8Array(capacity);
  }

  /** Bytes written so far. */
  get length(): number {
    return this.used;
  }

  /** A live view of what was written; valid until the next write. */
  get bytes(): Uint8Array {
    return this.buffer.subarray(0, this.used);
  }

  /** Empties it, keeping the buffer. */
  clear(): void {
    this.used = 0;
  }

  private room(n: number): void {
    if (this.used + n <= this.buffer.length) return;
    const bigger = new Uint8Array(Math.max(this.buffer.length * 2, this.used + n));
    bigger.set(this.buffer);
    this.buffer = bigger;
  }

  byte(b: number): void {
    if (this.used === this.buffer.length) this.room(1);
    this.buffer[this.used++] = b;
  }

  append(bytes: Uint8Array): void {
    this.room(bytes.length);
    this.buffer.set(bytes, this.used);
    this.used += bytes.length;
  }

  /** Unsigned LEB128 of an integer below 2^32. */
  unsigned(n: number): void {
    this.room(5);
    let v = n >>> 0;
    while (v > 0x7f) {
      this.buffer[this.used++] = (v & 0x7f) | 0x80;
      v >>>= 7;
    }
    this.buffer[this.used++] = v;
  }

  /** Signed LEB128 of a 32-bit integer. */
  signed32(n: number): void {
    this.room(5);
    let v = n | 0;
    for (;;) {
      const b = v & 0x7f;
      v >>= 7;
      if ((v === 0 && b < 0x40) || (v === -1 && b >= 0x40)) {
        this.buffer[this.used++] = b;
        return;
      }
      this.buffer[this.used++] = b | 0x80;
    }
  }

  /** Signed LEB128 of a 64-bit integer; bigints are taken modulo 2^64. */
  signed64(n: number | bigint): void {
    if (typeof n === 'number' && n === (n | 0)) return this.signed32(n);
    this.room(10);
    let v = BigInt.asIntN(64, BigInt(n));
    for (;;) {
      const b = Number(v & 0x7fn);
      v >>= 7n;
      if ((v === 0n && b < 0x40) || (v === -1n && b >= 0x40)) {
        this.buffer[this.used++] = b;
        return;
      }
      this.buffer[this.used++] = b | 0x80;
    }
  }

  /** An instruction without immediates. */
  op(opcode: number): void {
    this.byte(opcode);
  }

  get(local: number): void {
    this.byte(OP.LOCAL_GET);
    this.unsigned(local);
  }

  set(local: number): void {
    this.byte(OP.LOCAL_SET);
    this.unsigned(local);
  }

  tee(local: number): void {
    this.byte(OP.LOCAL_TEE);
    this.unsigned(local);
  }

  i32(n: number): void {
    this.byte(OP.I32_CONST);
    this.signed32(n);
  }

  i64(n: number | bigint): void {
    this.byte(OP.I64_CONST);
    this.signed64(n);
  }

  f64(bits: bigint): void {
    this.byte(OP.F64_CONST);
    this.room(8);
    new DataView(this.buffer.buffer).setBigUint64(this.used, bits, true);
    this.used += 8;
  }

  f32(bits: number): void {
    this.byte(OP.F32_CONST);
    this.room(4);
    new DataView(this.buffer.buffer).setUint32(this.used, bits, true);
    this.used += 4;
  }

  /** A load or store. @param align log2 of the promised alignment @param offset bytes added to the address on the stack */
  memory(opcode: number, align: number, offset: number): void {
    this.byte(opcode);
    this.byte(align);
    this.unsigned(offset);
  }

  /** `block`, `loop` or `if` without results. */
  open(opcode: number): void {
    this.byte(opcode);
    this.byte(0x40);
  }

  end(): void {
    this.byte(OP.END);
  }

  /** `br` or `br_if` to the label `depth` levels out. */
  branch(opcode: number, depth: number): void {
    this.byte(opcode);
    this.unsigned(depth);
  }

  call(functionIndex: number): void {
    this.byte(OP.CALL);
    this.unsigned(functionIndex);
  }
}
