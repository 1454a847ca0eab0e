import { chapter, type Row } from '../instruction.ts';

const zba = chapter('zba', 'Unprivileged ISA, "B" Extension, Zba');
const zbb = chapter('zbb', 'Unprivileged ISA, "B" Extension, Zbb');
const zbc = chapter('zbc', 'Unprivileged ISA, "Zbc" Carry-less multiplication');
const zbs = chapter('zbs', 'Unprivileged ISA, "B" Extension, Zbs');
const zicond = chapter('zicond', 'Unprivileged ISA, "Zicond"');
const rrr = 'rd, rs1, rs2';
const shift = 'rd, rs1, shamt';
const unary = { mask: 0xfff0707f } as const;

export const BITS_ROWS: readonly Row[] = [
  zba('add.uw', 'R', 0x0800003b, rrr, 'rd = rs2 + zext32(rs1)'),
  zba('sh1add', 'R', 0x20002033, rrr, 'rd = rs2 + (rs1 << 1)'),
  zba('sh2add', 'R', 0x20004033, rrr, 'rd = rs2 + (rs1 << 2)'),
  zba('sh3add', 'R', 0x20006033, rrr, 'rd = rs2 + (rs1 << 3)'),
  zba('sh1add.uw', 'R', 0x2000203b, rrr, 'rd = rs2 + (zext32(rs1) << 1)'),
  zba('sh2add.uw', 'R', 0x2000403b, rrr, 'rd = rs2 + (zext32(rs1) << 2)'),
  zba('sh3add.uw', 'R', 0x2000603b, rrr, 'rd = rs2 + (zext32(rs1) << 3)'),
  zba('slli.uw', 'shift64', 0x0800101b, shift, 'rd = zext32(rs1) << imm'),
  zbb('andn', 'R', 0x40007033, rrr, 'rd = rs1 & ~rs2'),
  zbb('orn', 'R', 0x40006033, rrr, 'rd = rs1 | ~rs2'),
  zbb('xnor', 'R', 0x40004033, rrr, 'rd = ~(rs1 ^ rs2)'),
  zbb('clz', 'R1', 0x60001013, 'rd, rs1', 'rd = clz(rs1)', unary),
  zbb('ctz', 'R1', 0x60101013, 'rd, rs1', 'rd = ctz(rs1)', unary),
  zbb('cpop', 'R1', 0x60201013, 'rd, rs1', 'rd = popcnt(rs1)', unary),
  zbb('clzw', 'R1', 0x6000101b, 'rd, rs1', 'rd = clz32(rs1)', unary),
  zbb('ctzw', 'R1', 0x6010101b, 'rd, rs1', 'rd = ctz32(rs1)', unary),
  zbb('cpopw', 'R1', 0x6020101b, 'rd, rs1', 'rd = popcnt32(rs1)', unary),
  zbb('max', 'R', 0x0a006033, rrr, 'rd = rs1 <s rs2 ? rs2 : rs1'),
  zbb('maxu', 'R', 0x0a007033, rrr, 'rd = rs1 <u rs2 ? rs2 : rs1'),
  zbb('min', 'R', 0x0a004033, rrr, 'rd = rs1 <s rs2 ? rs1 : rs2'),
  zbb('minu', 'R', 0x0a005033, rrr, 'rd = rs1 <u rs2 ? rs1 : rs2'),
  zbb('sext.b', 'R1', 0x60401013, 'rd, rs1', 'rd = sext8(rs1)', unary),
  zbb('sext.h', 'R1', 0x60501013, 'rd, rs1', 'rd = sext16(rs1)', unary),
  zbb('zext.h', 'R1', 0x0800403b, 'rd, rs1', 'rd = zext16(rs1)', unary),
  zbb('rol', 'R', 0x60001033, rrr, 'rd = rotl(rs1, rs2)'),
  zbb('ror', 'R', 0x60005033, rrr, 'rd = rotr(rs1, rs2)'),
  zbb('rori', 'shift64', 0x60005013, shift, 'rd = rotr(rs1, imm)'),
  zbb('rolw', 'R', 0x6000103b, rrr, 'rd = rotl32(rs1, rs2)'),
  zbb('rorw', 'R', 0x6000503b, rrr, 'rd = rotr32(rs1, rs2)'),
  zbb('roriw', 'shift32', 0x6000501b, shift, 'rd = rotr32(rs1, imm)'),
  zbb('orc.b', 'R1', 0x28705013, 'rd, rs1', 'rd = orcb(rs1)', unary),
  zbb('rev8', 'R1', 0x6b805013, 'rd, rs1', 'rd = rev8(rs1)', unary),
  zbc('clmul', 'R', 0x0a001033, rrr, 'rd = clmul(rs1, rs2)'),
  zbc('clmulh', 'R', 0x0a003033, rrr, 'rd = clmulh(rs1, rs2)'),
  zbc('clmulr', 'R', 0x0a002033, rrr, 'rd = clmulr(rs1, rs2)'),
  zbs('bclr', 'R', 0x48001033, rrr, 'rd = rs1 & ~(1 << rs2)'),
  zbs('bclri', 'shift64', 0x48001013, shift, 'rd = rs1 & ~(1 << imm)'),
  zbs('bext', 'R', 0x48005033, rrr, 'rd = (rs1 >>u rs2) & 1'),
  zbs('bexti', 'shift64', 0x48005013, shift, 'rd = (rs1 >>u imm) & 1'),
  zbs('binv', 'R', 0x68001033, rrr, 'rd = rs1 ^ (1 << rs2)'),
  zbs('binvi', 'shift64', 0x68001013, shift, 'rd = rs1 ^ (1 << imm)'),
  zbs('bset', 'R', 0x28001033, rrr, 'rd = rs1 | (1 << rs2)'),
  zbs('bseti', 'shift64', 0x28001013, shift, 'rd = rs1 | (1 << imm)'),
  zicond('czero.eqz', 'R', 0x0e005033, rrr, 'rd = rs2 == 0 ? 0 : rs1'),
  zicond('czero.nez', 'R', 0x0e007033, rrr, 'rd = rs2 != 0 ? 0 : rs1'),
];
