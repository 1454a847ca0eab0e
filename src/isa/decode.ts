import { COMPRESSED, type Compressed, type RegisterSource } from './compressed.ts';
import { EXTENSIONS, type Extension, type Format, type Instruction } from './instruction.ts';
import { INSTRUCTION_BY_NAME, INSTRUCTIONS } from './instructions.ts';

/** An instruction taken apart. Register numbers are 0–31; fields that the format lacks are 0. */
export interface Decoded {
  readonly row: Instruction;
  /** The compressed row, when the instruction was 2 bytes long. */
  readonly compressed?: Compressed;
  readonly rd: number;
  readonly rs1: number;
  readonly rs2: number;
  readonly rs3: number;
  /** Signed immediate; shift amount; for the CSR format the CSR's number (a 5-bit immediate is in `rs1`). */
  readonly imm: number;
  /** Rounding mode as encoded (0–4, or 7 for dynamic) when the row has one, else 0. */
  readonly rm: number;
  readonly length: 2 | 4;
}

/** The bit of an extension in MACHINE.extensions. */
export const extensionBit = (name: Extension): number => 1 << EXTENSIONS.indexOf(name);

/** Every extension switched on. */
export const ALL_EXTENSIONS = (1 << EXTENSIONS.length) - 1;

const COMPRESSED_BIT = extensionBit('c');

/** Whether the first half-word belongs to a 4-byte instruction (unprivileged ISA, "Base Instruction-Length Encoding"). */
export const isLong = (half: number): boolean => (half & 3) === 3;

const bits = (word: number, hi: number, lo: number): number => (word >>> lo) & ((1 << (hi - lo + 1)) - 1);

/** The immediate of each format, signed. */
function immediateOf(format: Format, word: number): number {
  switch (format) {
    case 'I':
      return word >> 20;
    case 'S':
      return ((word >> 25) << 5) | bits(word, 11, 7);
    case 'B':
      return ((word >> 31) << 12) | (bits(word, 7, 7) << 11) | (bits(word, 30, 25) << 5) | (bits(word, 11, 8) << 1);
    case 'U':
      return word & 0xfffff000;
    case 'J':
      return ((word >> 31) << 20) | (bits(word, 19, 12) << 12) | (bits(word, 20, 20) << 11) | (bits(word, 30, 21) << 1);
    case 'shift64':
      return bits(word, 25, 20);
    case 'shift32':
      return bits(word, 24, 20);
    case 'CSR':
      return bits(word, 31, 20);
    default:
      return 0;
  }
}

interface Candidate {
  readonly row: Instruction;
  readonly extension: number;
}

/** Rows by opcode (bits 6:2) and funct3; rows whose mask leaves funct3 free stand in all eight. */
const LONG: readonly (readonly Candidate[])[] = Array.from({ length: 256 }, (_, key) =>
  INSTRUCTIONS.filter((row) => {
    const word = ((key >> 3) << 2) | 3 | ((key & 7) << 12);
    return ((word ^ row.match) & row.mask & 0x707f) === 0;
  }).map((row) => ({ row, extension: extensionBit(row.extension) })),
);

interface ShortCandidate extends Candidate {
  readonly short: Compressed;
}

/** Compressed rows by quadrant and funct3, in table order. */
const SHORT: readonly (readonly ShortCandidate[])[] = Array.from({ length: 32 }, (_, key) =>
  COMPRESSED.filter((row) => (((((key >> 2) << 13) | (key & 3)) ^ row.match) & row.mask & 0xe003) === 0).map(
    (short) => {
      const row = INSTRUCTION_BY_NAME.get(short.expands);
      if (!row) throw new Error(`compressed row ${short.name} expands to ${short.expands}, which is in no table`);
      return { short, row, extension: extensionBit(row.extension) };
    },
  ),
);

function register(source: RegisterSource | undefined, half: number): number {
  if (!source) return 0;
  if ('fixed' in source) return source.fixed;
  return source.bits === 5 ? (half >> source.at) & 31 : 8 + ((half >> source.at) & 7);
}

/** The immediate of a compressed row. */
function compressedImmediate(row: Compressed, half: number): number {
  let imm = 0;
  for (const [hi, lo, to] of row.imm ?? []) imm |= bits(half, hi, lo) << to;
  if (row.signBit === undefined) return imm;
  const shift = 31 - row.signBit;
  return (imm << shift) >> shift;
}

function holds(row: Compressed, half: number, imm: number): boolean {
  switch (row.require) {
    case undefined:
      return true;
    case 'imm≠0':
      return imm !== 0;
    case 'rd≠0':
      return (half & 0xf80) !== 0;
    case 'rs2≠0':
      return (half & 0x7c) !== 0;
    case 'rd≠0,rs2=0':
      return (half & 0xf80) !== 0 && (half & 0x7c) === 0;
  }
}

function decodeShort(half: number, extensions: number): Decoded | undefined {
  if ((extensions & COMPRESSED_BIT) === 0) return undefined;
  for (const { short, row, extension } of SHORT[((half >> 13) << 2) | (half & 3)]) {
    if ((half & short.mask) !== short.match) continue;
    const imm = compressedImmediate(short, half);
    if (!holds(short, half, imm)) continue;
    if ((extensions & extension) === 0) return undefined;
    return {
      row,
      compressed: short,
      rd: register(short.rd, half),
      rs1: register(short.rs1, half),
      rs2: register(short.rs2, half),
      rs3: 0,
      imm,
      rm: 0,
      length: 2,
    };
  }
  return undefined;
}

/**
 * Decodes one instruction.
 * @param word its 32 bits, or the 16 of a compressed one (the rest is ignored)
 * @param extensions enabled extensions, as in MACHINE.extensions (the low 32 bits hold them all)
 * @returns undefined for an illegal instruction: no such row, a reserved rounding mode, or an extension that is off
 */
export function decode(word: number, extensions: number): Decoded | undefined {
  if (!isLong(word)) return decodeShort(word & 0xffff, extensions);
  const funct3 = (word >>> 12) & 7;
  for (const { row, extension } of LONG[(((word >>> 2) & 31) << 3) | funct3]) {
    if (((word ^ row.match) & row.mask) !== 0) continue;
    if ((extensions & extension) === 0) return undefined;
    if (row.rm && (funct3 === 5 || funct3 === 6)) return undefined;
    const { format } = row;
    const plain = format === 'none';
    const noRd = plain || format === 'S' || format === 'B';
    const hasRs2 = format === 'R' || format === 'S' || format === 'B' || format === 'R4' || format === 'AMO';
    return {
      row,
      rd: noRd ? 0 : (word >>> 7) & 31,
      rs1: plain || format === 'U' || format === 'J' ? 0 : (word >>> 15) & 31,
      rs2: hasRs2 ? (word >>> 20) & 31 : 0,
      rs3: format === 'R4' ? word >>> 27 : 0,
      imm: immediateOf(format, word),
      rm: row.rm ? funct3 : 0,
      length: 4,
    };
  }
  return undefined;
}
