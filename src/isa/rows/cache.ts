import { chapter, type Row } from '../instruction.ts';

const zicbom = chapter('zicbom', 'Unprivileged ISA, "CMO" Extensions, Zicbom');
const zicboz = chapter('zicboz', 'Unprivileged ISA, "CMO" Extensions, Zicboz');

/** Prefetches (Zicbop) are `ori` with rd = x0 and have no rows of their own; the disassembler names them. */
export const CACHE_ROWS: readonly Row[] = [
  zicbom('cbo.inval', 'R1', 0x0000200f, '(rs1)', 'call cbo_inval', { mask: 0xfff07fff }),
  zicbom('cbo.clean', 'R1', 0x0010200f, '(rs1)', 'call cbo_clean', { mask: 0xfff07fff }),
  zicbom('cbo.flush', 'R1', 0x0020200f, '(rs1)', 'call cbo_flush', { mask: 0xfff07fff }),
  zicboz('cbo.zero', 'R1', 0x0040200f, '(rs1)', 'call cbo_zero', { mask: 0xfff07fff }),
];
