import { FIRST_ROW, type Instruction, type Row } from './instruction.ts';
import { ATOMIC_ROWS } from './rows/atomic.ts';
import { BASE_ROWS } from './rows/base.ts';
import { BITS_ROWS } from './rows/bits.ts';
import { CACHE_ROWS } from './rows/cache.ts';
import { FLOAT_ROWS } from './rows/float.ts';
import { MULTIPLY_ROWS } from './rows/multiply.ts';

const rows: readonly Row[] = [
  ...BASE_ROWS,
  ...MULTIPLY_ROWS,
  ...ATOMIC_ROWS,
  ...FLOAT_ROWS,
  ...BITS_ROWS,
  ...CACHE_ROWS,
];

/** Every 32-bit instruction, one row each. */
export const INSTRUCTIONS: readonly Instruction[] = rows.map((row, i) => ({ ...row, index: FIRST_ROW + i }));

export const INSTRUCTION_BY_NAME: ReadonlyMap<string, Instruction> = new Map(INSTRUCTIONS.map((r) => [r.name, r]));
