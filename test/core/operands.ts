import type { Compressed, RegisterSource } from '../../src/isa/compressed.ts';
import { CSRS } from '../../src/isa/csrs.ts';
import { assemble } from '../../src/isa/encode.ts';
import type { Instruction } from '../../src/isa/instruction.ts';
import type { Random } from './random.ts';

/** Which registers an instruction may take. */
export interface Registers {
  /** May be written. */
  readonly to: readonly number[];
  /** May be read. */
  readonly from: readonly number[];
}

const ALL_REGISTERS: Registers = { to: range(0, 31), from: range(0, 31) };

export function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, i) => first + i);
}

/** Every CSR number that has a row. */
export const CSR_NUMBERS: readonly number[] = CSRS.flatMap((row) =>
  range(row.number, row.number + (row.count ?? 1) - 1),
);

const small = (r: Random): number => (r.chance(50) ? r.between(-16, 16) : r.between(-2048, 2047));

/** Random operands for a 32-bit row. Branches and jumps stay near. */
export function randomLong(r: Random, row: Instruction, registers: Registers = ALL_REGISTERS): number {
  const writesInteger = /\brd\b/.test(row.syntax);
  const integer = (name: string): number =>
    new RegExp(`\\b${name}\\b`).test(row.syntax) ? r.pick(registers.from) : r.below(32);
  let imm = 0;
  switch (row.format) {
    case 'I':
    case 'S':
      imm = small(r);
      break;
    case 'B':
      imm = r.between(-24, 40) * 2;
      break;
    case 'J':
      imm = r.chance(90) ? r.between(-40, 80) * 2 : r.between(-4000, 4000) * 2;
      break;
    case 'U':
      imm = r.pick([0, 0, r.between(-8, 8) * 4096, r.u32() & 0xfffff000, 0x7ffff000, 0x80000000]) | 0;
      break;
    case 'shift64':
      imm = r.below(64);
      break;
    case 'shift32':
      imm = r.below(32);
      break;
    case 'CSR':
      imm = r.chance(90) ? r.pick(CSR_NUMBERS) : r.below(4096);
      break;
    default:
      break;
  }
  const rm = row.rm ? r.pick([0, 0, 1, 2, 3, 4, 7, 7, 7]) : 0;
  return assemble(row, {
    rd: writesInteger ? r.pick(registers.to) : r.below(32),
    rs1: integer('rs1'),
    rs2: integer('rs2'),
    rs3: r.below(32),
    imm,
    rm,
  });
}

function fill(r: Random, half: number, source: RegisterSource | undefined, from: readonly number[]): number {
  if (!source || 'fixed' in source) return half;
  const width = source.bits;
  const fitting = width === 5 ? from : from.filter((x) => x >= 8 && x < 16).map((x) => x - 8);
  return (half & ~(((1 << width) - 1) << source.at)) | (r.pick(fitting) << source.at);
}

/** Random bits for a compressed row; now and then they fall to another row or to none, as the table's order and `require` say. */
export function randomShort(r: Random, row: Compressed, registers: Registers = ALL_REGISTERS): number {
  let half = ((r.u32() & 0xffff & ~row.mask) | row.match) >>> 0;
  const integer = !row.fp;
  half = fill(r, half, row.rs2, integer ? registers.from : range(0, 31));
  half = fill(r, half, row.rs1, registers.from);
  half = fill(r, half, row.rd, integer ? registers.to : range(0, 31));
  return half;
}
