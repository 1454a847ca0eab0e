/**
 * Pairs of instructions that the interpreter executes with one dispatch: the most frequent ones in samples of the benchmark programs
 * and the kernel under them. The first never jumps; either may trap.
 */
export const FUSED_PAIRS: readonly string[] = [
  'ld ld', 'sd sd', 'add add', 'addi addi', 'addi add', 'add addi',
  'slli srli', 'add sb', 'srli add', 'sb addw', 'ld addi', 'addi beq',
  'addi bne', 'lbu add', 'addi sd', 'fld fld', 'fld addi', 'add jalr',
  'addw bltu', 'slli addi', 'addiw addiw', 'addw bgeu', 'addi addiw', 'add ld',
  'lw lw', 'fmadd.d bne', 'sd addi', 'addi fmadd.d', 'lw addi', 'add lh',
  'sw addi', 'slli add', 'addi lbu', 'ld add', 'addi andi', 'addi jalr',
  'remuw add', 'divuw bltu', 'sb divuw', 'addiw sb', 'sb bne', 'addi sw',
  'add lw', 'sltu sltu', 'slliw or', 'subw jalr', 'sltu subw', 'fadd.s flt.s',
  'fmul.s fadd.s', 'flt.s bne', 'fmul.s fmul.s', 'fadd.s fsub.s', 'fsub.s addiw', 'addiw fmadd.s',
  'andi sub', 'lw sltu', 'fadd.s beq', 'fmadd.s fadd.s', 'sd jal', 'addi ld',
  'lbu bne', 'add jal', 'sub add', 'xor xor',
];
