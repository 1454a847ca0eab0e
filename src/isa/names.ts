import { CSRS } from './csrs.ts';

/** ABI names of the integer registers (RISC-V ABIs Specification, "Integer Register Convention"). */
export const INTEGER_REGISTERS: readonly string[] = [
  'zero',
  'ra',
  'sp',
  'gp',
  'tp',
  't0',
  't1',
  't2',
  's0',
  's1',
  'a0',
  'a1',
  'a2',
  'a3',
  'a4',
  'a5',
  'a6',
  'a7',
  's2',
  's3',
  's4',
  's5',
  's6',
  's7',
  's8',
  's9',
  's10',
  's11',
  't3',
  't4',
  't5',
  't6',
];

/** ABI names of the floating-point registers. */
export const FLOAT_REGISTERS: readonly string[] = [
  'ft0',
  'ft1',
  'ft2',
  'ft3',
  'ft4',
  'ft5',
  'ft6',
  'ft7',
  'fs0',
  'fs1',
  'fa0',
  'fa1',
  'fa2',
  'fa3',
  'fa4',
  'fa5',
  'fa6',
  'fa7',
  'fs2',
  'fs3',
  'fs4',
  'fs5',
  'fs6',
  'fs7',
  'fs8',
  'fs9',
  'fs10',
  'fs11',
  'ft8',
  'ft9',
  'ft10',
  'ft11',
];

/** Names of privilege levels by number. */
export const PRIVILEGES = { 0: 'U', 1: 'S', 3: 'M' } as const;

/** Every CSR the machine has: number to name. */
export const CSR_NAMES: ReadonlyMap<number, string> = new Map(
  CSRS.flatMap((row) => {
    if (row.count === undefined) return [[row.number, row.name] as const];
    return Array.from({ length: row.count }, (_, i) => [row.number + i, `${row.name}${(row.first ?? 0) + i}`] as const);
  }),
);

/** Name of a CSR, or its number in hexadecimal when it has none. */
export const csrName = (csr: number): string => CSR_NAMES.get(csr) ?? `0x${csr.toString(16)}`;
