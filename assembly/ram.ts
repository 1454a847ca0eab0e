import {
  DECODE_AT, DECODE_OWNER_AT, DECODE_PAGES, DECODE_STRIDE, HART_FETCH_BANK, HART_PC, HART_RESERVATION, HART_RESERVATION_WIDTH, MACHINE_HART_COUNT,
  MACHINE_NEXT_DECODE, MACHINE_PLACES, MACHINE_OBSERVED_COUNT, MACHINE_PLACE_COUNT, MACHINE_TABLE_COUNT, MAX_TABLES, OBSERVED_AT, OBSERVED_BITS, OBSERVED_HASH, PAGE_FLAG_ABSENT, PAGE_FLAG_DECODED, PAGE_FLAG_DIRTY, PAGE_FLAG_TABLE_LEAF, PAGE_FLAG_TABLE_UPPER,
  PAGE_FLAG_TRANSLATED, RAM_AT, RAM_BASE, SLOTS_PER_PAGE, TABLE_LIST_AT, TLB_BANKS, TLB_ENTRIES, TLB_ENTRY_SIZE, TLB_EXECUTE, TLB_INDEX_MASK, TLB_READ,
  TLB_WRITE, OP_PAGE_END,
} from "./generated/layout";
import { firstOf } from "./generated/fused";
import { JUMPS_AT, JUMPS_SIZE, JUMP_DECODED, JUMP_SIZE, NEW_CODE_AT, NEW_CODE_COUNT_AT, NEW_CODE_SLOTS } from "./generated/jit-layout";
import { bankAt, bankUsed, dropBanks, hartAt } from "./banks";
import { emit } from "./slot";
import { pageAbsent, translatedStore } from "./host";

// What is known of each page of RAM, and what must follow when its bytes change (contract 5). The tables follow RAM.

/** Bytes of RAM and where its tables are: derived from the layout at configuration, the same for the machine's life. */
export let ramSize: u64 = 0;
export let flagsAt: usize = 0;
let decodeIndexAt: usize = 0;
let writeEntriesAt: usize = 0;
let tableBitsAt: usize = 0;

export function configureRam(size: u64, flags: usize, decodeIndex: usize, writeEntries: usize, tableBits: usize): void {
  ramSize = size;
  flagsAt = flags;
  decodeIndexAt = decodeIndex;
  writeEntriesAt = writeEntries;
  memory.fill(writeEntries, 0, <usize>(size >> 12) << 2);
  tableBitsAt = tableBits;
}

/** Whether [physical, physical+width) lies in RAM. */
// @ts-ignore: decorator
@inline export function inRam(physical: u64, width: u64): bool {
  const offset = physical - RAM_BASE;
  return offset < ramSize && offset + width <= ramSize;
}

const SPECIAL: u32 = PAGE_FLAG_DECODED | PAGE_FLAG_TRANSLATED | PAGE_FLAG_TABLE_LEAF | PAGE_FLAG_TABLE_UPPER;

// @ts-ignore: decorator
@inline export function flagsOf(page: u32): u32 {
  return load<u8>(flagsAt + page);
}

/** Has the contents of a page of RAM in place, before anything else is done with it. */
// @ts-ignore: decorator
@inline export function present(offset: u32): void {
  if (load<u8>(flagsAt + (offset >>> 12)) & PAGE_FLAG_ABSENT) pageAbsent(offset >>> 12);
}

/** Whether stores to the page need watching besides its first. */
// @ts-ignore: decorator
@inline export function isSpecial(page: u32): bool {
  return (load<u8>(flagsAt + page) & SPECIAL) != 0;
}

/** Stores `width` bytes within one page and lets everything derived from them follow. */
export function writeRam(offset: u32, width: u32, value: u64): void {
  const at = RAM_AT + <usize>offset;
  if (width == 8) store<u64>(at, value);
  else if (width == 4) store<u32>(at, <u32>value);
  else if (width == 2) store<u16>(at, <u16>value);
  else store<u8>(at, <u8>value);
  ramWritten(offset, width);
}

