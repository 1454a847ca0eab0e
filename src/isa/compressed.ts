/**
 * The compressed instructions (unprivileged ISA, "C" Extension for Compressed Instructions, tables of RVC instruction listings).
 * Each row says which 32-bit instruction it stands for and where the operands come from.
 */

/** A register operand: fixed number, a 5-bit field at a bit, or a 3-bit field (x8–x15) at a bit. */
export type RegisterSource = { readonly fixed: number } | { readonly at: number; readonly bits: 3 | 5 };

/** Immediate bits: instruction bits hi…lo go to immediate bits from `to` upwards. */
export type Slice = readonly [hi: number, lo: number, to: number];

export interface Compressed {
  readonly name: string;
  readonly match: number;
  readonly mask: number;
  /** Name of the 32-bit row. */
  readonly expands: string;
  readonly rd?: RegisterSource;
  readonly rs1?: RegisterSource;
  readonly rs2?: RegisterSource;
  readonly imm?: readonly Slice[];
  /** Sign bit of the immediate (its position in the immediate), when signed. */
  readonly signBit?: number;
  /** What must hold besides the match. */
  readonly require?: 'rd≠0' | 'imm≠0' | 'rs2≠0' | 'rd≠0,rs2=0';
  /** Assembly operands: names as in the 32-bit rows. */
  readonly syntax: string;
  /** Needs the F/D extension besides C. */
  readonly fp?: boolean;
}

const r = (at: number): RegisterSource => ({ at, bits: 5 });
const q = (at: number): RegisterSource => ({ at, bits: 3 });
const x = (fixed: number): RegisterSource => ({ fixed });
const CI: readonly Slice[] = [
  [12, 12, 5],
  [6, 2, 0],
];
const CJ: readonly Slice[] = [
  [12, 12, 11],
  [11, 11, 4],
  [10, 9, 8],
  [8, 8, 10],
  [7, 7, 6],
  [6, 6, 7],
  [5, 3, 1],
  [2, 2, 5],
];
const CB: readonly Slice[] = [
  [12, 12, 8],
  [11, 10, 3],
  [6, 5, 6],
  [4, 3, 1],
  [2, 2, 5],
];
const W: readonly Slice[] = [
  [12, 10, 3],
  [6, 6, 2],
  [5, 5, 6],
];
const D: readonly Slice[] = [
  [12, 10, 3],
  [6, 5, 6],
];
const LWSP: readonly Slice[] = [
  [12, 12, 5],
  [6, 4, 2],
  [3, 2, 6],
];
const LDSP: readonly Slice[] = [
  [12, 12, 5],
  [6, 5, 3],
  [4, 2, 6],
];
const SWSP: readonly Slice[] = [
  [12, 9, 2],
  [8, 7, 6],
];
const SDSP: readonly Slice[] = [
  [12, 10, 3],
  [9, 7, 6],
];
const arith = (name: string, match: number): Compressed => ({
  name: `c.${name}`,
  match,
  mask: 0xfc63,
  expands: name,
  rd: q(7),
  rs1: q(7),
  rs2: q(2),
  syntax: 'rd, rs2',
});

