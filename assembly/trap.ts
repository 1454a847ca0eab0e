import { selectBanks } from "./banks";
import { Cause, clearTrap, setTrap, trapCause, trapValue } from "./fault";
import {
  EXT_C, EXT_SSTC, HART_INSTRET_OFFSET, HART_LINES, HART_MCAUSE, HART_MEDELEG, HART_MENVCFG, HART_MEPC, HART_MIDELEG, HART_MIE, HART_MIP,
  HART_MSTATUS, HART_MTVAL, HART_MTVEC, HART_PC, HART_PRV, HART_SCAUSE, HART_SEPC, HART_STIMECMP, HART_STVAL, HART_STVEC,
  MACHINE_HOST_SBI, MACHINE_LAST_TRAP, MACHINE_LEFT, MACHINE_TIME_END,
} from "./generated/layout";
import { extension } from "./slot";

// Traps (privileged ISA, "Machine Trap-Handling", "Supervisor CSRs", "Trap-Return Instructions").

export const SIE: u64 = 1 << 1, MIE: u64 = 1 << 3, SPIE: u64 = 1 << 5, MPIE: u64 = 1 << 7, SPP: u64 = 1 << 8, MPP: u64 = 3 << 11;
const MPRV: u64 = 1 << 17;

/** Guest time in ticks, including the instruction being executed. */
// @ts-ignore: decorator
@inline export function ticksNow(): u64 {
  return load<u64>(MACHINE_TIME_END) - <u64>load<u32>(MACHINE_LEFT);
}

/** All pending bits: written, wired and STIP by comparison (Sstc). */
export function pendingBits(h: usize): u64 {
  const bits = load<u64>(h, HART_MIP) | <u64>load<u32>(h, HART_LINES);
  if (load<u64>(h, HART_MENVCFG) >> 63 == 0 || !extension(EXT_SSTC)) return bits;
  return (bits & ~0x20) | (ticksNow() >> 6 >= load<u64>(h, HART_STIMECMP) ? 0x20 : 0);
}

/** Interrupts that are pending and enabled, of the mode they go to. Expects MACHINE.left stored. */
export function enabledInterrupts(h: usize): u64 {
  const pending = pendingBits(h) & load<u64>(h, HART_MIE);
  if (pending == 0) return 0;
  const prv = load<u32>(h, HART_PRV);
  const mstatus = load<u64>(h, HART_MSTATUS);
  const mideleg = load<u64>(h, HART_MIDELEG);
  const enabled: u64 = prv < 3 || (mstatus & MIE) != 0 ? pending & ~mideleg : 0;
  return enabled == 0 && (prv < 1 || (prv == 1 && (mstatus & SIE) != 0)) ? pending & mideleg : enabled;
}

/** Takes the highest enabled interrupt, if any. Expects MACHINE.left and HART.pc stored. @returns whether one was taken. */
export function takeInterrupt(h: usize): bool {
  const enabled = enabledInterrupts(h);
  if (enabled == 0) return false;
  // MEI MSI MTI SEI SSI STI
  let cause: u32;
  if (enabled & 0x800) cause = 11;
  else if (enabled & 0x8) cause = 3;
  else if (enabled & 0x80) cause = 7;
  else if (enabled & 0x200) cause = 9;
  else if (enabled & 0x2) cause = 1;
  else cause = 5;
  enter(h, cause, true, 0);
  return true;
}

/** Takes the exception in flight: HART.pc is the instruction's. Its tick was used, but it did not retire. */
export function takeException(h: usize): void {
  store<u64>(h, load<u64>(h, HART_INSTRET_OFFSET) - 1, HART_INSTRET_OFFSET);
  const cause = <u32>trapCause, value = trapValue;
  clearTrap();
  enter(h, cause, false, value);
}

