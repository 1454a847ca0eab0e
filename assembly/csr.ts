import { dropBanks, selectBanks } from "./banks";
import { setTrap } from "./fault";
import { csrValue, readRow, setCsrValue, writeRow } from "./generated/csr";
import {
  CSR_MENVCFG_ADUE, CSR_MENVCFG_PBMTE, CSR_MENVCFG_STCE, CSR_MSTATUS_FIXED, CSR_MSTATUS_WRITE, CSR_SENVCFG_WRITE, CSR_SSTATUS,
  CSR_SSTATUS_WRITE, EXT_SSTC, EXT_SVADU, EXT_SVPBMT, EXT_ZICBOM, EXT_ZICBOZ, HART_CYCLE_OFFSET, HART_FFLAGS, HART_FRM, HART_INDEX, HART_INSTRET_OFFSET,
  HART_MCOUNTEREN, HART_MENVCFG, HART_MEPC, HART_MIDELEG, HART_MIE, HART_MIP, HART_MISA, HART_MSTATUS, HART_PMPADDR, HART_PMPCFG,
  HART_PRV, HART_SATP, HART_SCOUNTEREN, HART_SENVCFG, HART_SEPC, HART_STIMECMP, HART_TICKS_END, MACHINE_LEFT, MACHINE_MAX_SATP_MODE,
} from "./generated/layout";
import { extension } from "./slot";
import { MPP, pendingBits, returnMask, ticksNow } from "./trap";

// The irregular CSRs, named in src/isa/csrs.ts; regular ones are generated. Helpers return false for "illegal here". `forced` is set while
// a debugger looks: privilege is not asked.

/** After a CSR instruction: nothing a running core caches was changed, so that it may go on. */
export let csrQuiet: bool = true;
/** After a CSR instruction: a deadline moved. */
export let csrReplan: bool = false;
export function clearReplan(): void {
  csrReplan = false;
}

let forced: bool = false;
const FS: u64 = 3 << 13;

/** csrrw (kind 0), csrrs (1), csrrc (2). @param writes whether kinds 1 and 2 write (rs1 ≠ x0) @returns the old value; sets the trap when illegal. */
export function csrOperation(h: usize, immediate: u32, kind: u32, operand: u64, writes: bool): u64 {
  const n = immediate & 0xfff;
  const prv = load<u32>(h, HART_PRV);
  const write = kind == 0 || writes;
  csrQuiet = true;
  if (prv < ((n >>> 8) & 3) || (write && n >>> 10 == 3) || !readRow(h, n)) {
    setTrap(2, ~0);
    return 0;
  }
  const old = csrValue;
  if (write) {
    csrQuiet = false;
    let value = operand;
    // what is read from mip may hold wired bits; only the written ones take part in set and clear
    if (kind != 0) {
      const base = n == 0x344 || n == 0x144 ? load<u64>(h, HART_MIP) : old;
      value = kind == 1 ? base | operand : base & ~operand;
    }
    writeRow(h, n, value);
  }
  return old;
}

/** For debuggers: reads as M-mode would, touching nothing. */
export function peekCsr(h: usize, n: u32): bool {
  forced = true;
  const found = readRow(h, n);
  forced = false;
  return found;
}

/** For debuggers: writes as M-mode would. */
export function pokeCsr(h: usize, n: u32, value: u64): bool {
  if (n >>> 10 == 3) return false;
  forced = true;
  const found = readRow(h, n) && writeRow(h, n, value);
  forced = false;
  csrReplan = false;
  return found;
}

// ---- floating point

function fpOff(h: usize): bool {
  return !forced && (load<u64>(h, HART_MSTATUS) & FS) == 0;
}
function fpDirty(h: usize): void {
  store<u64>(h, load<u64>(h, HART_MSTATUS) | FS, HART_MSTATUS);
}
export function readFflags(h: usize, n: u32): bool {
  return !fpOff(h) && setCsrValue(load<u32>(h, HART_FFLAGS));
}
export function writeFflags(h: usize, n: u32, value: u64): bool {
  store<u32>(h, <u32>value & 31, HART_FFLAGS);
  fpDirty(h);
  return true;
}
export function readFrm(h: usize, n: u32): bool {
  return !fpOff(h) && setCsrValue(load<u32>(h, HART_FRM));
}
export function writeFrm(h: usize, n: u32, value: u64): bool {
  store<u32>(h, <u32>value & 7, HART_FRM);
  fpDirty(h);
  return true;
}
export function readFcsr(h: usize, n: u32): bool {
  return !fpOff(h) && setCsrValue(load<u32>(h, HART_FFLAGS) | (load<u32>(h, HART_FRM) << 5));
}
export function writeFcsr(h: usize, n: u32, value: u64): bool {
  store<u32>(h, <u32>value & 31, HART_FFLAGS);
  store<u32>(h, <u32>(value >> 5) & 7, HART_FRM);
  fpDirty(h);
  return true;
}

