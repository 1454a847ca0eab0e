import { dataPrivilege } from "./banks";
import { Cause, DEBUG_MET, setTrap } from "./fault";
import {
  ACTIONS_AT, CACHE_BLOCK_SIZE, EXACT_POINT, POINTS_AT, DEBUG_EXECUTE, DEBUG_READ, DEBUG_WRITE, HART_DATA_BANK, HART_SATP, MACHINE_ASKS_HOST, MACHINE_DEBUG_ADDRESS, MACHINE_DEBUG_COUNT, MACHINE_DEBUG_END, MACHINE_DEBUG_HIT,
  MACHINE_DEBUG_KIND, MACHINE_DEBUG_SKIP, MACHINE_DEBUG_START, MACHINE_MMIO_HIGH, MACHINE_MMIO_LOW, MACHINE_PLACE_COUNT, MACHINE_POINT_COUNT, MACHINE_REFILLS, NARROW_POINT, RAM_AT, RAM_BASE,
  TLB_INDEX_MASK, TLB_WRITE,
} from "./generated/layout";
import { mmioRead, mmioWrite, pointMet } from "./host";
import { PMP_R, PMP_W, PMP_X, pmpAllows, pmpWholePage } from "./pmp";
import { WATCHED, inRam, isSpecial, noteWriteEntry, present, ramWritten, writeRam } from "./ram";
import { Access, NOWHERE, accessFault, leafEntry, setBare, walk } from "./walk";

// Loads and stores that the inline TLB probe does not serve.

/** Physical address of [va, va+width) within one page, translated and protected; NOWHERE with the trap set when it may not be. */
export function physical(h: usize, va: u64, width: u32, access: Access, prv: u32, commit: bool): u64 {
  let pa = va;
  if (prv != 3 && load<u64>(h, HART_SATP) >> 60 != 0) {
    pa = walk(h, va, access, prv, commit);
    if (pa == NOWHERE) return pa;
  } else {
    setBare();
    // the last address of all is the mark of a fault; there is nothing at its neighbour either
    if (va == NOWHERE) pa = NOWHERE - 1;
  }
  const need = access == Access.READ ? PMP_R : access == Access.WRITE ? PMP_W : PMP_X;
  if (!pmpAllows(h, pa, width, need, prv)) {
    setTrap(accessFault(access), va);
    return NOWHERE;
  }
  if (inRam(pa, width)) present(<u32>(pa - RAM_BASE));
  return pa;
}

/** Whether an execute point that is not observed by its places lies on the page of va. */
export function stopsOnPage(va: u64): bool {
  const count = load<u32>(MACHINE_DEBUG_COUNT);
  const page = va & ~0xfff;
  const narrow: u64 = load<u32>(MACHINE_PLACE_COUNT) != 0 ? <u64>NARROW_POINT : 0;
  for (let i: u32 = 0; i < count; i++) {
    const p = i << 3;
    const start = load<u64>(MACHINE_DEBUG_START + p), end = load<u64>(MACHINE_DEBUG_END + p);
    if ((load<u64>(MACHINE_DEBUG_KIND + p) & DEBUG_EXECUTE) != 0 && end - start > narrow && start <= (page | 0xfff) && end > page) return true;
  }
  return false;
}

/** Whether a debug point of `kind` lies on the page of va. */
export function debugOnPage(va: u64, kind: u64): bool {
  const count = load<u32>(MACHINE_DEBUG_COUNT);
  const page = va & ~0xfff;
  for (let i: u32 = 0; i < count; i++) {
    const p = i << 3;
    if ((load<u64>(MACHINE_DEBUG_KIND + p) & kind) != 0 && load<u64>(MACHINE_DEBUG_START + p) <= (page | 0xfff) && load<u64>(MACHINE_DEBUG_END + p) > page) return true;
  }
  return false;
}