/** Bytes [offset, offset+length) of RAM changed; they lie within one page. */
export function ramWritten(offset: u32, length: u32): void {
  const page = offset >>> 12;
  const flags = <u32>load<u8>(flagsAt + page);
  if ((flags & PAGE_FLAG_DIRTY) == 0) store<u8>(flagsAt + page, <u8>(flags | PAGE_FLAG_DIRTY));
  if ((flags & SPECIAL) == 0 || length == 0) return;
  if (flags & PAGE_FLAG_DECODED) undecode(page, offset & 0xfff, length);
  if (flags & PAGE_FLAG_TRANSLATED) translatedStore(offset, length);
  if (flags & (PAGE_FLAG_TABLE_LEAF | PAGE_FLAG_TABLE_UPPER)) tableWritten(page, offset, length, flags);
}

/** The host changed RAM: any length. */
export function ramChanged(offset: u32, length: u32): void {
  const harts = load<u32>(MACHINE_HART_COUNT);
  for (let i: u32 = 0; i < harts; i++) {
    const h = hartAt(i);
    const reserved = load<u64>(h, HART_RESERVATION) - RAM_BASE;
    if (reserved < <u64>offset + length && reserved + load<u32>(h, HART_RESERVATION_WIDTH) > offset) store<u64>(h, ~0, HART_RESERVATION);
  }
  while (length != 0) {
    const part = min<u32>(length, 4096 - (offset & 0xfff));
    ramWritten(offset, part);
    offset += part;
    length -= part;
  }
}

// ---- decoded pages

/** The decoded page of a RAM page, made (empty) when there is none. */
export function decodedPage(page: u32): usize {
  if (flagsOf(page) & PAGE_FLAG_DECODED) return DECODE_AT + <usize>load<u16>(decodeIndexAt + (page << 1)) * DECODE_STRIDE;
  const index = load<u32>(MACHINE_NEXT_DECODE);
  store<u32>(MACHINE_NEXT_DECODE, (index + 1) % DECODE_PAGES);
  const at = DECODE_AT + <usize>index * DECODE_STRIDE;
  const owner = load<i32>(DECODE_OWNER_AT + (index << 2));
  if (owner >= 0) {
    store<u8>(flagsAt + owner, <u8>(flagsOf(owner) & ~PAGE_FLAG_DECODED));
    dropFetches(<u32>at);
  }
  store<u32>(DECODE_OWNER_AT + (index << 2), page);
  store<u16>(decodeIndexAt + (page << 1), <u16>index);
  memory.fill(at, 0, DECODE_STRIDE);
  emit(at + SLOTS_PER_PAGE * 8, OP_PAGE_END, 2, 0, 0, 0);
  watchStores(page, PAGE_FLAG_DECODED);
  const found = load<u32>(NEW_CODE_COUNT_AT);
  if (found < NEW_CODE_SLOTS) {
    store<u32>(NEW_CODE_AT + (found << 2), page);
    store<u32>(NEW_CODE_COUNT_AT, found + 1);
  }
  return at;
}

/** RAM page of a decoded page. */
export function ownerOf(decoded: usize): u32 {
  return load<u32>(DECODE_OWNER_AT + (((decoded - DECODE_AT) / DECODE_STRIDE) << 2));
}

/** Forgets the slots that bytes [at, at+length) of a page may be part of: an instruction may begin 2 bytes before, and be the second of a pair that began 4 before that. */
function undecode(page: u32, at: u32, length: u32): void {
  const decoded = DECODE_AT + <usize>load<u16>(decodeIndexAt + (page << 1)) * DECODE_STRIDE;
  clearSlots(decoded, at, length);
  // a page that is written again and again has become data: the imm of its PAGE_END slot counts
  const count = decoded + SLOTS_PER_PAGE * 8 + 4;
  const n = load<u32>(count) + 1;
  store<u32>(count, n);
  if (n % STORES_TO_CODE == 0) forgetDecoded(page, decoded);
}

