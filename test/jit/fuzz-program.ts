import { assemble, assembleNamed } from '../../src/isa/encode.ts';
import type { Instruction } from '../../src/isa/instruction.ts';
import { INSTRUCTIONS } from '../../src/isa/instructions.ts';
import { Assembler } from './assembler.ts';
import type { Random } from './random.ts';

// Whole programs at random: blocks that loop, call, jump through registers and change each other, over memory that is partly not there.
// x5–x7 scratch of the handler, x8 x9 x18 data pointers, x26 a block's address, x27 where the handler resumes after a wild jump.

const PLAIN = INSTRUCTIONS.filter((r) => r.statement.kind === 'rd' && r.format !== 'U' && !r.fp);
const FLOAT = INSTRUCTIONS.filter((r) => r.fp && (r.statement.kind === 'rd' || r.statement.kind === 'fd'));
const LOADS = INSTRUCTIONS.filter((r) => r.statement.kind === 'load');
const STORES = INSTRUCTIONS.filter((r) => r.statement.kind === 'store');
const ATOMICS = INSTRUCTIONS.filter((r) => r.format === 'AMO');
const BRANCHES = INSTRUCTIONS.filter((r) => r.statement.kind === 'branch');
/** Registers programs compute with. */
const WORK = [0, 1, 2, 3, 4, 10, 11, 12, 13, 14, 15, 16, 17, 28, 29, 30, 31] as const;
const POINTERS = [8, 9, 18] as const;
const COUNTERS = [0xb00, 0xb02, 0xc01, 0x340, 0x003, 0x001, 0x002] as const;
const FLAGS = [0, 1, 1, 1, 31] as const;

/** What a program is laid out over: offsets into RAM. */
export interface FuzzLayout {
  /** Blocks of code. */
  readonly blocks: number;
  readonly instructions: number;
  /** Where data pointers point. */
  readonly data: readonly number[];
  /** Address of RAM as the program sees it. */
  readonly base: number;
  /** Emitted in front, falling through to the first block. */
  readonly prologue?: (a: Assembler) => void;
  /** mret or sret, and the CSRs of that mode. */
  readonly supervisor: boolean;
  /** With page tables: an instruction sequence that changes them. */
  readonly remap?: (r: Random, a: Assembler) => void;
}

function operate(row: Instruction, r: Random): number {
  const imm = row.format === 'shift64' ? r.below(64) : row.format === 'shift32' ? r.below(32) : r.between(-2048, 2047);
  return assemble(row, {
    rd: r.pick(WORK),
    rs1: r.pick(WORK),
    rs2: r.pick(WORK),
    rs3: r.pick(WORK),
    imm,
    rm: row.rm ? r.pick([0, 0, 7, 7, 7, 1, 2, 3, 4]) : 0,
  });
}

function floating(row: Instruction, r: Random): number {
  return assemble(row, {
    rd: r.below(8),
    rs1: r.below(8),
    rs2: r.below(8),
    rs3: r.below(8),
    rm: row.rm ? r.pick([0, 0, 7, 7, 7, 7, 1, 2, 3, 4]) : 0,
  });
}

/** Scratch, status bits (SUM, MXR, FS; interrupts on and off), interrupts enabled and pending. */
function system(r: Random, { supervisor }: FuzzLayout, a: Assembler): void {
  const name = r.pick(['csrrw', 'csrrs', 'csrrc'] as const);
  const kind = r.below(5);
  if (kind === 0)
    return a.op(name, {
      rd: r.pick(WORK),
      rs1: r.pick(WORK),
      imm: r.pick(supervisor ? [0x140, 0x143] : [0x340, 0x343, 0x140, 0x141]),
    });
  if (kind === 1) {
    a.li(5, r.pick([0x40000, 0x80000, 0xc0000, 0x2000, 0x6000]));
    return a.op(r.pick(['csrrs', 'csrrs', 'csrrc']), {
      rd: r.pick(WORK),
      rs1: 5,
      imm: supervisor ? 0x100 : r.pick([0x100, 0x300]),
    });
  }
  if (kind === 2)
    return a.op(`${name === 'csrrw' ? 'csrrs' : name}i`, {
      rd: r.pick(WORK),
      rs1: supervisor ? 2 : r.pick([2, 8]),
      imm: supervisor ? 0x100 : 0x300,
    });
  if (kind === 3)
    return a.op(`${name}i`, {
      rd: r.pick(WORK),
      rs1: r.pick([0, 2]),
      imm: r.pick(supervisor ? [0x104, 0x144] : [0x304, 0x344, 0x104, 0x144]),
    });
  a.op(r.pick(['sfence.vma', 'sret', 'csrrs']), { rd: 0, rs1: 0, imm: 0x140 });
}

