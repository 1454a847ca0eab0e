// The WebAssembly core of Hindsight: what it exports is used by src/core/wasm/core.ts and by translated code.

import { dataPrivilege, dropWriteEntries as dropWrites, hartAt, resetBanks, selectBanks } from "./banks";
import { peekCsr, pokeCsr } from "./csr";
import { clearTrap } from "./fault";
import { csrValue } from "./generated/csr";
import { HART_INDEX, HART_PRV, MACHINE_HART_COUNT, MACHINE_MMIO_HIGH, MACHINE_MMIO_LOW, PAGE_FLAG_DIRTY } from "./generated/layout";
import { physical } from "./memory";
import { configureRam, dropDecoded, dropTranslations, flagsAt, observePlaces, ramChanged, ramSize } from "./ram";
import { Access, NOWHERE } from "./walk";

export { run } from "./generated/interpreter";
// exported so that it stays a function of its own
export { runPlain } from "./generated/plain";
export { dropTranslations, ramChanged };

/** Tells the core how large RAM is and where its tables are. Call once, before anything else. */
export function configure(size: u32, flags: u32, decodeIndex: u32, writeEntries: u32, tableBits: u32): void {
  configureRam(size, flags, decodeIndex, writeEntries, tableBits);
  dropDerived();
}

/** See `Core.hartChanged`. */
export function hartChanged(hart: u32): void {
  selectBanks(hartAt(hart));
}

/** See `Core.dropDerived`. */
export function dropDerived(): void {
  dropDecoded();
  dropTranslations();
  const harts = load<u32>(MACHINE_HART_COUNT);
  for (let i: u32 = 0; i < harts; i++) {
    const h = hartAt(i);
    store<u32>(h, i, HART_INDEX);
    resetBanks(h);
  }
}

/** See `Core.debugPointsChanged`. */
export function debugPointsChanged(places: bool): void {
  if (places) observePlaces();
  dropTranslations();
}

/** See `Core.clearDirty`. */
export function clearDirty(): void {
  const pages = <usize>(ramSize >> 12);
  for (let i: usize = 0; i < pages; i += 8) {
    const at = flagsAt + i;
    const bits = load<u64>(at);
    if (bits & 0x0101010101010101) store<u64>(at, bits & ~(<u64>PAGE_FLAG_DIRTY * 0x0101010101010101));
  }
  dropWrites();
}

/** See `Core.translate`: the address goes in and the answer comes out through the mailbox. @returns false: it would fault. */
export function translate(hart: u32, access: u32): bool {
  const h = hartAt(hart);
  const va = <u64>load<u32>(MACHINE_MMIO_LOW) | (<u64>load<u32>(MACHINE_MMIO_HIGH) << 32);
  const prv = access == Access.EXECUTE ? load<u32>(h, HART_PRV) : dataPrivilege(h);
  const pa = physical(h, va, 1, <Access>access, prv, false);
  clearTrap();
  if (pa == NOWHERE || pa >> 53 != 0) return false;
  store<u32>(MACHINE_MMIO_LOW, <u32>pa);
  store<u32>(MACHINE_MMIO_HIGH, <u32>(pa >> 32));
  return true;
}

/** See `Core.readCsr`: the value comes through the mailbox. */
export function readCsr(hart: u32, n: u32): bool {
  if (!peekCsr(hartAt(hart), n)) return false;
  store<u32>(MACHINE_MMIO_LOW, <u32>csrValue);
  store<u32>(MACHINE_MMIO_HIGH, <u32>(csrValue >> 32));
  return true;
}

/** See `Core.writeCsr`: the value goes through the mailbox. */
export function writeCsr(hart: u32, n: u32): bool {
  return pokeCsr(hartAt(hart), n, <u64>load<u32>(MACHINE_MMIO_LOW) | (<u64>load<u32>(MACHINE_MMIO_HIGH) << 32));
}