function clearSlots(decoded: usize, at: u32, length: u32): void {
  const first: u32 = at < 2 ? 0 : (at - 2) >>> 1;
  const last = (at + length - 1) >>> 1;
  for (let slot: u32 = first < 2 ? 0 : first - 2; slot < first; slot++) {
    const w = load<u32>(decoded + (slot << 3));
    store<u32>(decoded + (slot << 3), (w & ~0x3ff) | firstOf(w & 0x3ff));
  }
  memory.fill(decoded + (first << 3), 0, (last - first + 1) << 3);
}

/** MACHINE.places changed: the slots there are decoded again. */
export function observePlaces(): void {
  const count = load<u32>(MACHINE_PLACE_COUNT);
  for (let i: u32 = 0; i < DECODE_PAGES; i++) {
    if (load<i32>(DECODE_OWNER_AT + (i << 2)) < 0) continue;
    for (let n: u32 = 0; n < count; n++) clearSlots(DECODE_AT + <usize>i * DECODE_STRIDE, load<u16>(MACHINE_PLACES + (n << 1)), 2);
  }
}

// @ts-ignore: decorator
@inline function observedSlot(key: u32, n: u32): usize {
  return OBSERVED_AT + <usize>((((key * <u32>OBSERVED_HASH) >>> (32 - <u32>OBSERVED_BITS)) + n) & ((<u32>1 << <u32>OBSERVED_BITS) - 1)) * 4;
}

/** Whether a half-word of RAM is in the table of those that are looked at. */
function isInTable(key: u32): bool {
  let n: u32 = 0;
  let at = load<u32>(observedSlot(key, n));
  while (at != 0 && at != key) at = load<u32>(observedSlot(key, ++n));
  return at == key;
}

/** The instruction at an offset of RAM, on a page that is decoded, is looked at from now on. */
export function observe(offset: u32, decoded: usize): void {
  const key = (offset >>> 1) + 1;
  const count = load<u32>(MACHINE_OBSERVED_COUNT);
  if (count != 0 && isInTable(key)) return;
  if (count > OBSERVED_MOST) {
    // what is in use comes in again as it is fetched
    memory.fill(OBSERVED_AT, 0, <usize>4 << <usize>OBSERVED_BITS);
    store<u32>(MACHINE_OBSERVED_COUNT, 0);
    dropTranslations();
  }
  let n: u32 = 0;
  while (load<u32>(observedSlot(key, n)) != 0) n++;
  store<u32>(observedSlot(key, n), key);
  store<u32>(MACHINE_OBSERVED_COUNT, load<u32>(MACHINE_OBSERVED_COUNT) + 1);
  clearSlots(decoded, offset & 0xfff, 2);
  // code that was translated over it is not valid any more
  if (flagsOf(offset >>> 12) & PAGE_FLAG_TRANSLATED) translatedStore(offset, 2);
}

/** Entries of the table beyond which it is emptied. */
const OBSERVED_MOST: u32 = 49152;

/** Whether the instruction at an offset of RAM is to be looked at each time. */
export function isObserved(offset: u32): bool {
  if (load<u32>(MACHINE_OBSERVED_COUNT) != 0 && isInTable((offset >>> 1) + 1)) return true;
  const place = offset & 0xfff;
  const count = load<u32>(MACHINE_PLACE_COUNT);
  for (let n: u32 = 0; n < count; n++) if (load<u16>(MACHINE_PLACES + (n << 1)) == place) return true;
  return false;
}

/** So many stores make a page with decoded code one without. */
const STORES_TO_CODE: u32 = 48;

/** Stores to the page need no watching for its code any more, unless a hart is executing it. */
function forgetDecoded(page: u32, decoded: usize): void {
  const harts = load<u32>(MACHINE_HART_COUNT);
  for (let hart: u32 = 0; hart < harts; hart++) {
    const h = hartAt(hart);
    const e = load<u32>(h, HART_FETCH_BANK) + <u32>TLB_EXECUTE + (<u32>(load<u64>(h, HART_PC) >> 8) & TLB_INDEX_MASK);
    if (load<u32>(e, 8) == <u32>decoded) return;
  }
  dropFetches(<u32>decoded);
  store<u8>(flagsAt + page, <u8>(flagsOf(page) & ~PAGE_FLAG_DECODED));
  store<i32>(DECODE_OWNER_AT + (((decoded - DECODE_AT) / DECODE_STRIDE) << 2), -1);
}

