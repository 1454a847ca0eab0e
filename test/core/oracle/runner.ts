import { assembleNamed, type Operands } from '../../../src/isa/encode.ts';
import { RAM_BASE } from '../../../src/isa/layout.ts';
import {
  CONTEXT,
  INPUT,
  INPUT_CSRS,
  INPUT_STRIDE,
  INPUTS,
  LOG_ENTRIES,
  LOG_WORDS,
  OUTPUT,
  OUTPUT_CSRS,
  OUTPUT_STRIDE,
  OUTPUTS,
} from './layout.ts';

/** The runner's own words, from CONTEXT on. */
const OWN = { x29: 0, x30: 8, x28: 16, log: 24, logEnd: 32, input: 40, output: 48, last: 56, spare: 64 } as const;
const MSTATUS = 0x300,
  MTVEC = 0x305,
  MSCRATCH = 0x340,
  MEPC = 0x341,
  MCAUSE = 0x342,
  MTVAL = 0x343,
  MIE = 0x304;
/** Causes after which a case goes on behind the instruction: all synchronous ones but calls and faults on fetching. */
const GO_ON = [2, 3, 4, 5, 6, 7, 13, 15];

/** Collects instructions; jumps to labels are filled in at the end. */
class Program {
  private readonly words: (number | (() => number))[] = [];
  private readonly labels = new Map<string, number>();

  get at(): number {
    return this.words.length * 4;
  }

  label(name: string): void {
    this.labels.set(name, this.at);
  }

  add(name: string, operands: Operands = {}): void {
    this.words.push(assembleNamed(name, operands));
  }

  /** A jump or branch to a label. */
  to(name: string, label: string, operands: Operands = {}): void {
    const from = this.at;
    this.words.push(() => {
      const target = this.labels.get(label);
      if (target === undefined) throw new Error(`no label ${label}`);
      return assembleNamed(name, { ...operands, imm: target - from });
    });
  }

  /** An address of RAM. */
  address(rd: number, offset: number): void {
    const value = RAM_BASE + offset;
    const low = (value << 20) >> 20;
    this.add('lui', { rd, imm: (value - low) | 0 });
    this.add('addiw', { rd, rs1: rd, imm: low });
    // lui gave the sign of bit 31
    this.add('slli', { rd, rs1: rd, imm: 32 });
    this.add('srli', { rd, rs1: rd, imm: 32 });
  }

  constant(rd: number, value: number): void {
    const low = (value << 20) >> 20;
    this.add('lui', { rd, imm: (value - low) | 0 });
    this.add('addiw', { rd, rs1: rd, imm: low });
  }

  csr(number: number, from: number): void {
    this.add('csrrw', { rd: 0, imm: number, rs1: from });
  }

  read(rd: number, number: number): void {
    this.add('csrrs', { rd, imm: number, rs1: 0 });
  }

  finish(): number[] {
    return this.words.map((w) => (typeof w === 'number' ? w : w()));
  }
}

