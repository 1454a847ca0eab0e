import { extensionBit } from '../../isa/decode.ts';
import { EVENT, io, PC_HI, PC_LO, trap } from './registers.ts';
import { H, M, type State } from './state.ts';

const SIE = 1 << 1;
const MIE = 1 << 3;
const SPIE = 1 << 5;
const MPIE = 1 << 7;
const SPP = 1 << 8;
const MPP = 3 << 11;
const MPRV = 1 << 17;
const TVM = 1 << 20;
const TW = 1 << 21;
const TSR = 1 << 22;
/** Interrupts by priority: MEI MSI MTI SEI SSI STI. */
const PRIORITY = [11, 3, 7, 9, 1, 5];
const STIP = 1 << 5;
const COMPRESSED = extensionBit('c');
const SSTC = extensionBit('sstc');
const ECALL_FROM_U = 8;

/** Traps, interrupts and the instructions about them (privileged ISA, "Trap Handling", "Trap-Return Instructions"). */
export class Traps {
  private readonly state: State;

  constructor(state: State) {
    this.state = state;
  }

  /** Pending bits: written, wired, and STIP by comparison when Sstc is enabled. */
  get pending(): number {
    const { m32, h } = this.state;
    const bits = m32[h + H.mip] | m32[h + H.lines];
    if (m32[h + H.menvcfg + 1] >= 0 || (this.state.extensions & SSTC) === 0) return bits;
    const due = Math.floor(this.state.now / 64) >= this.state.number(h + H.stimecmp);
    return due ? bits | STIP : bits & ~STIP;
  }

  /** Whether the hart has a reason to leave WFI. */
  get wakes(): boolean {
    return (this.pending & this.state.m32[this.state.h + H.mie]) !== 0;
  }

  /** Takes the highest enabled interrupt, if there is one: PC becomes its handler. @returns whether there was */
  interrupt(): boolean {
    const { m32, h } = this.state;
    const mie = m32[h + H.mie];
    if (mie === 0) return false;
    const pending = this.pending & mie;
    if (pending === 0) return false;
    const privilege = m32[h + H.prv];
    const status = m32[h + H.mstatus];
    const delegated = m32[h + H.mideleg];
    let enabled = privilege < 3 || (status & MIE) !== 0 ? pending & ~delegated : 0;
    if (enabled === 0 && (privilege < 1 || (privilege === 1 && (status & SIE) !== 0))) enabled = pending & delegated;
    for (const cause of PRIORITY) {
      if ((enabled & (1 << cause)) === 0) continue;
      this.enter(cause, true, 0, 0);
      return true;
    }
    return false;
  }

  /** Takes a synchronous trap from the instruction at PC: its tick was used, but it did not retire. */
  exception(cause: number, tvalLo: number, tvalHi: number): void {
    const { m32, h } = this.state;
    const lo = m32[h + H.instretOffset];
    m32[h + H.instretOffset] = lo - 1;
    if (lo === 0) m32[h + H.instretOffset + 1]--;
    this.enter(cause, false, tvalLo, tvalHi);
  }

  private enter(cause: number, interrupt: boolean, tvalLo: number, tvalHi: number): void {
    const { m32, h } = this.state;
    const privilege = m32[h + H.prv];
    const status = m32[h + H.mstatus];
    const delegation = m32[h + (interrupt ? H.mideleg : H.medeleg)];
    const supervisor = privilege < 3 && (delegation & (1 << cause)) !== 0;
    m32[M.lastTrap] = cause | (interrupt ? 1 << 31 : 0);
    const epc = h + (supervisor ? H.sepc : H.mepc);
    const causeAt = h + (supervisor ? H.scause : H.mcause);
    const tval = h + (supervisor ? H.stval : H.mtval);
    const vector = h + (supervisor ? H.stvec : H.mtvec);
    m32[epc] = io[PC_LO];
    m32[epc + 1] = io[PC_HI];
    m32[causeAt] = cause;
    m32[causeAt + 1] = interrupt ? 1 << 31 : 0;
    m32[tval] = tvalLo;
    m32[tval + 1] = tvalHi;
    if (supervisor) {
      m32[h + H.mstatus] = (status & ~(SPIE | SPP | SIE)) | ((status & SIE) !== 0 ? SPIE : 0) | (privilege << 8);
      m32[h + H.prv] = 1;
    } else {
      m32[h + H.mstatus] = (status & ~(MPIE | MPP | MIE)) | ((status & MIE) !== 0 ? MPIE : 0) | (privilege << 11);
      m32[h + H.prv] = 3;
    }
    const base = m32[vector] & ~3;
    const offset = interrupt && (m32[vector] & 1) !== 0 ? 4 * cause : 0;
    const lo = (base + offset) | 0;
    io[PC_LO] = lo;
    io[PC_HI] = m32[vector + 1] + (lo >>> 0 < base >>> 0 ? 1 : 0);
  }