/** A decoded page gets another owner, or none: what was found by its address holds no longer. */
function dropFetches(decoded: u32): void {
  for (let j: usize = JUMPS_AT; j < JUMPS_AT + JUMPS_SIZE; j += JUMP_SIZE)
    if (load<u32>(j, JUMP_DECODED) == decoded) store<u32>(j, 0, JUMP_DECODED);
  const harts = load<u32>(MACHINE_HART_COUNT);
  for (let hart: u32 = 0; hart < harts; hart++) {
    const h = hartAt(hart);
    for (let b: u32 = 0; b < TLB_BANKS; b++) {
      if (!bankUsed(h, b)) continue;
      let e = bankAt(h, b) + TLB_EXECUTE;
      for (const end = e + TLB_ENTRIES * TLB_ENTRY_SIZE; e < end; e += TLB_ENTRY_SIZE) {
        if (load<u32>(e, 8) == decoded) store<u64>(e, ~0);
      }
    }
  }
}

/** Forgets all decoded pages. */
export function dropDecoded(): void {
  for (let i: u32 = 0; i < DECODE_PAGES; i++) {
    const owner = load<i32>(DECODE_OWNER_AT + (i << 2));
    if (owner >= 0 && <u64>owner << 12 < ramSize) store<u8>(flagsAt + owner, <u8>(flagsOf(owner) & ~PAGE_FLAG_DECODED));
    store<i32>(DECODE_OWNER_AT + (i << 2), -1);
  }
  store<u32>(MACHINE_NEXT_DECODE, 0);
}

// ---- write entries: where in the TLB banks a page of RAM may be stored to inline
//   0: nowhere   an address: there at most   MANY: anywhere

const MANY: u32 = 0xffffffff;

/** Flag in the tag of a write entry: stores to the page are watched. Above the address bits that inline probes compare, also of misaligned accesses. */
export const WATCHED: u64 = 0x800;

// @ts-ignore: decorator
@inline function leadsTo(e: usize, target: u32): bool {
  const tag = load<u64>(e);
  const at: u32 = load<u32>(e, 8) + <u32>tag;
  return (tag & 0xfff) == 0 && at == target;
}

/** Notes that the write entry `e` will lead to the page. */
export function noteWriteEntry(page: u32, e: usize): void {
  const known = load<u32>(writeEntriesAt + (page << 2));
  if (known == <u32>e) return;
  const single = known == 0 || (known != MANY && !leadsTo(known, <u32>RAM_AT + (page << 12)));
  store<u32>(writeEntriesAt + (page << 2), single ? <u32>e : MANY);
}

/** Sets a flag that makes stores to the page take the slow path: write entries that lead there stop matching inline. */
export function watchStores(page: u32, flag: u32): void {
  const flags = flagsOf(page);
  store<u8>(flagsAt + page, <u8>(flags | flag));
  if (flags & SPECIAL) return;
  const target = <u32>RAM_AT + (page << 12);
  const known = load<u32>(writeEntriesAt + (page << 2));
  store<u32>(writeEntriesAt + (page << 2), 0);
  if (known == 0) return;
  if (known != MANY) {
    if (leadsTo(known, target)) store<u64>(known, load<u64>(known) | WATCHED);
    return;
  }
  const harts = load<u32>(MACHINE_HART_COUNT);
  for (let hart: u32 = 0; hart < harts; hart++) {
    const h = hartAt(hart);
    for (let b: u32 = 0; b < TLB_BANKS; b++) {
      if (!bankUsed(h, b)) continue;
      let e = bankAt(h, b) + TLB_WRITE;
      for (const end = e + TLB_ENTRIES * TLB_ENTRY_SIZE; e < end; e += TLB_ENTRY_SIZE) {
        if (leadsTo(e, target)) store<u64>(e, load<u64>(e) | WATCHED);
      }
    }
  }
}