/** One instruction that goes on at the next. */
function instruction(r: Random, l: FuzzLayout, a: Assembler): void {
  const kind = r.below(100);
  const aligned = (bytes: number): number =>
    r.chance(92) ? Math.trunc(r.between(-2048, 2040) / bytes) * bytes : r.between(-2048, 2047);
  if (kind < 38) a.word(operate(r.pick(PLAIN), r));
  else if (kind < 50) a.word(floating(r.pick(FLOAT), r));
  else if (kind < 65) a.word(assemble(r.pick(LOADS), { rd: r.pick(WORK), rs1: r.pick(POINTERS), imm: aligned(8) }));
  else if (kind < 78) a.word(assemble(r.pick(STORES), { rs1: r.pick(POINTERS), rs2: r.pick(WORK), imm: aligned(8) }));
  else if (kind < 84) {
    const rd = r.pick(POINTERS);
    a.li(rd, l.base + r.pick(l.data) + (r.chance(90) ? r.below(512) * 8 : r.below(4096)));
    a.op('add.uw', { rd, rs1: rd, rs2: 0 });
  } else if (kind < 88)
    a.word(assemble(r.pick(ATOMICS), { rd: r.pick(WORK), rs1: r.pick(POINTERS), rs2: r.pick(WORK) }));
  else if (kind < 91)
    a.word(assembleNamed(r.pick(['lui', 'auipc']), { rd: r.pick(WORK), imm: (r.u32() & 0xfffff000) | 0 }));
  else if (kind < 93)
    a.half(
      r.pick([0x0001, 0x9002 + (r.pick([10, 11, 12]) << 7) + (r.pick([13, 14, 15]) << 2), 0x4501 + (r.below(8) << 2)]),
    );
  else if (kind < 95) {
    const csr = r.pick(l.supervisor ? [0xc00, 0xc02, 0xc01, 0x140, 0x003, 0x001, 0x002] : COUNTERS);
    if (csr === 0x001 || csr === 0x003) a.op('csrrwi', { rd: r.pick(WORK), rs1: r.pick(FLAGS), imm: csr });
    else if (r.chance(50)) a.op('csrrs', { rd: r.pick(WORK), rs1: 0, imm: csr });
    else system(r, l, a);
  } else if (kind < 96) a.op(r.pick(['fence', 'fence.i', 'ecall', 'ebreak', 'wrs.sto']));
  else if (kind < 97) a.word(r.chance(50) ? 0 : (r.u32() & ~0x60) | 0x6b);
  else if (kind < 98) {
    // another block's instruction changes
    a.la(26, `b${r.below(l.blocks)}`);
    a.op('sw', { rs1: 26, rs2: r.pick(WORK), imm: r.below(4) * 4 });
    if (r.chance(70)) {
      a.li(5, r.chance(50) ? operate(r.pick(PLAIN), r) : floating(r.pick(FLOAT), r));
      a.op('sw', { rs1: 26, rs2: 5, imm: 0 });
    }
  } else {
    a.la(26, `b${r.below(l.blocks)}`);
    a.op('lw', { rd: r.pick(WORK), rs1: 26, imm: 0 });
  }
}

