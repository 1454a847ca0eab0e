import { Cause, setTrap } from "./fault";
import {
  EXT_SVNAPOT, HART_MENVCFG, HART_MSTATUS, HART_SATP, MACHINE_WALKS, RAM_AT, RAM_BASE,
} from "./generated/layout";
import { PMP_R, PMP_W, pmpAllows } from "./pmp";
import { inRam, prepareTables, present, tableRead, writeRam } from "./ram";
import { extension } from "./slot";

// The page-table walk (privileged ISA, "Virtual Address Translation Process", Sv39, Sv48, Sv57, Svnapot, Svpbmt, Svadu).
//   PTE:  63 N | 62:61 PBMT | 60:54 reserved | 53:10 PPN | 9:8 RSW | D A G U X W R V

export const enum Access { READ = 0, WRITE = 1, EXECUTE = 2 }

const V: u64 = 1, R: u64 = 2, W: u64 = 4, X: u64 = 8, U: u64 = 16, A: u64 = 64, D: u64 = 128;
const N: u64 = 1 << 63, PBMT: u64 = 3 << 61, RESERVED: u64 = 0x7f << 54;

/** No address. */
export const NOWHERE: u64 = ~0;

/** RAM offset of the leaf the last walk ended at (−1: no translation was needed). */
export let leafEntry: u32 = 0xffffffff;
export function setBare(): void {
  leafEntry = 0xffffffff;
}

const entries: StaticArray<u32> = [0, 0, 0, 0, 0];

// @ts-ignore: decorator
@inline export function pageFault(access: Access): i32 {
  return access == Access.READ ? Cause.LOAD_PAGE : access == Access.WRITE ? Cause.STORE_PAGE : Cause.FETCH_PAGE;
}
// @ts-ignore: decorator
@inline export function accessFault(access: Access): i32 {
  return access == Access.READ ? Cause.LOAD_ACCESS : access == Access.WRITE ? Cause.STORE_ACCESS : Cause.FETCH_ACCESS;
}

function fail(cause: i32, va: u64): u64 {
  setTrap(cause, va);
  return NOWHERE;
}

/**
 * Translates under satp (MODE ≠ 0) for privilege `prv` < 3. @param commit false: touch nothing (debuggers); true: update A and D and
 * note the tables the translation depends on. @returns the physical address, or NOWHERE with the trap set.
 */
export function walk(h: usize, va: u64, access: Access, prv: u32, commit: bool): u64 {
  const satp = load<u64>(h, HART_SATP);
  const levels = <i32>(satp >> 60) - 5;
  const shift = 64 - (12 + 9 * levels);
  if (<u64>(<i64>(va << shift) >> shift) != va) return fail(pageFault(access), va);
  const menvcfg = load<u64>(h, HART_MENVCFG);
  const mstatus = load<u64>(h, HART_MSTATUS);
  if (commit) store<u64>(MACHINE_WALKS, load<u64>(MACHINE_WALKS) + 1);
  let table = (satp & 0xfffffffffff) << 12;
  for (let level = levels - 1; level >= 0; level--) {
    const at = table + (((va >> (12 + 9 * level)) & 511) << 3);
    if (!inRam(at, 8) || !pmpAllows(h, at, 8, PMP_R, 1)) return fail(accessFault(access), va);
    const offset = <u32>(at - RAM_BASE);
    present(offset);
    let pte = load<u64>(RAM_AT + offset);
    unchecked(entries[level] = offset);
    if ((pte & V) == 0 || (pte & (R | W)) == W || (pte & RESERVED) != 0) return fail(pageFault(access), va);
    const pbmt = pte & PBMT;
    if ((pte & (R | X)) == 0) {
      if ((pte & (A | D | U | N | PBMT)) != 0) return fail(pageFault(access), va);
      table = ((pte >> 10) & 0xfffffffffff) << 12;
      continue;
    }
    if (pbmt != 0 && (((menvcfg >> 62) & 1) == 0 || pbmt == PBMT)) return fail(pageFault(access), va);
    let ppn = (pte >> 10) & 0xfffffffffff;
    if (pte & N) {
      if (!extension(EXT_SVNAPOT) || level != 0 || (ppn & 15) != 8) return fail(pageFault(access), va);
      ppn = (ppn & ~15) | ((va >> 12) & 15);
    }
    if (pte & U) {
      if (prv == 1 && (access == Access.EXECUTE || (mstatus & 0x40000) == 0)) return fail(pageFault(access), va);
    } else if (prv == 0) return fail(pageFault(access), va);
    const allowed = access == Access.READ
      ? (pte & R) != 0 || ((mstatus & 0x80000) != 0 && (pte & X) != 0)
      : access == Access.WRITE ? (pte & W) != 0 : (pte & X) != 0;
    if (!allowed) return fail(pageFault(access), va);
    const low = (<u64>1 << (9 * level)) - 1;
    if (ppn & low) return fail(pageFault(access), va);
    const needed = access == Access.WRITE ? A | D : A;
    if ((pte & needed) != needed) {
      if (((menvcfg >> 61) & 1) == 0) return fail(pageFault(access), va);
      if (!pmpAllows(h, at, 8, PMP_W, 1)) return fail(accessFault(access), va);
      pte |= needed;
      if (commit) writeRam(offset, 8, pte);
    }
    if (commit) {
      prepareTables();
      for (let l = levels - 1; l > level; l--) tableRead(unchecked(entries[l]), false);
      tableRead(offset, level == 0);
    }
    leafEntry = offset;
    return ((ppn | ((va >> 12) & low)) << 12) | (va & 0xfff);
  }
  return fail(pageFault(access), va);
}