// ---- counters

function counterAllowed(h: usize, n: u32): bool {
  const bit: u32 = 1 << (n & 31);
  const prv = load<u32>(h, HART_PRV);
  if (forced || prv == 3) return true;
  if ((load<u32>(h, HART_MCOUNTEREN) & bit) == 0) return false;
  return prv == 1 || (load<u32>(h, HART_SCOUNTEREN) & bit) != 0;
}
/** Attempted instructions, without the one that asks. */
function ticksBefore(h: usize): u64 {
  return load<u64>(h, HART_TICKS_END) - load<u32>(MACHINE_LEFT) - 1;
}
export function readMcycle(h: usize, n: u32): bool {
  return setCsrValue(ticksBefore(h) + load<u64>(h, HART_CYCLE_OFFSET));
}
export function writeMcycle(h: usize, n: u32, value: u64): bool {
  store<u64>(h, value - ticksBefore(h) - 1, HART_CYCLE_OFFSET);
  return true;
}
export function readMinstret(h: usize, n: u32): bool {
  return setCsrValue(ticksBefore(h) + load<u64>(h, HART_INSTRET_OFFSET));
}
export function writeMinstret(h: usize, n: u32, value: u64): bool {
  store<u64>(h, value - ticksBefore(h) - 1, HART_INSTRET_OFFSET);
  return true;
}
export function readCycle(h: usize, n: u32): bool {
  return counterAllowed(h, n) && readMcycle(h, n);
}
export function readInstret(h: usize, n: u32): bool {
  return counterAllowed(h, n) && readMinstret(h, n);
}
export function readTime(h: usize, n: u32): bool {
  return counterAllowed(h, n) && setCsrValue(ticksNow() >> 6);
}
export function readHpmcounter(h: usize, n: u32): bool {
  return counterAllowed(h, n) && setCsrValue(0);
}

// ---- status

function status(h: usize): u64 {
  const mstatus = load<u64>(h, HART_MSTATUS);
  return (mstatus & FS) == FS ? mstatus | (1 << 63) : mstatus;
}
export function readMstatus(h: usize, n: u32): bool {
  return setCsrValue(status(h));
}
export function writeMstatus(h: usize, n: u32, value: u64): bool {
  let mask = CSR_MSTATUS_WRITE;
  if (((value >> 11) & 3) == 2) mask &= ~MPP;
  store<u64>(h, (load<u64>(h, HART_MSTATUS) & ~mask) | (value & mask) | CSR_MSTATUS_FIXED, HART_MSTATUS);
  selectBanks(h);
  return true;
}
export function readSstatus(h: usize, n: u32): bool {
  return setCsrValue(status(h) & CSR_SSTATUS);
}
export function writeSstatus(h: usize, n: u32, value: u64): bool {
  store<u64>(h, (load<u64>(h, HART_MSTATUS) & ~CSR_SSTATUS_WRITE) | (value & CSR_SSTATUS_WRITE), HART_MSTATUS);
  selectBanks(h);
  return true;
}
export function readMisa(h: usize, n: u32): bool {
  return setCsrValue(load<u64>(h, HART_MISA));
}
export function writeMisa(h: usize, n: u32, value: u64): bool {
  return true;
}
export function readMhartid(h: usize, n: u32): bool {
  return setCsrValue(load<u32>(h, HART_INDEX));
}

// ---- interrupts

export function readMip(h: usize, n: u32): bool {
  return setCsrValue(pendingBits(h));
}
export function writeMip(h: usize, n: u32, value: u64): bool {
  const mask: u64 = load<u64>(h, HART_MENVCFG) >> 63 ? 0x202 : 0x222;
  store<u64>(h, (load<u64>(h, HART_MIP) & ~mask) | (value & mask), HART_MIP);
  return true;
}
export function readSip(h: usize, n: u32): bool {
  return setCsrValue(pendingBits(h) & load<u64>(h, HART_MIDELEG));
}
export function writeSip(h: usize, n: u32, value: u64): bool {
  const mask = load<u64>(h, HART_MIDELEG) & 2;
  store<u64>(h, (load<u64>(h, HART_MIP) & ~mask) | (value & mask), HART_MIP);
  return true;
}
export function readSie(h: usize, n: u32): bool {
  return setCsrValue(load<u64>(h, HART_MIE) & load<u64>(h, HART_MIDELEG));
}
export function writeSie(h: usize, n: u32, value: u64): bool {
  const mask = load<u64>(h, HART_MIDELEG);
  store<u64>(h, (load<u64>(h, HART_MIE) & ~mask) | (value & mask), HART_MIE);
  return true;
}
export function readStimecmp(h: usize, n: u32): bool {
  if (!forced && load<u32>(h, HART_PRV) < 3) {
    if (load<u64>(h, HART_MENVCFG) >> 63 == 0 || (load<u32>(h, HART_MCOUNTEREN) & 2) == 0) return false;
  }
  return setCsrValue(load<u64>(h, HART_STIMECMP));
}
export function writeStimecmp(h: usize, n: u32, value: u64): bool {
  store<u64>(h, value, HART_STIMECMP);
  csrReplan = true;
  return true;
}

