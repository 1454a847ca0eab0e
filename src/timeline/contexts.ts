import { CSR, type MachineView, PC, PRV, X } from '../machine/view/machine-view.ts';
import { nextInstruction } from '../machine/view/next-access.ts';

const [SSTATUS, STVEC, SEPC, SCAUSE, SATP] = [0x100, 0x105, 0x141, 0x142, 0x180];
const [MSTATUS, MTVEC, MEPC, MCAUSE] = [0x300, 0x305, 0x341, 0x342];
/** Entries of a vectored trap table that interrupts may come in at. */
const VECTORS = 16n;

/** What tells one flow of control from another that executes the same code. */
export interface Context {
  readonly pc: bigint;
  readonly sp: bigint;
  readonly prv: bigint;
  readonly satp: bigint;
}

export function contextOf(view: MachineView, hart: number): Context {
  const prv = view.readRegister(hart, PRV)!;
  const pc = view.readRegister(hart, PC)!;
  return { pc, sp: view.readRegister(hart, X(2))!, prv, satp: view.readRegister(hart, CSR(SATP)) ?? 0n };
}

export const sameContext = (a: Context, b: Context): boolean =>
  a.pc === b.pc && a.sp === b.sp && a.prv === b.prv && a.satp === b.satp;

/** The trap CSRs of a hart's privilege (privileged ISA, "Supervisor Trap Vector Base Address" and the like); undefined in U-mode. */
function trapState(
  view: MachineView,
  hart: number,
): { readonly vector: bigint; readonly cause: bigint; readonly epc: bigint; readonly previous: bigint } | undefined {
  const csr = (number: number): bigint => view.readRegister(hart, CSR(number)) ?? 0n;
  switch (view.readRegister(hart, PRV)) {
    case 1n:
      return { vector: csr(STVEC), cause: csr(SCAUSE), epc: csr(SEPC), previous: (csr(SSTATUS) >> 8n) & 1n };
    case 3n:
      return { vector: csr(MTVEC), cause: csr(MCAUSE), epc: csr(MEPC), previous: (csr(MSTATUS) >> 11n) & 3n };
    default:
      return undefined;
  }
}

/** What was interrupted, where a hart is at the first instruction of an interrupt's handler. */
export function interruptedContext(view: MachineView, hart: number): Context | undefined {
  const trap = trapState(view, hart);
  if (trap === undefined || trap.cause >> 63n === 0n) return undefined;
  const { pc, sp, satp } = contextOf(view, hart);
  const base = trap.vector & ~3n;
  const entry = trap.vector & 1n ? base + 4n * (trap.cause & 0xfffn) : base;
  return pc === entry ? { pc: trap.epc, sp, satp, prv: trap.previous } : undefined;
}

/** The addresses [start, end) at which traps enter the privilege that a hart is in; undefined in U-mode. */
export function trapEntries(view: MachineView, hart: number): readonly [bigint, bigint] | undefined {
  const vector = trapState(view, hart)?.vector;
  if (vector === undefined) return undefined;
  const base = vector & ~3n;
  return [base, base + (vector & 1n ? VECTORS * 4n : 1n)];
}

/** Where the trap return that a hart is about to execute leads; undefined when it is at none. */
export function trapReturn(view: MachineView, hart: number): bigint | undefined {
  const name = nextInstruction(view, hart)?.row.name;
  return name === 'sret' || name === 'mret' ? trapState(view, hart)?.epc : undefined;
}

/** The address of the instruction that the last trap of a hart's privilege came before or from. */
export const trappedAt = (view: MachineView, hart: number): bigint | undefined => trapState(view, hart)?.epc;
