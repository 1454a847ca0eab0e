import { chapter, type Row } from '../instruction.ts';

const m = chapter('m', 'Unprivileged ISA, "M" Extension for Integer Multiplication and Division');
const rrr = 'rd, rs1, rs2';

export const MULTIPLY_ROWS: readonly Row[] = [
  m('mul', 'R', 0x02000033, rrr, 'rd = rs1 * rs2'),
  m('mulh', 'R', 0x02001033, rrr, 'rd = mulh(rs1, rs2)'),
  m('mulhsu', 'R', 0x02002033, rrr, 'rd = mulhsu(rs1, rs2)'),
  m('mulhu', 'R', 0x02003033, rrr, 'rd = mulhu(rs1, rs2)'),
  m('div', 'R', 0x02004033, rrr, 'rd = div(rs1, rs2)'),
  m('divu', 'R', 0x02005033, rrr, 'rd = divu(rs1, rs2)'),
  m('rem', 'R', 0x02006033, rrr, 'rd = rem(rs1, rs2)'),
  m('remu', 'R', 0x02007033, rrr, 'rd = remu(rs1, rs2)'),
  m('mulw', 'R', 0x0200003b, rrr, 'rd = sext32(rs1 * rs2)'),
  m('divw', 'R', 0x0200403b, rrr, 'rd = divw(rs1, rs2)'),
  m('divuw', 'R', 0x0200503b, rrr, 'rd = divuw(rs1, rs2)'),
  m('remw', 'R', 0x0200603b, rrr, 'rd = remw(rs1, rs2)'),
  m('remuw', 'R', 0x0200703b, rrr, 'rd = remuw(rs1, rs2)'),
];