/** A branch to a label; over a jump when the label may be too far. */
function branch(r: Random, a: Assembler, target: string): void {
  const name = r.pick(BRANCHES).name;
  const operands = { rs1: r.pick(WORK), rs2: r.pick(WORK) };
  const at = a.known(target);
  if (at !== undefined && a.here - at < 4000) return a.to(name, operands, target);
  a.op(name, { ...operands, imm: 8 });
  a.to('jal', { rd: 0 }, target);
}

/** A program: it never ends. */
export function fuzzProgram(r: Random, l: FuzzLayout): Uint8Array {
  const a = new Assembler();
  l.prologue?.(a);
  const csr = l.supervisor
    ? { tvec: 0x105, cause: 0x142, epc: 0x141, scratch: 0x140 }
    : { tvec: 0x305, cause: 0x342, epc: 0x341, scratch: 0x340 };
  a.la(5, 'handler');
  a.op('csrrw', { rd: 0, rs1: 5, imm: csr.tvec });
  a.la(27, 'b0');
  for (const p of POINTERS) {
    a.li(p, l.base + r.pick(l.data));
    a.op('add.uw', { rd: p, rs1: p, rs2: 0 });
  }
  a.op('csrrwi', { rd: 0, rs1: 1, imm: 0x001 });
  for (let f = 0; f < 8; f++) {
    a.li(10, r.u32() | 0);
    a.op(r.pick(['fcvt.d.w', 'fcvt.s.w', 'fmv.d.x', 'fmv.w.x']), { rd: f, rs1: 10 });
  }
  a.to('jal', { rd: 0 }, 'b0');
  a.label('handler');
  // a wild jump resumes at x27, everything else behind the instruction
  a.op('csrrs', { rd: 5, rs1: 0, imm: csr.cause });
  a.op('addi', { rd: 6, rs1: 0, imm: 1 });
  a.to('beq', { rs1: 5, rs2: 6 }, 'wild');
  a.op('addi', { rd: 6, rs1: 0, imm: 12 });
  a.to('beq', { rs1: 5, rs2: 6 }, 'wild');
  a.op('csrrs', { rd: 5, rs1: 0, imm: csr.epc });
  a.op('lhu', { rd: 6, rs1: 5, imm: 0 });
  a.op('addi', { rd: 5, rs1: 5, imm: 2 });
  a.op('andi', { rd: 6, rs1: 6, imm: 3 });
  a.op('addi', { rd: 7, rs1: 0, imm: 3 });
  a.to('bne', { rs1: 6, rs2: 7 }, 'resume');
  a.op('addi', { rd: 5, rs1: 5, imm: 2 });
  a.label('resume');
  a.op('csrrw', { rd: 0, rs1: 5, imm: csr.epc });
  a.op(l.supervisor ? 'sret' : 'mret');
  a.label('wild');
  a.op('csrrw', { rd: 0, rs1: 27, imm: csr.epc });
  a.op(l.supervisor ? 'sret' : 'mret');
  for (let b = 0; b < l.blocks; b++) {
    if (r.chance(8)) while ((a.here & 0xfff) < 0xff0 - r.below(24) * 2) a.half(1);
    a.label(`b${b}`);
    const n = r.between(1, l.instructions);
    for (let i = 0; i < n; i++) instruction(r, l, a);
    const target = `b${r.chance(50) ? Math.max(0, b - r.below(3)) : r.below(l.blocks)}`;
    const end = r.below(10);
    if (end < 5) branch(r, a, target);
    else if (end < 6) a.to('jal', { rd: 1 }, target);
    else if (end < 7) {
      a.la(26, target);
      a.op('jalr', { rd: r.pick([0, 1]), rs1: 26, imm: 0 });
    } else if (end < 8) {
      a.to('jal', { rd: 1 }, target);
      a.op('jalr', { rd: 0, rs1: 1, imm: r.pick([0, 0, 0, 4]) });
    } else if (end < 9) a.to('jal', { rd: 0 }, target);
    else a.op('jalr', { rd: 0, rs1: 1, imm: 0 });
  }
  a.to('jal', { rd: 0 }, 'b0');
  return a.finish();
}