// ---- page tables

/** A translation was dropped because its entry was stored to: the next instruction must be fetched through the tables again. */
export let refetch: bool = false;
export function clearRefetch(): void {
  refetch = false;
}

/** Notes that a live translation was read from the entry at `offset` of RAM. @param leaf the last level (a 4 KiB leaf) */
export function tableRead(offset: u32, leaf: bool): void {
  const page = offset >>> 12;
  const slot = (offset >>> 3) & 511;
  const flag = leaf ? PAGE_FLAG_TABLE_LEAF : PAGE_FLAG_TABLE_UPPER;
  const flags = flagsOf(page);
  if ((flags & flag) == 0) {
    if ((flags & (PAGE_FLAG_TABLE_LEAF | PAGE_FLAG_TABLE_UPPER)) == 0) {
      const count = load<u32>(MACHINE_TABLE_COUNT);
      store<u32>(TABLE_LIST_AT + (count << 2), page);
      store<u32>(MACHINE_TABLE_COUNT, count + 1);
      memory.fill(tableBitsAt + (page << 6), 0, 64);
    }
    watchStores(page, flag);
  }
  const bits = tableBitsAt + (page << 6) + (slot >>> 3);
  store<u8>(bits, load<u8>(bits) | <u8>(<u32>1 << (slot & 7)));
}

/** Drops every translation, and with them the notes on the tables they were read from. */
export function dropTranslations(): void {
  dropBanks();
  const count = load<u32>(MACHINE_TABLE_COUNT);
  for (let i: u32 = 0; i < count; i++) {
    const page = load<u32>(TABLE_LIST_AT + (i << 2));
    store<u8>(flagsAt + page, <u8>(flagsOf(page) & ~(PAGE_FLAG_TABLE_LEAF | PAGE_FLAG_TABLE_UPPER)));
  }
  store<u32>(MACHINE_TABLE_COUNT, 0);
}

/** Makes sure that {@link tableRead} can note the tables of one walk without forgetting some of them on the way. */
export function prepareTables(): void {
  if (load<u32>(MACHINE_TABLE_COUNT) + 5 > MAX_TABLES) dropTranslations();
}

function tableWritten(page: u32, offset: u32, length: u32, flags: u32): void {
  const first = (offset >>> 3) & 511;
  const last = ((offset + length - 1) >>> 3) & 511;
  for (let slot = first; slot <= last; slot++) {
    const bits = tableBitsAt + (page << 6) + (slot >>> 3);
    const mask = <u8>(<u32>1 << (slot & 7));
    if ((load<u8>(bits) & mask) == 0) continue;
    refetch = true;
    if (flags & PAGE_FLAG_TABLE_UPPER) {
      dropTranslations();
      return;
    }
    store<u8>(bits, load<u8>(bits) & ~mask);
    dropLeaf((page << 12) | (slot << 3), slot);
  }
}

/** Drops the translations read from one 4 KiB leaf: its slot number is the low part of the virtual page number, as is the TLB index. */
function dropLeaf(entry: u32, slot: u32): void {
  for (; slot < TLB_ENTRIES; slot += ENTRIES_OF_TABLE) dropLeafAt(entry, slot * TLB_ENTRY_SIZE);
}

/** Entries of a page table. */
const ENTRIES_OF_TABLE: u32 = 512;

function dropLeafAt(entry: u32, at: u32): void {
  const harts = load<u32>(MACHINE_HART_COUNT);
  for (let hart: u32 = 0; hart < harts; hart++) {
    const h = hartAt(hart);
    for (let b: u32 = 0; b < TLB_BANKS; b++) {
      if (!bankUsed(h, b)) continue;
      const e = bankAt(h, b) + at;
      if (load<u32>(e, TLB_READ + 12) == entry) store<u64>(e, ~0, TLB_READ);
      if (load<u32>(e, TLB_WRITE + 12) == entry) store<u64>(e, ~0, TLB_WRITE);
      if (load<u32>(e, TLB_EXECUTE + 12) == entry) store<u64>(e, ~0, TLB_EXECUTE);
    }
  }
}