  /** Low bits of return addresses that can be set. */
  get returnMask(): number {
    return (this.state.extensions & COMPRESSED) !== 0 ? ~1 : ~3;
  }

  mret(): number {
    const { m32, h } = this.state;
    if (m32[h + H.prv] !== 3) return EVENT.ILLEGAL;
    const status = m32[h + H.mstatus];
    const to = (status >> 11) & 3;
    m32[h + H.mstatus] = (status & ~(MIE | MPP | (to === 3 ? 0 : MPRV))) | ((status & MPIE) !== 0 ? MIE : 0) | MPIE;
    return this.return(to, h + H.mepc);
  }

  sret(): number {
    const { m32, h } = this.state;
    const privilege = m32[h + H.prv];
    const status = m32[h + H.mstatus];
    if (privilege === 0 || (privilege === 1 && (status & TSR) !== 0)) return EVENT.ILLEGAL;
    m32[h + H.mstatus] = (status & ~(SIE | SPP | MPRV)) | ((status & SPIE) !== 0 ? SIE : 0) | SPIE;
    return this.return((status >> 8) & 1, h + H.sepc);
  }

  private return(privilege: number, epc: number): number {
    const { m32, h } = this.state;
    m32[h + H.prv] = privilege;
    io[PC_LO] = m32[epc] & this.returnMask;
    io[PC_HI] = m32[epc + 1];
    return EVENT.RETURNED;
  }

  ecall(): number {
    const privilege = this.state.m32[this.state.h + H.prv];
    if (privilege === 1 && this.state.m32[M.hostSbi] !== 0) return EVENT.SBI;
    return trap(ECALL_FROM_U + privilege, 0, 0);
  }

  wfi(): number {
    const { m32, h } = this.state;
    if (!this.mayWait) return EVENT.ILLEGAL;
    if (this.wakes) return EVENT.NONE;
    m32[h + H.waiting] = 1;
    return EVENT.WAIT;
  }

  /** WRS.NTO never waits, but may not be used everywhere. */
  waitOnReservation(): number {
    const { m32, h } = this.state;
    return m32[h + H.prv] === 3 || (m32[h + H.mstatus] & TW) === 0 ? EVENT.NONE : EVENT.ILLEGAL;
  }

  private get mayWait(): boolean {
    const privilege = this.state.m32[this.state.h + H.prv];
    return privilege === 3 || (privilege === 1 && (this.state.m32[this.state.h + H.mstatus] & TW) === 0);
  }

  /** sfence.vma, sinval.vma: translations need no fence, but the privilege counts. */
  translationFence(): number {
    const privilege = this.state.m32[this.state.h + H.prv];
    if (privilege === 0 || (privilege === 1 && this.refusesTranslationControl)) return EVENT.ILLEGAL;
    return EVENT.NONE;
  }

  /** sfence.w.inval, sfence.inval.ir. */
  invalidationFence(): number {
    return this.state.m32[this.state.h + H.prv] === 0 ? EVENT.ILLEGAL : EVENT.NONE;
  }

  /** mstatus.TVM. */
  get refusesTranslationControl(): boolean {
    return (this.state.m32[this.state.h + H.mstatus] & TVM) !== 0;
  }
}
