import { chapter, type Row } from '../instruction.ts';

const a = chapter('a', 'Unprivileged ISA, "A" Extension for Atomic Instructions');

/** Both widths of one AMO; `w` is the meaning on words where it differs (operands compared as words). */
const amo = (name: string, funct5: number, d: string, w = d): Row[] => [
  a(`${name}.w`, 'AMO', (funct5 << 27) | 0x202f, 'rd, rs2, (rs1)', `amo32 ${w}`),
  a(`${name}.d`, 'AMO', (funct5 << 27) | 0x302f, 'rd, rs2, (rs1)', `amo64 ${d}`),
];

export const ATOMIC_ROWS: readonly Row[] = [
  a('lr.w', 'AMO', 0x1000202f, 'rd, (rs1)', 'call lr_w', { mask: 0xf9f0707f }),
  a('lr.d', 'AMO', 0x1000302f, 'rd, (rs1)', 'call lr_d', { mask: 0xf9f0707f }),
  a('sc.w', 'AMO', 0x1800202f, 'rd, rs2, (rs1)', 'call sc_w'),
  a('sc.d', 'AMO', 0x1800302f, 'rd, rs2, (rs1)', 'call sc_d'),
  ...amo('amoswap', 0x01, 'rs2'),
  ...amo('amoadd', 0x00, 'old + rs2'),
  ...amo('amoxor', 0x04, 'old ^ rs2'),
  ...amo('amoand', 0x0c, 'old & rs2'),
  ...amo('amoor', 0x08, 'old | rs2'),
  // `old` of a word is sign-extended
  ...amo('amomin', 0x10, 'old <s rs2 ? old : rs2', 'old <s sext32(rs2) ? old : rs2'),
  ...amo('amomax', 0x14, 'old <s rs2 ? rs2 : old', 'old <s sext32(rs2) ? rs2 : old'),
  ...amo('amominu', 0x18, 'old <u rs2 ? old : rs2', 'zext32(old) <u zext32(rs2) ? old : rs2'),
  ...amo('amomaxu', 0x1c, 'old <u rs2 ? rs2 : old', 'zext32(old) <u zext32(rs2) ? rs2 : old'),
];
