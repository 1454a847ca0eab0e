import { assembleNamed, type Operands } from '../../src/isa/encode.ts';

/** Collects instructions, with labels. Addresses are bytes from the start of the program. */
export class Assembler {
  private readonly bytes: number[] = [];
  private readonly labels = new Map<string, number>();
  private readonly fixups: { readonly at: number; readonly label: string; readonly write: (offset: number) => void }[] =
    [];

  get here(): number {
    return this.bytes.length;
  }

  label(name: string): void {
    this.labels.set(name, this.here);
  }

  /** Address of a label already placed. */
  known(name: string): number | undefined {
    return this.labels.get(name);
  }

  addressOf(name: string): number {
    const at = this.labels.get(name);
    if (at === undefined) throw new Error(`no label ${name}`);
    return at;
  }

  private put(value: number, size: number, at = this.here): void {
    for (let i = 0; i < size; i++) this.bytes[at + i] = (value >>> (8 * i)) & 0xff;
  }

  half(value: number): void {
    this.put(value, 2);
  }

  word(value: number): void {
    this.put(value, 4);
  }

  op(name: string, operands: Operands = {}): void {
    this.word(assembleNamed(name, operands));
  }

  /** A branch or jal to a label. */
  to(name: string, operands: Operands, label: string): void {
    const at = this.here;
    this.word(0);
    this.fixups.push({
      at,
      label,
      write: (offset) => this.put(assembleNamed(name, { ...operands, imm: offset }), 4, at),
    });
  }

  /** auipc and addi: the address of a label. */
  la(rd: number, label: string): void {
    const at = this.here;
    this.word(0);
    this.word(0);
    this.fixups.push({
      at,
      label,
      write: (offset) => {
        const high = (offset + 0x800) & ~0xfff;
        this.put(assembleNamed('auipc', { rd, imm: high }), 4, at);
        this.put(assembleNamed('addi', { rd, rs1: rd, imm: offset - high }), 4, at + 4);
      },
    });
  }

  /** lui and addiw: a 32-bit constant. */
  li(rd: number, value: number): void {
    const high = ((value + 0x800) & ~0xfff) | 0;
    this.op('lui', { rd, imm: high });
    this.op('addiw', { rd, rs1: rd, imm: ((value - high) << 20) >> 20 });
  }

  align(to: number): void {
    while (this.here % to !== 0) this.half(0x0001);
  }

  finish(): Uint8Array {
    for (const { at, label, write } of this.fixups) write(this.addressOf(label) - at);
    return Uint8Array.from(this.bytes);
  }
}
