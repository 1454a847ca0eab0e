import { DEBUG, RAM_AT, RAM_BASE } from '../../isa/layout.ts';
import { ACCESS } from '../core.ts';
import { CSR_OP, type Csrs } from './csr.ts';
import type { Memory } from './memory.ts';
import { EVENT, io, PC_HI, PC_LO, pcFromSlot, trap, xh, xl } from './registers.ts';
import { H, type State, TWO32 } from './state.ts';
import type { Traps } from './traps.ts';

/** An operation as the run loop calls it: operands of the slot (see instruction.ts, Format) in, an event out. */
export type Operation = (a: number, b: number, imm: number) => number;

const BREAKPOINT = 3;
const CBIE = 0x30;
const CBCFE = 0x40;
const CBZE = 0x80;

/** The operations that rows name with `call`. */
export function namedOperations(state: State, memory: Memory, csrs: Csrs, traps: Traps): Record<string, Operation> {
  const { m32 } = state;
  const csr =
    (kind: number): Operation =>
    (a, b, imm) =>
      csrs.execute(kind, a, imm, xl[b], xh[b], kind === CSR_OP.WRITE || b !== 0);
  const csrImmediate =
    (kind: number): Operation =>
    (a, b, imm) =>
      csrs.execute(kind, a, imm, b, 0, kind === CSR_OP.WRITE || b !== 0);

  const loadReserved =
    (width: 4 | 8): Operation =>
    (a, b) => {
      const offset = memory.atomic(xl[b], xh[b], width, ACCESS.READ, DEBUG.READ);
      if (offset < 0) return memory.refused;
      const at = (RAM_AT + offset) >>> 2;
      state.setNumber(state.h + H.reservation, RAM_BASE + offset);
      m32[state.h + H.reservationWidth] = width;
      xl[a] = m32[at];
      xh[a] = width === 8 ? m32[at + 1] : m32[at] >> 31;
      return memory.done();
    };

  const storeConditional =
    (width: 4 | 8): Operation =>
    (a, b, imm) => {
      const offset = memory.atomic(xl[b], xh[b], width, ACCESS.WRITE, DEBUG.WRITE);
      if (offset < 0) return memory.refused;
      const at = state.h + H.reservation;
      const address = RAM_BASE + offset;
      const holds =
        m32[at] === (address | 0) &&
        m32[at + 1] === Math.floor(address / TWO32) &&
        m32[state.h + H.reservationWidth] === width;
      m32[at] = -1;
      m32[at + 1] = -1;
      if (holds) memory.writeRam(offset, width, xl[imm & 255], xh[imm & 255]);
      xl[a] = holds ? 0 : 1;
      xh[a] = 0;
      return memory.done();
    };

  /** Whether the environment configuration lets the present privilege use a cache-block operation. */
  const enabled = (field: number): boolean => {
    const privilege = m32[state.h + H.prv];
    if (privilege < 3 && (m32[state.h + H.menvcfg] & field) === 0) return false;
    return privilege !== 0 || (m32[state.h + H.senvcfg] & field) !== 0;
  };
  const touchBlock =
    (field: number): Operation =>
    (_a, b) =>
      enabled(field) ? memory.touchBlock(xl[b], xh[b]) : EVENT.ILLEGAL;

  return {
    fence: () => EVENT.NONE,
    ecall: () => traps.ecall(),
    ebreak: () => {
      pcFromSlot();
      return trap(BREAKPOINT, io[PC_LO], io[PC_HI]);
    },
    csrrw: csr(CSR_OP.WRITE),
    csrrs: csr(CSR_OP.SET),
    csrrc: csr(CSR_OP.CLEAR),
    csrrwi: csrImmediate(CSR_OP.WRITE),
    csrrsi: csrImmediate(CSR_OP.SET),
    csrrci: csrImmediate(CSR_OP.CLEAR),
    mret: () => traps.mret(),
    sret: () => traps.sret(),
    wfi: () => traps.wfi(),
    wrs_nto: () => traps.waitOnReservation(),
    wrs_sto: () => EVENT.NONE,
    sfence_vma: () => traps.translationFence(),
    sfence_inval: () => traps.invalidationFence(),
    lr_w: loadReserved(4),
    lr_d: loadReserved(8),
    sc_w: storeConditional(4),
    sc_d: storeConditional(8),
    cbo_inval: touchBlock(CBIE),
    cbo_clean: touchBlock(CBCFE),
    cbo_flush: touchBlock(CBCFE),
    cbo_zero: (_a, b) => (enabled(CBZE) ? memory.zeroBlock(xl[b], xh[b]) : EVENT.ILLEGAL),
  };
}