/** In decoding order: earlier rows win where a later one is more general. */
export const COMPRESSED: readonly Compressed[] = [
  {
    name: 'c.addi4spn',
    match: 0x0000,
    mask: 0xe003,
    expands: 'addi',
    rd: q(2),
    rs1: x(2),
    imm: [
      [12, 11, 4],
      [10, 7, 6],
      [6, 6, 2],
      [5, 5, 3],
    ],
    require: 'imm≠0',
    syntax: 'rd, rs1, imm',
  },
  {
    name: 'c.fld',
    match: 0x2000,
    mask: 0xe003,
    expands: 'fld',
    rd: q(2),
    rs1: q(7),
    imm: D,
    syntax: 'fd, imm(rs1)',
    fp: true,
  },
  { name: 'c.lw', match: 0x4000, mask: 0xe003, expands: 'lw', rd: q(2), rs1: q(7), imm: W, syntax: 'rd, imm(rs1)' },
  { name: 'c.ld', match: 0x6000, mask: 0xe003, expands: 'ld', rd: q(2), rs1: q(7), imm: D, syntax: 'rd, imm(rs1)' },
  {
    name: 'c.fsd',
    match: 0xa000,
    mask: 0xe003,
    expands: 'fsd',
    rs2: q(2),
    rs1: q(7),
    imm: D,
    syntax: 'fs2, imm(rs1)',
    fp: true,
  },
  { name: 'c.sw', match: 0xc000, mask: 0xe003, expands: 'sw', rs2: q(2), rs1: q(7), imm: W, syntax: 'rs2, imm(rs1)' },
  { name: 'c.sd', match: 0xe000, mask: 0xe003, expands: 'sd', rs2: q(2), rs1: q(7), imm: D, syntax: 'rs2, imm(rs1)' },
  { name: 'c.nop', match: 0x0001, mask: 0xef83, expands: 'addi', rd: x(0), rs1: x(0), imm: CI, signBit: 5, syntax: '' },
  {
    name: 'c.addi',
    match: 0x0001,
    mask: 0xe003,
    expands: 'addi',
    rd: r(7),
    rs1: r(7),
    imm: CI,
    signBit: 5,
    syntax: 'rd, imm',
  },
  {
    name: 'c.addiw',
    match: 0x2001,
    mask: 0xe003,
    expands: 'addiw',
    rd: r(7),
    rs1: r(7),
    imm: CI,
    signBit: 5,
    require: 'rd≠0',
    syntax: 'rd, imm',
  },
  {
    name: 'c.li',
    match: 0x4001,
    mask: 0xe003,
    expands: 'addi',
    rd: r(7),
    rs1: x(0),
    imm: CI,
    signBit: 5,
    syntax: 'rd, imm',
  },
  {
    name: 'c.addi16sp',
    match: 0x6101,
    mask: 0xef83,
    expands: 'addi',
    rd: x(2),
    rs1: x(2),
    imm: [
      [12, 12, 9],
      [6, 6, 4],
      [5, 5, 6],
      [4, 3, 7],
      [2, 2, 5],
    ],
    signBit: 9,
    require: 'imm≠0',
    syntax: 'rd, imm',
  },
  {
    name: 'c.lui',
    match: 0x6001,
    mask: 0xe003,
    expands: 'lui',
    rd: r(7),
    imm: [
      [12, 12, 17],
      [6, 2, 12],
    ],
    signBit: 17,
    require: 'imm≠0',
    syntax: 'rd, imm',
  },
  { name: 'c.srli', match: 0x8001, mask: 0xec03, expands: 'srli', rd: q(7), rs1: q(7), imm: CI, syntax: 'rd, imm' },
  { name: 'c.srai', match: 0x8401, mask: 0xec03, expands: 'srai', rd: q(7), rs1: q(7), imm: CI, syntax: 'rd, imm' },
  {
    name: 'c.andi',
    match: 0x8801,
    mask: 0xec03,
    expands: 'andi',
    rd: q(7),
    rs1: q(7),
    imm: CI,
    signBit: 5,
    syntax: 'rd, imm',
  },
  arith('sub', 0x8c01),
  arith('xor', 0x8c21),
  arith('or', 0x8c41),
  arith('and', 0x8c61),
  arith('subw', 0x9c01),
  arith('addw', 0x9c21),
  { name: 'c.j', match: 0xa001, mask: 0xe003, expands: 'jal', rd: x(0), imm: CJ, signBit: 11, syntax: 'target' },
  {
    name: 'c.beqz',
    match: 0xc001,
    mask: 0xe003,
    expands: 'beq',
    rs1: q(7),
    rs2: x(0),
    imm: CB,
    signBit: 8,
    syntax: 'rs1, target',
  },
  {
    name: 'c.bnez',
    match: 0xe001,
    mask: 0xe003,
    expands: 'bne',
    rs1: q(7),
    rs2: x(0),
    imm: CB,
    signBit: 8,
    syntax: 'rs1, target',
  },
  { name: 'c.slli', match: 0x0002, mask: 0xe003, expands: 'slli', rd: r(7), rs1: r(7), imm: CI, syntax: 'rd, imm' },
  {
    name: 'c.fldsp',
    match: 0x2002,
    mask: 0xe003,
    expands: 'fld',
    rd: r(7),
    rs1: x(2),
    imm: LDSP,
    syntax: 'fd, imm(rs1)',
    fp: true,
  },
  {
    name: 'c.lwsp',
    match: 0x4002,
    mask: 0xe003,
    expands: 'lw',
    rd: r(7),
    rs1: x(2),
    imm: LWSP,
    require: 'rd≠0',
    syntax: 'rd, imm(rs1)',
  },
  {
    name: 'c.ldsp',
    match: 0x6002,
    mask: 0xe003,
    expands: 'ld',
    rd: r(7),
    rs1: x(2),
    imm: LDSP,
    require: 'rd≠0',
    syntax: 'rd, imm(rs1)',
  },
  { name: 'c.ebreak', match: 0x9002, mask: 0xffff, expands: 'ebreak', syntax: '' },
  {
    name: 'c.jr',
    match: 0x8002,
    mask: 0xf07f,
    expands: 'jalr',
    rd: x(0),
    rs1: r(7),
    require: 'rd≠0,rs2=0',
    syntax: 'rs1',
  },
  {
    name: 'c.mv',
    match: 0x8002,
    mask: 0xf003,
    expands: 'add',
    rd: r(7),
    rs1: x(0),
    rs2: r(2),
    require: 'rs2≠0',
    syntax: 'rd, rs2',
  },
  {
    name: 'c.jalr',
    match: 0x9002,
    mask: 0xf07f,
    expands: 'jalr',
    rd: x(1),
    rs1: r(7),
    require: 'rd≠0,rs2=0',
    syntax: 'rs1',
  },
  {
    name: 'c.add',
    match: 0x9002,
    mask: 0xf003,
    expands: 'add',
    rd: r(7),
    rs1: r(7),
    rs2: r(2),
    require: 'rs2≠0',
    syntax: 'rd, rs2',
  },
  {
    name: 'c.fsdsp',
    match: 0xa002,
    mask: 0xe003,
    expands: 'fsd',
    rs2: r(2),
    rs1: x(2),
    imm: SDSP,
    syntax: 'fs2, imm(rs1)',
    fp: true,
  },
  {
    name: 'c.swsp',
    match: 0xc002,
    mask: 0xe003,
    expands: 'sw',
    rs2: r(2),
    rs1: x(2),
    imm: SWSP,
    syntax: 'rs2, imm(rs1)',
  },
  {
    name: 'c.sdsp',
    match: 0xe002,
    mask: 0xe003,
    expands: 'sd',
    rs2: r(2),
    rs1: x(2),
    imm: SDSP,
    syntax: 'rs2, imm(rs1)',
  },
];
