import type { Decoded } from '../isa/decode.ts';
import type { Instruction } from '../isa/instruction.ts';
import { isTouchedCsr } from './system.ts';

/** What an instruction means for the shape of translated code. */
export type InstructionClass = 'plain' | 'branch' | 'jump' | 'indirect' | 'leave';

/** Irregular operations (`call NAME`) that translated code does itself. */
const INLINE_CALLS: ReadonlySet<string> = new Set(['fence', 'sfence_vma', 'lr_w', 'lr_d', 'sc_w', 'sc_d']);

const classes = new Map<Instruction, InstructionClass>();

function classOf(row: Instruction): InstructionClass {
  const s = row.statement;
  switch (s.kind) {
    case 'branch':
      return 'branch';
    case 'jump':
      return row.format === 'J' ? 'jump' : 'indirect';
    case 'call':
      return INLINE_CALLS.has(s.name) ? 'plain' : 'leave';
    default:
      return 'plain';
  }
}

/** 'leave': the interpreter executes it. */
export function classify(decoded: Decoded): InstructionClass {
  const { row } = decoded;
  if (isTouchedCsr(decoded)) return 'plain';
  let c = classes.get(row);
  if (!c) classes.set(row, (c = classOf(row)));
  return c;
}
