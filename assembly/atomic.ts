import { Cause, DEBUG_MET, clearTrap, setTrap, trapCause, trapped } from "./fault";
import {
  CACHE_BLOCK_SIZE, DEBUG_READ, DEBUG_WRITE, HART_MENVCFG, HART_PRV, HART_RESERVATION, HART_RESERVATION_WIDTH, HART_SENVCFG, RAM_AT, RAM_BASE,
} from "./generated/layout";
import { blockForStore, blockReachable, debugMet, ramForLoad, ramForStore } from "./memory";
import { writeRam } from "./ram";

// Atomics (unprivileged ISA, "A": Zaamo, Zalrsc) and cache-block operations ("CMO"). One thread executes all harts, so an atomic is
// simply one instruction.

/** Address in linear memory of an AMO's operand. */
export function amoAddress(h: usize, va: u64, width: u32): usize {
  if (debugMet(va, width, DEBUG_READ | DEBUG_WRITE)) {
    setTrap(DEBUG_MET, va);
    return 0;
  }
  return ramForStore(h, va, width);
}

export function loadReserved(h: usize, va: u64, width: u32): u64 {
  if (debugMet(va, width, DEBUG_READ)) {
    setTrap(DEBUG_MET, va);
    return 0;
  }
  const at = ramForLoad(h, va, width);
  if (trapped()) return 0;
  store<u64>(h, <u64>(at - RAM_AT) + RAM_BASE, HART_RESERVATION);
  store<u32>(h, width, HART_RESERVATION_WIDTH);
  return width == 4 ? <u64><i64>load<i32>(at) : load<u64>(at);
}

/** @returns 0 stored, 1 not. */
export function storeConditional(h: usize, va: u64, width: u32, value: u64): u64 {
  if (debugMet(va, width, DEBUG_WRITE)) {
    setTrap(DEBUG_MET, va);
    return 0;
  }
  const at = ramForStore(h, va, width);
  if (trapped()) return 0;
  const reserved = load<u64>(h, HART_RESERVATION) == <u64>(at - RAM_AT) + RAM_BASE && load<u32>(h, HART_RESERVATION_WIDTH) == width;
  store<u64>(h, ~0, HART_RESERVATION);
  if (!reserved) return 1;
  writeRam(<u32>(at - RAM_AT), width, value);
  return 0;
}

/** Whether menvcfg and senvcfg let the present privilege use the operation of that enable field. */
export function cacheAllowed(h: usize, field: u64): bool {
  const prv = load<u32>(h, HART_PRV);
  if (prv < 3 && (load<u64>(h, HART_MENVCFG) & field) == 0) return false;
  return prv != 0 || (load<u64>(h, HART_SENVCFG) & field) != 0;
}

/** cbo.clean, cbo.flush, cbo.inval: memory is coherent, only the permission counts. */
export function cacheBlock(h: usize, va: u64): void {
  if (blockReachable(h, va)) {
    clearTrap();
    return;
  }
  setTrap(trapCause == Cause.LOAD_PAGE ? Cause.STORE_PAGE : trapCause == Cause.LOAD_ACCESS ? Cause.STORE_ACCESS : trapCause, va);
}

/** cbo.zero. */
export function zeroBlock(h: usize, va: u64): void {
  const block = va & ~<u64>(CACHE_BLOCK_SIZE - 1);
  if (debugMet(block, CACHE_BLOCK_SIZE, DEBUG_WRITE)) {
    setTrap(DEBUG_MET, block);
    return;
  }
  const at = blockForStore(h, block);
  if (trapped()) {
    setTrap(trapCause, va);
    return;
  }
  for (let i: u32 = 0; i < CACHE_BLOCK_SIZE; i += 8) writeRam(<u32>(at - RAM_AT) + i, 8, 0);
}
