import { CSR_NAMES, FLOAT_REGISTERS, INTEGER_REGISTERS } from '../../isa/names.ts';
import { CSR, F, PC, PRV, type RegisterId, X } from '../../machine/view/machine-view.ts';

/**
 * Registers by gdb's numbers for RISC-V: x 0–31, pc 32, f 33–64, CSRs from 65 on by their number, the privilege after them. The
 * description (target.xml) states the same numbers.
 */
const PC_NUMBER = 32;
const F_NUMBER = 33;
const CSR_NUMBER = 65;
const PRV_NUMBER = CSR_NUMBER + 4096;

/** CSRs that gdb keeps among the floating-point registers. */
const FP_CSRS = [1, 2, 3];

/** The registers of a `g` packet, in order. */
export const GENERAL: readonly RegisterId[] = [
  ...Array.from({ length: 32 }, (_, i) => X(i)),
  PC,
  ...Array.from({ length: 32 }, (_, i) => F(i)),
];

/** @returns undefined for a number that is no register's */
export function registerByNumber(n: number): RegisterId | undefined {
  if (!Number.isInteger(n) || n < 0) return undefined;
  if (n < PC_NUMBER) return X(n);
  if (n === PC_NUMBER) return PC;
  if (n < CSR_NUMBER) return F(n - F_NUMBER);
  if (n === PRV_NUMBER) return PRV;
  return n < PRV_NUMBER && CSR_NAMES.has(n - CSR_NUMBER) ? CSR(n - CSR_NUMBER) : undefined;
}

const POINTERS: Readonly<Record<number, string>> = { 1: 'code_ptr', 2: 'data_ptr', 3: 'data_ptr', 4: 'data_ptr' };

/** target.xml ("Debugging with GDB", "Target Descriptions", RISC-V Features). */
export function targetXml(): string {
  const reg = (name: string, number: number, type: string, group = ''): string =>
    `    <reg name="${name}" bitsize="64" type="${type}" regnum="${number}"${group === '' ? '' : ` group="${group}"`}/>`;
  const x = INTEGER_REGISTERS.map((name, i) => reg(name === 's0' ? 'fp' : name, i, POINTERS[i] ?? 'int'));
  const f = FLOAT_REGISTERS.map((name, i) => reg(name, F_NUMBER + i, 'riscv_double'));
  const csr = (n: number, name: string): string => reg(name, CSR_NUMBER + n, 'int');
  const csrs = [...CSR_NAMES].filter(([n]) => !FP_CSRS.includes(n)).map(([n, name]) => csr(n, name));
  return `<?xml version="1.0"?>
<!DOCTYPE target SYSTEM "gdb-target.dtd">
<target version="1.0">
  <architecture>riscv:rv64</architecture>
  <feature name="org.gnu.gdb.riscv.cpu">
${x.join('\n')}
${reg('pc', PC_NUMBER, 'code_ptr')}
  </feature>
  <feature name="org.gnu.gdb.riscv.fpu">
    <union id="riscv_double"><field name="float" type="ieee_single"/><field name="double" type="ieee_double"/></union>
${f.join('\n')}
${FP_CSRS.map((n) => csr(n, CSR_NAMES.get(n)!)).join('\n')}
  </feature>
  <feature name="org.gnu.gdb.riscv.csr">
${csrs.join('\n')}
  </feature>
  <feature name="org.gnu.gdb.riscv.virtual">
${reg('priv', PRV_NUMBER, 'int')}
  </feature>
</target>
`;
}
