import type { Decoded } from './decode.ts';

/** Another spelling of an instruction whose operands have particular values. Syntax as in the tables. */
export interface Pseudo {
  readonly row: string;
  readonly name: string;
  readonly syntax: string;
  readonly when: (d: Decoded) => boolean;
}

const ZERO = 0;
const RA = 1;

const p = (row: string, name: string, syntax: string, when: (d: Decoded) => boolean): Pseudo => ({
  row,
  name,
  syntax,
  when,
});
const noRd = (d: Decoded): boolean => d.rd === ZERO;
const noRs1 = (d: Decoded): boolean => d.rs1 === ZERO;
const noRs2 = (d: Decoded): boolean => d.rs2 === ZERO;
const sameSources = (d: Decoded): boolean => d.rs1 === d.rs2;

const CSR = { fflags: 1, frm: 2, fcsr: 3, cycle: 0xc00, time: 0xc01, instret: 0xc02 } as const;

/** Reads of a named CSR (csrrs with rs1 = x0). */
const reads = (name: string, csr: number): Pseudo => p('csrrs', name, 'rd', (d) => d.imm === csr && noRs1(d));
/** Swaps and writes of a named CSR. */
const writes = (name: string, csr: number): Pseudo[] => [
  p('csrrw', name, 'rs1', (d) => d.imm === csr && noRd(d)),
  p('csrrw', name, 'rd, rs1', (d) => d.imm === csr),
];
const writesImmediate = (name: string, csr: number): Pseudo[] => [
  p('csrrwi', name, 'uimm', (d) => d.imm === csr && noRd(d)),
  p('csrrwi', name, 'rd, uimm', (d) => d.imm === csr),
];
const floats = (t: 's' | 'd'): Pseudo[] => [
  p(`fsgnj.${t}`, `fmv.${t}`, 'fd, fs1', sameSources),
  p(`fsgnjn.${t}`, `fneg.${t}`, 'fd, fs1', sameSources),
  p(`fsgnjx.${t}`, `fabs.${t}`, 'fd, fs1', sameSources),
];
/** Prefetches are `ori` to x0 (unprivileged ISA, "CMO" Extensions, Zicbop). */
const prefetch = (name: string, kind: number): Pseudo =>
  p('ori', name, 'prefetch(rs1)', (d) => noRd(d) && (d.imm & 31) === kind && d.length === 4);

/** In order of preference: the first that fits is used (unprivileged ISA, "RISC-V Assembly Programmer's Handbook"). */
export const PSEUDO_INSTRUCTIONS: readonly Pseudo[] = [
  p('addi', 'nop', '', (d) => noRd(d) && noRs1(d) && (d.imm === 0 || d.compressed?.name === 'c.nop')),
  p('addi', 'li', 'rd, imm', noRs1),
  p('addi', 'mv', 'rd, rs1', (d) => d.imm === 0 && d.compressed === undefined),
  p('add', 'mv', 'rd, rs2', (d) => d.compressed?.name === 'c.mv'),
  p('xori', 'not', 'rd, rs1', (d) => d.imm === -1),
  p('andi', 'zext.b', 'rd, rs1', (d) => d.imm === 255),
  p('addiw', 'sext.w', 'rd, rs1', (d) => d.imm === 0),
  p('add.uw', 'zext.w', 'rd, rs1', noRs2),
  p('sub', 'neg', 'rd, rs2', noRs1),
  p('subw', 'negw', 'rd, rs2', noRs1),
  p('sltiu', 'seqz', 'rd, rs1', (d) => d.imm === 1),
  p('sltu', 'snez', 'rd, rs2', noRs1),
  p('slt', 'sltz', 'rd, rs1', noRs2),
  p('slt', 'sgtz', 'rd, rs2', noRs1),
  p('beq', 'beqz', 'rs1, target', noRs2),
  p('bne', 'bnez', 'rs1, target', noRs2),
  p('bge', 'blez', 'rs2, target', noRs1),
  p('bge', 'bgez', 'rs1, target', noRs2),
  p('blt', 'bltz', 'rs1, target', noRs2),
  p('blt', 'bgtz', 'rs2, target', noRs1),
  p('jal', 'j', 'target', noRd),
  p('jal', 'jal', 'target', (d) => d.rd === RA),
  p('jalr', 'ret', '', (d) => noRd(d) && d.rs1 === RA && d.imm === 0),
  p('jalr', 'jr', 'rs1', (d) => noRd(d) && d.imm === 0),
  p('jalr', 'jr', 'imm(rs1)', noRd),
  p('jalr', 'jalr', 'rs1', (d) => d.rd === RA && d.imm === 0),
  p('jalr', 'jalr', 'imm(rs1)', (d) => d.rd === RA),
  p('jalr', 'jalr', 'rd, rs1', (d) => d.imm === 0),
  p('fence', 'fence.tso', '', (d) => (d.imm & 0xfff) === 0x833),
  p('fence', 'pause', '', (d) => d.imm === 0x010 && noRd(d) && noRs1(d)),
  p('fence', 'fence', '', (d) => (d.imm & 0xff) === 0xff),
  p('csrrw', 'unimp', '', (d) => d.imm === CSR.cycle && noRd(d) && noRs1(d)),
  reads('frflags', CSR.fflags),
  reads('frrm', CSR.frm),
  reads('frcsr', CSR.fcsr),
  reads('rdcycle', CSR.cycle),
  reads('rdtime', CSR.time),
  reads('rdinstret', CSR.instret),
  ...writes('fsflags', CSR.fflags),
  ...writes('fsrm', CSR.frm),
  ...writes('fscsr', CSR.fcsr),
  ...writesImmediate('fsflagsi', CSR.fflags),
  ...writesImmediate('fsrmi', CSR.frm),
  p('csrrs', 'csrr', 'rd, csr', noRs1),
  p('csrrw', 'csrw', 'csr, rs1', noRd),
  p('csrrs', 'csrs', 'csr, rs1', noRd),
  p('csrrc', 'csrc', 'csr, rs1', noRd),
  p('csrrwi', 'csrwi', 'csr, uimm', noRd),
  p('csrrsi', 'csrsi', 'csr, uimm', noRd),
  p('csrrci', 'csrci', 'csr, uimm', noRd),
  p('sfence.vma', 'sfence.vma', '', (d) => noRs1(d) && noRs2(d)),
  p('sfence.vma', 'sfence.vma', 'rs1', noRs2),
  ...floats('s'),
  ...floats('d'),
  prefetch('prefetch.i', 0),
  prefetch('prefetch.r', 1),
  prefetch('prefetch.w', 3),
];