/** Index of the first exact execute point not below va. */
export function firstPoint(va: u64): u32 {
  let low: u32 = 0, high = load<u32>(MACHINE_POINT_COUNT);
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (load<u64>(POINTS_AT + (<usize>middle << 3)) < va) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Whether a debug point of `kind` meets [va, va+width); notes which. */
export function debugMet(va: u64, width: u32, kind: u64): bool {
  const count = load<u32>(MACHINE_DEBUG_COUNT), exact = load<u32>(MACHINE_POINT_COUNT);
  const last = va + width - 1;
  if ((count | exact) == 0 || load<u32>(MACHINE_DEBUG_SKIP) != 0) return false;
  for (let i: u32 = 0; i < count; i++) {
    const p = i << 3;
    if ((load<u64>(MACHINE_DEBUG_KIND + p) & kind) != 0 && load<u64>(MACHINE_DEBUG_START + p) <= last && load<u64>(MACHINE_DEBUG_END + p) > va) {
      store<u32>(MACHINE_DEBUG_HIT, i);
      store<u64>(MACHINE_DEBUG_ADDRESS, va);
      return true;
    }
  }
  if (exact == 0 || (kind & DEBUG_EXECUTE) == 0) return false;
  const i = firstPoint(va);
  if (i == exact || load<u64>(POINTS_AT + (<usize>i << 3)) != va) return false;
  store<u32>(MACHINE_DEBUG_HIT, <u32>EXACT_POINT | i);
  store<u64>(MACHINE_DEBUG_ADDRESS, va);
  return true;
}

/** What an execute point before an instruction comes to: the run ends, or the host has looked and it goes on. */
export const enum Met { NO, STOP, PASSED }

/** Whether execute points are met at pc. Expects HART.pc and MACHINE.left stored as before the instruction. */
export function executeMet(h: usize, pc: u64): Met {
  if (!debugMet(pc, 1, DEBUG_EXECUTE)) return Met.NO;
  const index = load<u32>(MACHINE_DEBUG_HIT);
  if (load<u32>(MACHINE_ASKS_HOST) == 0 || index < <u32>EXACT_POINT) return Met.STOP;
  const place = index - <u32>EXACT_POINT;
  return actionServes(h, place) || pointMet(place) ? Met.PASSED : Met.STOP;
}

/** Calls the function of an exact point. @returns whether it did all there is to do; nothing otherwise, and where there is none */
export function actionServes(h: usize, place: u32): bool {
  const action = load<u32>(ACTIONS_AT + (<usize>place << 2));
  return action != 0 && call_indirect<i32>(action, h) != 0;
}

/** Data translation with its refill: what lies in plain RAM may be probed inline next time. Sets the trap and returns NOWHERE on a fault. */
export function data(h: usize, va: u64, width: u32, access: Access): u64 {
  const e = load<u32>(h, HART_DATA_BANK) + (<u32>(va >> 8) & TLB_INDEX_MASK) + (access == Access.WRITE ? <u32>TLB_WRITE : 0);
  const page = va & ~0xfff;
  // a write entry of a watched page carries a flag, so that it only serves here
  if ((load<u64>(e) & ~0xfff) == page && (load<u64>(e) & (0xfff & ~WATCHED)) == 0) {
    // in a local of its own: inside a cast to u64, load<u32> would give 64 bits and the sum would not wrap
    const offset: u32 = load<u32>(e, 8) + <u32>va - <u32>RAM_AT;
    if (access == Access.WRITE && (load<u64>(e) & WATCHED) != 0 && !isSpecial(offset >>> 12)) {
      // nobody watches it any more
      store<u64>(e, page);
      noteWriteEntry(offset >>> 12, e);
    }
    return <u64>offset + RAM_BASE;
  }
  const pa = physical(h, va, width, access, dataPrivilege(h), true);
  if (pa == NOWHERE || !pmpWholePage) return pa;
  const pageAt = pa & ~0xfff;
  if (!inRam(pageAt, 4096)) return pa;
  if (debugOnPage(va, access == Access.WRITE ? DEBUG_WRITE : DEBUG_READ)) return pa;
  store<u64>(MACHINE_REFILLS, load<u64>(MACHINE_REFILLS) + 1);
  const offset = <u32>(pageAt - RAM_BASE);
  let tag = page;
  if (access == Access.WRITE) {
    // the store that follows marks the page dirty; entries are dropped when the marks are cleared
    ramWritten(offset, 0);
    if (isSpecial(offset >>> 12)) tag |= WATCHED;
    else noteWriteEntry(offset >>> 12, e);
  }
  store<u64>(e, tag);
  store<u32>(e, <u32>RAM_AT + offset - <u32>page, 8);
  store<u32>(e, leafEntry, 12);
  return pa;
}

function readPhysical(pa: u64, width: u32, va: u64): u64 {
  if (inRam(pa, width)) {
    const at = RAM_AT + <usize>(pa - RAM_BASE);
    if (width == 8) return load<u64>(at);
    if (width == 4) return load<u32>(at);
    return width == 2 ? load<u16>(at) : load<u8>(at);
  }
  if (pa & (width - 1)) setTrap(Cause.LOAD_MISALIGNED, va);
  else if (pa >> 53 != 0 || !mmioRead(<f64>pa, width)) setTrap(Cause.LOAD_ACCESS, va);
  return <u64>load<u32>(MACHINE_MMIO_LOW) | (<u64>load<u32>(MACHINE_MMIO_HIGH) << 32);
}

/** A load the inline probe missed: zero-extended bits; the trap is set on a fault. */
export function loadSlow(h: usize, va: u64, width: u32): u64 {
  if (debugMet(va, width, DEBUG_READ)) {
    setTrap(DEBUG_MET, va);
    return 0;
  }
  const first: u32 = 4096 - (<u32>va & 0xfff);
  if (first >= width) {
    const pa = data(h, va, width, Access.READ);
    return pa == NOWHERE ? 0 : readPhysical(pa, width, va);
  }
  const low = data(h, va, first, Access.READ);
  if (low == NOWHERE) return 0;
  const high = data(h, va + first, width - first, Access.READ);
  if (high == NOWHERE) return 0;
  if (!inRam(low, first) || !inRam(high, width - first)) {
    setTrap(Cause.LOAD_MISALIGNED, va);
    return 0;
  }
  let value: u64 = 0;
  for (let i: u32 = 0; i < width; i++) {
    const pa = i < first ? low + i : high + (i - first);
    value |= <u64>load<u8>(RAM_AT + <usize>(pa - RAM_BASE)) << (i << 3);
  }
  return value;
}

/** A store the inline probe missed; the trap is set on a fault. */
export function storeSlow(h: usize, va: u64, width: u32, value: u64): void {
  if (debugMet(va, width, DEBUG_WRITE)) {
    setTrap(DEBUG_MET, va);
    return;
  }
  const first: u32 = 4096 - (<u32>va & 0xfff);
  if (first >= width) {
    const pa = data(h, va, width, Access.WRITE);
    if (pa == NOWHERE) return;
    if (inRam(pa, width)) {
      writeRam(<u32>(pa - RAM_BASE), width, value);
      return;
    }
    if (pa & (width - 1)) {
      setTrap(Cause.STORE_MISALIGNED, va);
      return;
    }
    store<u32>(MACHINE_MMIO_LOW, <u32>value);
    store<u32>(MACHINE_MMIO_HIGH, <u32>(value >> 32));
    if (pa >> 53 != 0 || !mmioWrite(<f64>pa, width)) setTrap(Cause.STORE_ACCESS, va);
    return;
  }
  const low = data(h, va, first, Access.WRITE);
  if (low == NOWHERE) return;
  const high = data(h, va + first, width - first, Access.WRITE);
  if (high == NOWHERE) return;
  if (!inRam(low, first) || !inRam(high, width - first)) {
    setTrap(Cause.STORE_MISALIGNED, va);
    return;
  }
  for (let i: u32 = 0; i < width; i++) {
    const pa = i < first ? low + i : high + (i - first);
    writeRam(<u32>(pa - RAM_BASE), 1, value >> (i << 3));
  }
}

/** RAM address (in linear memory) of an aligned word that will be stored to; the trap is set when there is none. */
export function ramForStore(h: usize, va: u64, width: u32): usize {
  if (va & (width - 1)) {
    setTrap(Cause.STORE_MISALIGNED, va);
    return 0;
  }
  const pa = data(h, va, width, Access.WRITE);
  if (pa == NOWHERE) return 0;
  if (!inRam(pa, width)) {
    setTrap(Cause.STORE_ACCESS, va);
    return 0;
  }
  return RAM_AT + <usize>(pa - RAM_BASE);
}

/** RAM address of an aligned word that will be read and reserved. */
export function ramForLoad(h: usize, va: u64, width: u32): usize {
  if (va & (width - 1)) {
    setTrap(Cause.LOAD_MISALIGNED, va);
    return 0;
  }
  const pa = data(h, va, width, Access.READ);
  if (pa == NOWHERE) return 0;
  if (!inRam(pa, width)) {
    setTrap(Cause.LOAD_ACCESS, va);
    return 0;
  }
  return RAM_AT + <usize>(pa - RAM_BASE);
}

/** RAM address of a cache block that will be zeroed; the trap is set when there is none. @param block its address */
export function blockForStore(h: usize, block: u64): usize {
  const pa = data(h, block, CACHE_BLOCK_SIZE, Access.WRITE);
  if (pa == NOWHERE) return 0;
  if (!inRam(pa, CACHE_BLOCK_SIZE)) {
    setTrap(Cause.STORE_ACCESS, block);
    return 0;
  }
  return RAM_AT + <usize>(pa - RAM_BASE);
}

/** Whether the block at va may be read, or else written (cache-block management); the trap of a failed try stays set. */
export function blockReachable(h: usize, va: u64): bool {
  return data(h, va, 1, Access.READ) != NOWHERE || data(h, va, 1, Access.WRITE) != NOWHERE;
}

