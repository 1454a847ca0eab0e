/** The cores, as functions from case bytes to outcome bytes: a guest program executes each case's instruction. */
import { rig } from '../../bench/jit/rig.ts';
import type { Core } from '../../src/core/core.ts';
import { RAM_BASE } from '../../src/isa/layout.ts';
import { Assembler } from '../jit/assembler.ts';
import { CASE_BYTES, NATIVE, type Operation, OUTCOME_BYTES, operations } from './operations.ts';
import type { Subject } from './subjects.ts';

/** Where the instructions take their rounding mode from: frm, or their own field while frm says to nearest. */
export type Rounding = 'dynamic' | 'static';

const FFLAGS = 1;
const FRM = 2;
const CASES_AT = 0x10000;
const MODES = 5;
const [CASE, OUTCOME, COUNT, MODE, RESULT, FLAGS, A, FULL] = [10, 11, 12, 13, 14, 15, 16, 20];

/** One loop over the cases of an operation. @returns the program and the most instructions a case takes */
function program(
  { takes, gives, instruction, rounds }: Operation,
  rounding: Rounding,
): { code: Uint8Array; ticks: number } {
  const a = new Assembler();
  const run = (rm: number): void =>
    a.op(instruction, {
      rd: gives === 'x' ? RESULT : 3,
      ...Object.fromEntries(takes.map((kind, i) => [`rs${i + 1}`, kind === 'x' ? A + i : i])),
      ...(rounds && { rm }),
    });
  a.label('next');
  a.op('lwu', { rd: FULL, rs1: CASE, imm: 4 });
  takes.forEach((_, i) => a.op('ld', { rd: A + i, rs1: CASE, imm: 8 + 8 * i }));
  a.op('andi', { rd: MODE, rs1: FULL, imm: NATIVE - 1 });
  a.op('csrrw', { rs1: rounding === 'dynamic' ? MODE : 0, imm: FRM });
  // NX is set where a case says so
  a.op('srli', { rd: FLAGS, rs1: FULL, imm: Math.log2(NATIVE) });
  a.op('csrrw', { rs1: FLAGS, imm: FFLAGS });
  takes.forEach((kind, i) => kind !== 'x' && a.op(kind === 'd' ? 'fmv.d.x' : 'fmv.w.x', { rd: i, rs1: A + i }));
  if (rounding === 'dynamic' || !rounds) run(7);
  else {
    for (let rm = 0; rm < MODES; rm++) {
      a.op('addi', { rd: FLAGS, imm: rm });
      a.to('bne', { rs1: MODE, rs2: FLAGS }, `not ${rm}`);
      run(rm);
      a.to('jal', {}, 'done');
      a.label(`not ${rm}`);
    }
    a.label('done');
  }
  a.op('csrrs', { rd: FLAGS, imm: FFLAGS });
  if (gives !== 'x') a.op(gives === 'd' ? 'fmv.x.d' : 'fmv.x.w', { rd: RESULT, rs1: 3 });
  a.op(gives === 's' ? 'sw' : 'sd', { rs1: OUTCOME, rs2: RESULT });
  a.op('sd', { rs1: OUTCOME, rs2: FLAGS, imm: 8 });
  a.op('addi', { rd: CASE, rs1: CASE, imm: CASE_BYTES });
  a.op('addi', { rd: OUTCOME, rs1: OUTCOME, imm: OUTCOME_BYTES });
  a.op('addi', { rd: COUNT, rs1: COUNT, imm: -1 });
  a.to('bne', { rs1: COUNT }, 'next');
  a.label('end');
  a.to('jal', {}, 'end');
  const code = a.finish();
  return { code, ticks: code.length / 4 };
}

/** A core as a subject; all cases of a call are of one operation. */
export function guest(kind: Core['kind'], rounding: Rounding): Subject {
  return (cases) => {
    const count = cases.length / CASE_BYTES;
    const operation = operations[new DataView(cases.buffer, cases.byteOffset).getUint32(0, true)]!;
    const { code, ticks } = program(operation, rounding);
    const outcomesAt = CASES_AT + cases.length;
    const ram = Math.ceil((outcomesAt + count * OUTCOME_BYTES) / (1 << 20)) << 20;
    const { core, hart, memory } = rig(kind, code, ram, { threshold: 0 });
    memory.ramBytes.set(cases, CASES_AT);
    core.ramChanged(CASES_AT, cases.length);
    hart.set('mstatus', hart.get('mstatus') | 0x6000n);
    hart.set('x', BigInt(RAM_BASE + CASES_AT), CASE);
    hart.set('x', BigInt(RAM_BASE + outcomesAt), OUTCOME);
    hart.set('x', BigInt(count), COUNT);
    core.hartChanged(0);
    core.run(0, count * ticks);
    if (hart.get('x', COUNT) !== 0n)
      throw new Error(`${operation.instruction}: ${hart.get('x', COUNT)} cases were not executed`);
    return memory.ramBytes.slice(outcomesAt, outcomesAt + count * OUTCOME_BYTES);
  };
}