function enter(h: usize, cause: u32, interrupt: bool, value: u64): void {
  const prv = load<u32>(h, HART_PRV);
  const pc = load<u64>(h, HART_PC);
  let mstatus = load<u64>(h, HART_MSTATUS);
  const delegated = prv < 3 && (((interrupt ? load<u64>(h, HART_MIDELEG) : load<u64>(h, HART_MEDELEG)) >> cause) & 1) != 0;
  const code = <u64>cause | (<u64>interrupt << 63);
  store<u32>(MACHINE_LAST_TRAP, cause | (<u32>interrupt << 31));
  let vector: u64;
  if (delegated) {
    store<u64>(h, pc, HART_SEPC);
    store<u64>(h, code, HART_SCAUSE);
    store<u64>(h, value, HART_STVAL);
    mstatus = (mstatus & ~(SPIE | SPP | SIE)) | ((mstatus & SIE) << 4) | (<u64>prv << 8);
    store<u32>(h, 1, HART_PRV);
    vector = load<u64>(h, HART_STVEC);
  } else {
    store<u64>(h, pc, HART_MEPC);
    store<u64>(h, code, HART_MCAUSE);
    store<u64>(h, value, HART_MTVAL);
    mstatus = (mstatus & ~(MPIE | MPP | MIE)) | ((mstatus & MIE) << 4) | (<u64>prv << 11);
    store<u32>(h, 3, HART_PRV);
    vector = load<u64>(h, HART_MTVEC);
  }
  store<u64>(h, mstatus, HART_MSTATUS);
  store<u64>(h, (vector & ~3) + (interrupt && (vector & 1) != 0 ? <u64>cause << 2 : 0), HART_PC);
  selectBanks(h);
}

/** The low bits of return addresses that read as zero. */
// @ts-ignore: decorator
@inline export function returnMask(): u64 {
  return extension(EXT_C) ? ~1 : ~3;
}

/** @returns false when it is illegal here. */
export function mret(h: usize): bool {
  if (load<u32>(h, HART_PRV) != 3) return false;
  let mstatus = load<u64>(h, HART_MSTATUS);
  const to = <u32>(mstatus >> 11) & 3;
  mstatus = (mstatus & ~(MIE | MPP)) | ((mstatus & MPIE) >> 4) | MPIE;
  if (to != 3) mstatus &= ~MPRV;
  store<u64>(h, mstatus, HART_MSTATUS);
  store<u32>(h, to, HART_PRV);
  store<u64>(h, load<u64>(h, HART_MEPC) & returnMask(), HART_PC);
  selectBanks(h);
  return true;
}

/** @returns false when it is illegal here. */
export function sret(h: usize): bool {
  const prv = load<u32>(h, HART_PRV);
  let mstatus = load<u64>(h, HART_MSTATUS);
  if (prv == 0 || (prv == 1 && (mstatus & 0x400000) != 0)) return false;
  const to = <u32>(mstatus >> 8) & 1;
  mstatus = ((mstatus & ~(SIE | SPP)) | ((mstatus & SPIE) >> 4) | SPIE) & ~MPRV;
  store<u64>(h, mstatus, HART_MSTATUS);
  store<u32>(h, to, HART_PRV);
  store<u64>(h, load<u64>(h, HART_SEPC) & returnMask(), HART_PC);
  selectBanks(h);
  return true;
}

/** @returns true when it is a call to the host's SBI; otherwise the trap is set. */
export function ecall(h: usize): bool {
  const prv = load<u32>(h, HART_PRV);
  if (prv == 1 && load<u32>(MACHINE_HOST_SBI) != 0) return true;
  setTrap(Cause.ECALL_U + prv, 0);
  return false;
}

/** WFI and WRS.NTO: not in U-mode, nor in S-mode under TW. */
export function waitAllowed(h: usize): bool {
  const prv = load<u32>(h, HART_PRV);
  return prv == 3 || (prv == 1 && (load<u64>(h, HART_MSTATUS) & 0x200000) == 0);
}

/** sfence.vma, sinval.vma: not in U-mode, nor in S-mode under TVM. */
export function fenceAllowed(h: usize): bool {
  const prv = load<u32>(h, HART_PRV);
  return prv == 3 || (prv == 1 && (load<u64>(h, HART_MSTATUS) & 0x100000) == 0);
}