// ---- traps and environment

export function readMepc(h: usize, n: u32): bool {
  return setCsrValue(load<u64>(h, HART_MEPC) & returnMask());
}
export function writeMepc(h: usize, n: u32, value: u64): bool {
  store<u64>(h, value & returnMask(), HART_MEPC);
  return true;
}
export function readSepc(h: usize, n: u32): bool {
  return setCsrValue(load<u64>(h, HART_SEPC) & returnMask());
}
export function writeSepc(h: usize, n: u32, value: u64): bool {
  store<u64>(h, value & returnMask(), HART_SEPC);
  return true;
}
function environment(old: u64, value: u64): u64 {
  let mask: u64 = 1;
  if (extension(EXT_ZICBOM)) mask |= 0x70;
  if (extension(EXT_ZICBOZ)) mask |= 0x80;
  mask &= CSR_SENVCFG_WRITE;
  value &= mask;
  if ((value & 0x30) == 0x20) value &= ~0x30;
  return (old & ~mask) | value;
}
export function readSenvcfg(h: usize, n: u32): bool {
  return setCsrValue(load<u64>(h, HART_SENVCFG));
}
export function writeSenvcfg(h: usize, n: u32, value: u64): bool {
  store<u64>(h, environment(load<u64>(h, HART_SENVCFG), value), HART_SENVCFG);
  return true;
}
export function readMenvcfg(h: usize, n: u32): bool {
  return setCsrValue(load<u64>(h, HART_MENVCFG));
}
export function writeMenvcfg(h: usize, n: u32, value: u64): bool {
  const old = load<u64>(h, HART_MENVCFG);
  let mask: u64 = 0;
  if (extension(EXT_SVADU)) mask |= CSR_MENVCFG_ADUE;
  if (extension(EXT_SVPBMT)) mask |= CSR_MENVCFG_PBMTE;
  if (extension(EXT_SSTC)) mask |= CSR_MENVCFG_STCE;
  store<u64>(h, (environment(old, value) & ~mask) | (value & mask), HART_MENVCFG);
  if ((old ^ value) & CSR_MENVCFG_PBMTE) dropBanks();
  csrReplan = true;
  return true;
}

// ---- memory

export function readSatp(h: usize, n: u32): bool {
  if (!forced && load<u32>(h, HART_PRV) == 1 && (load<u64>(h, HART_MSTATUS) & 0x100000) != 0) return false;
  return setCsrValue(load<u64>(h, HART_SATP));
}
export function writeSatp(h: usize, n: u32, value: u64): bool {
  const mode = <u32>(value >> 60);
  if (mode != 0 && (mode < 8 || mode > load<u32>(MACHINE_MAX_SATP_MODE))) return true;
  store<u64>(h, value, HART_SATP);
  selectBanks(h);
  return true;
}

// @ts-ignore: decorator
@inline function pmpConfig(h: usize, i: u32): u32 {
  return load<u8>(h + i, HART_PMPCFG);
}
export function readPmpcfg(h: usize, n: u32): bool {
  return setCsrValue(load<u64>(h + ((n & 2) << 2), HART_PMPCFG));
}
export function writePmpcfg(h: usize, n: u32, value: u64): bool {
  const first = (n & 2) << 2;
  for (let i: u32 = 0; i < 8; i++) {
    if (pmpConfig(h, first + i) & 0x80) continue;
    let config = <u32>(value >> (i << 3)) & 0x9f;
    if ((config & 3) == 2) config &= ~3;
    store<u8>(h + first + i, <u8>config, HART_PMPCFG);
  }
  dropBanks();
  return true;
}
export function readPmpaddr(h: usize, n: u32): bool {
  return setCsrValue(load<u64>(h + ((n - 0x3b0) << 3), HART_PMPADDR));
}
export function writePmpaddr(h: usize, n: u32, value: u64): bool {
  const i = n - 0x3b0;
  if (pmpConfig(h, i) & 0x80) return true;
  if (i < 15 && (pmpConfig(h, i + 1) & 0x98) == 0x88) return true;
  store<u64>(h + (i << 3), value & 0x3fffffffffffff, HART_PMPADDR);
  dropBanks();
  return true;
}