/** The M-mode program for that many cases. Code addresses of case n are base + n × CODE_STRIDE, instructions stand in slots of 4 bytes. */
export function runner(cases: number): number[] {
  const p = new Program();
  p.to('jal', 'start', { rd: 0 });

  // ---- a trap: x31 is the context
  while (p.at < 64) p.add('addi');
  p.label('trap');
  p.add('csrrw', { rd: 31, imm: MSCRATCH, rs1: 31 });
  p.add('sd', { rs1: 31, rs2: 30, imm: OWN.x30 });
  p.add('sd', { rs1: 31, rs2: 29, imm: OWN.x29 });
  p.add('sd', { rs1: 31, rs2: 28, imm: OWN.x28 });
  p.add('ld', { rd: 30, rs1: 31, imm: OWN.log });
  p.read(29, MCAUSE);
  p.add('sd', { rs1: 30, rs2: 29, imm: 0 });
  p.read(28, MEPC);
  p.add('sd', { rs1: 30, rs2: 28, imm: 8 });
  p.read(28, MTVAL);
  p.add('sd', { rs1: 30, rs2: 28, imm: 16 });
  p.read(28, MSTATUS);
  p.add('sd', { rs1: 30, rs2: 28, imm: 24 });
  p.add('addi', { rd: 30, rs1: 30, imm: 8 * LOG_WORDS });
  p.add('sd', { rs1: 31, rs2: 30, imm: OWN.log });
  p.add('ld', { rd: 28, rs1: 31, imm: OWN.logEnd });
  p.to('bgeu', 'done', { rs1: 30, rs2: 28 });
  p.to('blt', 'interrupt', { rs1: 29, rs2: 0 });
  p.constant(
    28,
    GO_ON.reduce((bits, cause) => bits | (1 << cause), 0),
  );
  p.add('srl', { rd: 28, rs1: 28, rs2: 29 });
  p.add('andi', { rd: 28, rs1: 28, imm: 1 });
  p.to('beq', 'done', { rs1: 28, rs2: 0 });
  p.read(28, MEPC);
  p.add('andi', { rd: 28, rs1: 28, imm: -4 });
  p.add('addi', { rd: 28, rs1: 28, imm: 4 });
  p.csr(MEPC, 28);
  p.to('jal', 'resume', { rd: 0 });
  p.label('interrupt');
  p.csr(MIE, 0);
  p.label('resume');
  p.add('ld', { rd: 30, rs1: 31, imm: OWN.x30 });
  p.add('ld', { rd: 29, rs1: 31, imm: OWN.x29 });
  p.add('ld', { rd: 28, rs1: 31, imm: OWN.x28 });
  p.add('csrrw', { rd: 31, imm: MSCRATCH, rs1: 31 });
  p.add('mret');

  // ---- the case is over: dump
  p.label('done');
  p.add('ld', { rd: 30, rs1: 31, imm: OWN.output });
  for (let x = 1; x < 28; x++) p.add('sd', { rs1: 30, rs2: x, imm: 8 * (OUTPUT.x + x) });
  const kept: readonly (readonly [number, number])[] = [
    [28, OWN.x28],
    [29, OWN.x29],
    [30, OWN.x30],
  ];
  for (const [x, own] of kept) {
    p.add('ld', { rd: 5, rs1: 31, imm: own });
    p.add('sd', { rs1: 30, rs2: 5, imm: 8 * (OUTPUT.x + x) });
  }
  p.read(5, MSCRATCH);
  p.add('sd', { rs1: 30, rs2: 5, imm: 8 * (OUTPUT.x + 31) });
  p.constant(5, 0x6000);
  p.csr(MSTATUS, 5);
  for (let f = 0; f < 32; f++) p.add('fsd', { rs1: 30, rs2: f, imm: 8 * (OUTPUT.f + f) });
  Object.values(OUTPUT_CSRS).forEach((number, i) => {
    p.read(5, number);
    p.add('sd', { rs1: 30, rs2: 5, imm: 8 * (OUTPUT.csrs + i) });
  });
  p.csr(MIE, 0);
  p.add('ld', { rd: 4, rs1: 31, imm: OWN.input });
  p.add('addi', { rd: 4, rs1: 4, imm: INPUT_STRIDE });
  p.constant(5, OUTPUT_STRIDE);
  p.add('add', { rd: 30, rs1: 30, rs2: 5 });
  p.to('jal', 'next', { rd: 0 });

  // ---- power-on
  p.label('start');
  p.address(31, CONTEXT);
  p.csr(MSCRATCH, 31);
  p.address(5, 64);
  p.csr(MTVEC, 5);
  p.address(5, INPUTS + cases * INPUT_STRIDE);
  p.add('sd', { rs1: 31, rs2: 5, imm: OWN.last });
  p.address(4, INPUTS);
  p.address(30, OUTPUTS);
  p.constant(5, 0x6000);
  p.csr(MSTATUS, 5);

  // ---- no timer of the machine's
  p.constant(6, 0x2004000);
  p.add('addi', { rd: 5, rs1: 0, imm: -1 });
  p.add('sd', { rs1: 6, rs2: 5, imm: 0 });

  // ---- the next case: x4 its input, x30 its output, x31 the context
  p.label('next');
  p.add('ld', { rd: 5, rs1: 31, imm: OWN.last });
  p.to('bne', 'another', { rs1: 4, rs2: 5 });
  p.constant(5, 0x100000);
  p.constant(6, 0x5555);
  p.add('sw', { rs1: 5, rs2: 6, imm: 0 });
  p.to('jal', 'next', { rd: 0 });
  p.label('another');
  p.add('sd', { rs1: 31, rs2: 4, imm: OWN.input });
  p.add('sd', { rs1: 31, rs2: 30, imm: OWN.output });
  p.add('addi', { rd: 5, rs1: 30, imm: 8 * OUTPUT.log });
  p.add('sd', { rs1: 31, rs2: 5, imm: OWN.log });
  p.add('addi', { rd: 5, rs1: 5, imm: 8 * LOG_WORDS * LOG_ENTRIES });
  p.add('sd', { rs1: 31, rs2: 5, imm: OWN.logEnd });
  p.csr(MSCRATCH, 31);
  // forget the reservation of the case before
  p.add('addi', { rd: 5, rs1: 31, imm: OWN.spare });
  p.add('sc.w', { rd: 0, rs1: 5, rs2: 0 });
  Object.values(INPUT_CSRS).forEach((number, i) => {
    if (number === MSTATUS) {
      // before floating point may be off
      for (let f = 0; f < 32; f++) p.add('fld', { rd: f, rs1: 4, imm: 8 * (INPUT.f + f) });
      p.add('sfence.vma');
      p.add('fence.i');
    }
    p.add('ld', { rd: 5, rs1: 4, imm: 8 * (INPUT.csrs + i) });
    p.csr(number, 5);
  });
  for (let x = 1; x < 32; x++) if (x !== 4) p.add('ld', { rd: x, rs1: 4, imm: 8 * (INPUT.x + x) });
  p.add('ld', { rd: 4, rs1: 4, imm: 8 * (INPUT.x + 4) });
  p.add('mret');
  return p.finish();
}
