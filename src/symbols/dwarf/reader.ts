import { ByteReader } from '../../bytes/reader.ts';

/** Longest LEB128 number, in bytes: more is padding nobody writes. */
const LONGEST = 16;

/** Reads what DWARF's sections hold: LEB128 numbers of 64 bits, offsets of either width. */
export class DwarfReader extends ByteReader {
  /** Unsigned LEB128, cut to 64 bits. */
  uleb64(): bigint {
    let value = 0n;
    for (let shift = 0n, length = 0; length < LONGEST; shift += 7n, length++) {
      const byte = this.u8();
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    throw this.error(`a number at offset ${this.at - LONGEST} has no end`);
  }

  /** Signed LEB128 of 64 bits. */
  sleb64(): bigint {
    let value = 0n;
    for (let shift = 0n, length = 0; length < LONGEST; length++) {
      const byte = this.u8();
      value |= BigInt(byte & 0x7f) << shift;
      shift += 7n;
      if (byte < 0x80) return BigInt.asIntN(64, byte & 0x40 ? value - (1n << shift) : value);
    }
    throw this.error(`a number at offset ${this.at - LONGEST} has no end`);
  }

  /** An unsigned number of 1, 2, 3, 4 or 8 bytes. */
  unsigned(bytes: number): number {
    switch (bytes) {
      case 1:
        return this.u8();
      case 2:
        return this.u16();
      case 3:
        return this.u16() + this.u8() * 0x1_0000;
      case 4:
        return this.u32();
      default:
        return Number(this.u64());
    }
  }

  /** An offset into a section: of 8 bytes in the 64-bit format (section 7.4). */
  offsetOf(wide: boolean): number {
    return wide ? Number(this.u64()) : this.u32();
  }

  /** The length that a table or unit begins with, and the format it says. @throws RangeError when it does not end within the section */
  initialLength(): { readonly end: number; readonly wide: boolean } {
    const from = this.at;
    let length = this.u32();
    const wide = length === 0xffff_ffff;
    if (wide) length = Number(this.u64());
    if (length > this.remaining)
      throw this.error(`what begins at offset ${from} is cut off: ${length} bytes, ${this.remaining} are there`);
    return { end: this.at + length, wide };
  }
}
