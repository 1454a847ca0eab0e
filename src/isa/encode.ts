import type { Compressed, RegisterSource } from './compressed.ts';
import type { Format, Instruction } from './instruction.ts';
import { INSTRUCTION_BY_NAME } from './instructions.ts';

/** Operands of an instruction, as in {@link ./decode.ts!Decoded}; those left out are 0. */
export interface Operands {
  readonly rd?: number;
  readonly rs1?: number;
  readonly rs2?: number;
  readonly rs3?: number;
  readonly imm?: number;
  readonly rm?: number;
}

const field = (imm: number, hi: number, lo: number): number => (imm >>> lo) & ((1 << (hi - lo + 1)) - 1);

function within(name: string, what: string, value: number, least: number, most: number, multiple = 1): void {
  if (value < least || value > most || value % multiple !== 0) {
    const step = multiple === 1 ? '' : ` in steps of ${multiple}`;
    throw new RangeError(`${name}: ${what} is ${value}, but must be ${least} to ${most}${step}`);
  }
}

const LIMITS: Partial<Record<Format, readonly [least: number, most: number, multiple: number]>> = {
  I: [-2048, 2047, 1],
  S: [-2048, 2047, 1],
  B: [-4096, 4094, 2],
  J: [-1048576, 1048574, 2],
  U: [-2147483648, 2147479552, 4096],
  shift64: [0, 63, 1],
  shift32: [0, 31, 1],
  CSR: [0, 4095, 1],
};

function immediateBits(format: Format, imm: number): number {
  switch (format) {
    case 'I':
    case 'CSR':
    case 'shift64':
    case 'shift32':
      return imm << 20;
    case 'S':
      return (field(imm, 11, 5) << 25) | (field(imm, 4, 0) << 7);
    case 'B':
      return (
        (field(imm, 12, 12) << 31) | (field(imm, 10, 5) << 25) | (field(imm, 4, 1) << 8) | (field(imm, 11, 11) << 7)
      );
    case 'U':
      return imm & 0xfffff000;
    case 'J':
      return (
        (field(imm, 20, 20) << 31) | (field(imm, 10, 1) << 21) | (field(imm, 11, 11) << 20) | (field(imm, 19, 12) << 12)
      );
    default:
      return 0;
  }
}

/**
 * The bits of one 32-bit instruction. Fields the row fixes keep the row's bits.
 * @throws RangeError when an operand does not fit its field
 */
export function assemble(row: Instruction, operands: Operands = {}): number {
  const { rd = 0, rs1 = 0, rs2 = 0, rs3 = 0, imm = 0, rm = 0 } = operands;
  for (const [what, value] of Object.entries({ rd, rs1, rs2, rs3 })) within(row.name, what, value, 0, 31);
  const limits = LIMITS[row.format];
  if (limits) within(row.name, 'imm', imm, ...limits);
  let word = immediateBits(row.format, imm);
  const { format } = row;
  if (format !== 'S' && format !== 'B') word |= rd << 7;
  if (format !== 'U' && format !== 'J') word |= rs1 << 15;
  if (format === 'R' || format === 'S' || format === 'B' || format === 'R4' || format === 'AMO') word |= rs2 << 20;
  if (format === 'R4') word |= rs3 << 27;
  if (row.rm) word |= rm << 12;
  return ((word & ~row.mask) | row.match) >>> 0;
}

/** {@link assemble} by name. @throws Error when no row has that name. */
export function assembleNamed(name: string, operands: Operands = {}): number {
  const row = INSTRUCTION_BY_NAME.get(name);
  if (!row) throw new Error(`no instruction is called "${name}"`);
  return assemble(row, operands);
}

function registerBits(
  row: Compressed,
  what: string,
  source: RegisterSource | undefined,
  value: number | undefined,
): number {
  if (!source || value === undefined) return 0;
  if ('fixed' in source) {
    within(row.name, what, value, source.fixed, source.fixed);
    return 0;
  }
  within(row.name, what, value, source.bits === 3 ? 8 : 0, source.bits === 3 ? 15 : 31);
  return (source.bits === 3 ? value - 8 : value) << source.at;
}

/**
 * The 16 bits of a compressed instruction. Where rd and rs1 share a field either may be given.
 * @throws RangeError when an operand does not fit
 */
export function assembleCompressed(row: Compressed, operands: Operands = {}): number {
  let half = row.match;
  half |= registerBits(row, 'rd', row.rd, operands.rd);
  half |= registerBits(row, 'rs1', row.rs1, operands.rs1);
  half |= registerBits(row, 'rs2', row.rs2, operands.rs2);
  const imm = operands.imm ?? 0;
  let placed = 0;
  for (const [hi, lo, to] of row.imm ?? []) {
    half |= field(imm, to + hi - lo, to) << lo;
    placed |= field(imm, to + hi - lo, to) << to;
  }
  const shift = row.signBit === undefined ? 0 : 31 - row.signBit;
  if ((placed << shift) >> shift !== imm) throw new RangeError(`${row.name}: imm ${imm} does not fit its bits`);
  return half;
}
