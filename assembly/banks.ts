import {
  HARTS_AT, HART_BANK_MODE, HART_BANK_SATP, HART_DATA_BANK, HART_FETCH_BANK, HART_MSTATUS, HART_NEXT_BANK, HART_PRV, HART_SATP,
  HART_SIZE, MACHINE_HART_COUNT, TLBS_AT, TLB_ARRAY_SIZE, TLB_BANKS, TLB_BANK_SIZE, TLB_WRITE,
} from "./generated/layout";

// A bank caches translations under one satp and one mode word, so that changing either forgets nothing:
//   mode word:  [8] bare   [4] MXR   [3] SUM   [1:0] effective privilege        −1: the bank is empty

const NO_MODE: u64 = ~0;

// @ts-ignore: decorator
@inline export function hartAt(hart: u32): usize {
  return HARTS_AT + hart * HART_SIZE;
}

// @ts-ignore: decorator
@inline export function bankAt(h: usize, bank: u32): usize {
  return TLBS_AT + (((h - HARTS_AT) / HART_SIZE) * TLB_BANKS + bank) * TLB_BANK_SIZE;
}

// @ts-ignore: decorator
@inline export function bankUsed(h: usize, bank: u32): bool {
  return load<u64>(h + (bank << 3), HART_BANK_MODE) != NO_MODE;
}

/** Where a bank was found last, by a hash of what it caches: only a place to look first. */
const HINTS: usize = memory.data(512);

// @ts-ignore: decorator
@inline function caches(h: usize, bank: u32, satp: u64, mode: u64): bool {
  return load<u64>(h + (bank << 3), HART_BANK_MODE) == mode && load<u64>(h + (bank << 3), HART_BANK_SATP) == satp;
}

function choose(h: usize, satp: u64, mode: u64): usize {
  const hint = HINTS + <usize>((<u32>mode ^ (<u32>satp << 5)) & 511);
  const last = <u32>load<u8>(hint);
  if (caches(h, last, satp, mode)) return bankAt(h, last);
  for (let i: u32 = 0; i < TLB_BANKS; i++) {
    if (!caches(h, i, satp, mode)) continue;
    store<u8>(hint, <u8>i);
    return bankAt(h, i);
  }
  const i = load<u32>(h, HART_NEXT_BANK);
  store<u8>(hint, <u8>i);
  store<u32>(h, (i + 1) % TLB_BANKS, HART_NEXT_BANK);
  store<u64>(h + (i << 3), mode, HART_BANK_MODE);
  store<u64>(h + (i << 3), satp, HART_BANK_SATP);
  const bank = bankAt(h, i);
  memory.fill(bank, 0xff, TLB_BANK_SIZE);
  return bank;
}

/** Effective privilege of loads and stores (MPRV). */
export function dataPrivilege(h: usize): u32 {
  const mstatus = load<u64>(h, HART_MSTATUS);
  const prv = load<u32>(h, HART_PRV);
  return prv == 3 && (mstatus & 0x20000) != 0 ? <u32>(mstatus >> 11) & 3 : prv;
}

function modeOf(h: usize, prv: u32, bits: u64): u64 {
  return prv == 3 || load<u64>(h, HART_SATP) >> 60 == 0 ? 0x100 | <u64>prv : <u64>prv | bits;
}

/** Selects the banks after privilege, mstatus or satp changed. */
export function selectBanks(h: usize): void {
  const mstatus = load<u64>(h, HART_MSTATUS);
  const satp = load<u64>(h, HART_SATP);
  const data = modeOf(h, dataPrivilege(h), ((mstatus >> 18) & 3) << 3);
  const fetch = modeOf(h, load<u32>(h, HART_PRV), 0);
  const victim = load<u32>(h, HART_NEXT_BANK);
  let dataBank = choose(h, data & 0x100 ? 0 : satp, data);
  const fetchBank = data == fetch ? dataBank : choose(h, fetch & 0x100 ? 0 : satp, fetch);
  // choosing the second may have evicted the first; the next victim is another
  if (load<u32>(h, HART_NEXT_BANK) != victim) dataBank = choose(h, data & 0x100 ? 0 : satp, data);
  store<u32>(h, <u32>dataBank, HART_DATA_BANK);
  store<u32>(h, <u32>fetchBank, HART_FETCH_BANK);
}

/** Empties every bank of every hart: those that are selected keep what they are for, the others become free. */
export function dropBanks(): void {
  const harts = load<u32>(MACHINE_HART_COUNT);
  for (let hart: u32 = 0; hart < harts; hart++) {
    const h = hartAt(hart);
    for (let i: u32 = 0; i < TLB_BANKS; i++) {
      if (!bankUsed(h, i)) continue;
      const bank = <u32>bankAt(h, i);
      if (bank == load<u32>(h, HART_DATA_BANK) || bank == load<u32>(h, HART_FETCH_BANK)) memory.fill(bank, 0xff, TLB_BANK_SIZE);
      else store<u64>(h + (i << 3), NO_MODE, HART_BANK_MODE);
    }
  }
}

/** Forgets the banks themselves: derived state from scratch. */
export function resetBanks(h: usize): void {
  for (let i: u32 = 0; i < TLB_BANKS; i++) store<u64>(h + (i << 3), NO_MODE, HART_BANK_MODE);
  store<u32>(h, 0, HART_NEXT_BANK);
  selectBanks(h);
}

/** Empties the write arrays of every bank: the next store to each page takes the slow path. */
export function dropWriteEntries(): void {
  const harts = load<u32>(MACHINE_HART_COUNT);
  for (let hart: u32 = 0; hart < harts; hart++) {
    const h = hartAt(hart);
    for (let i: u32 = 0; i < TLB_BANKS; i++) {
      if (bankUsed(h, i)) memory.fill(bankAt(h, i) + TLB_WRITE, 0xff, TLB_ARRAY_SIZE);
    }
  }
}
