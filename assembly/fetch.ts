import { trapped } from "./fault";
import {
  DECODE_AT, HART_CROSSING, HART_FETCH_BANK, HART_PRV, MACHINE_DECODES, MACHINE_POINT_COUNT, OP_CROSSING, OP_DECODE, OP_OBSERVED, OP_PAGE_END, POINTS_AT, RAM_AT, RAM_BASE,
  SLOTS_PER_PAGE, SLOT_SIZE, TLB_EXECUTE, TLB_INDEX_MASK,
} from "./generated/layout";
import { fusedOp } from "./generated/fused";
import { decode16, decode32 } from "./generated/decode";
import { firstPoint, physical, stopsOnPage } from "./memory";
import { pmpWholePage } from "./pmp";
import { decodedPage, inRam, isObserved, observe, ownerOf } from "./ram";
import { emit } from "./slot";
import { setTrap, Cause } from "./fault";
import { Access, NOWHERE, leafEntry } from "./walk";

// From a virtual pc to decoded slots.

/** After {@link fetchPage}: the page holds execute points, so that every instruction must be looked at. */
export let observedPage: bool = false;

/** Decoded page that pc leads to; the trap is set when there is none. Installs the fetch entry unless the page must be observed. */
export function fetchPage(h: usize, pc: u64): usize {
  const pa = physical(h, pc, 2, Access.EXECUTE, load<u32>(h, HART_PRV), true);
  if (pa == NOWHERE) return 0;
  const pageAt = pa & ~0xfff;
  if (!inRam(pageAt, 4096)) {
    setTrap(Cause.FETCH_ACCESS, pc);
    return 0;
  }
  const whole = pmpWholePage;
  const entry = leafEntry;
  if (!whole && (pc & 0xfff) != 0xffe && (load<u8>(RAM_AT + <usize>(pa - RAM_BASE)) & 3) == 3) {
    // protection changes somewhere on this page: perhaps in the middle of this instruction
    if (physical(h, pc + 2, 2, Access.EXECUTE, load<u32>(h, HART_PRV), true) == NOWHERE) return 0;
  }
  const decoded = decodedPage(<u32>((pageAt - RAM_BASE) >> 12));
  if (load<u32>(MACHINE_POINT_COUNT) != 0) observePoints(pc & ~0xfff, <u32>(pageAt - RAM_BASE), decoded);
  observedPage = stopsOnPage(pc) || !whole;
  if (!observedPage) {
    const e = load<u32>(h, HART_FETCH_BANK) + <u32>TLB_EXECUTE + (<u32>(pc >> 8) & TLB_INDEX_MASK);
    store<u64>(e, pc & ~0xfff);
    store<u32>(e, <u32>decoded, 8);
    store<u32>(e, entry, 12);
  }
  return decoded;
}

/** A virtual page with exact execute points leads to a page of RAM: its instructions there are looked at from now on. */
function observePoints(page: u64, offset: u32, decoded: usize): void {
  const count = load<u32>(MACHINE_POINT_COUNT);
  for (let i = firstPoint(page); i < count; i++) {
    const va = load<u64>(POINTS_AT + (<usize>i << 3));
    if (va > (page | 0xfff)) return;
    observe(offset + <u32>(va - page), decoded);
  }
}

/** Decodes the instruction of one slot, and makes it one with the next where the two are a frequent pair. */
export function decodeSlot(decoded: usize, slot: usize): void {
  decodeAlone(decoded, slot);
  const w = load<u32>(slot);
  if ((w & 0x3ff) == OP_OBSERVED) return;
  const next = slot + ((w >>> 10) & 0x18);
  if (next >= decoded + SLOTS_PER_PAGE * SLOT_SIZE) return;
  if ((load<u32>(next) & 0x3ff) == OP_DECODE) decodeAlone(decoded, next);
  const fused = fusedOp(w & 0x3ff, load<u32>(next) & 0x3ff);
  if (fused) store<u32>(slot, (w & ~0x3ff) | fused);
}

/** A 4-byte instruction at the page's end becomes CROSSING, one that is looked at OBSERVED. */
function decodeAlone(decoded: usize, slot: usize): void {
  store<u64>(MACHINE_DECODES, load<u64>(MACHINE_DECODES) + 1);
  const offset = <u32>(slot - decoded) >>> 2;
  if (isObserved((ownerOf(decoded) << 12) | offset)) {
    emit(slot, OP_OBSERVED, 2, 0, 0, 0);
    return;
  }
  const at = RAM_AT + <usize>ownerOf(decoded) * 4096 + offset;
  const low = <u32>load<u16>(at);
  if ((low & 3) != 3) decode16(slot, low);
  else if (offset == 0xffe) emit(slot, OP_CROSSING, 4, 0, 0, 0);
  else decode32(slot, load<u32>(at));
}

/**
 * The instruction at pc (the last half-word of a page) whose second half is on the next page, decoded into the hart's own slots.
 * @returns their address; the trap is set when the next page cannot be fetched (its address is the value).
 */
export function decodeCrossing(h: usize, decoded: usize, pc: u64): usize {
  const next = pc + 2;
  const pa = physical(h, next, 2, Access.EXECUTE, load<u32>(h, HART_PRV), true);
  if (trapped()) return 0;
  if (!inRam(pa, 2)) {
    setTrap(Cause.FETCH_ACCESS, next);
    return 0;
  }
  const low = <u32>load<u16>(RAM_AT + <usize>ownerOf(decoded) * 4096 + 0xffe);
  return ownSlots(h, low | (<u32>load<u16>(RAM_AT + <usize>(pa - RAM_BASE)) << 16));
}

/** The instruction at an observed pc, decoded into the hart's own slots. @returns as {@link decodeCrossing} */
export function decodeObserved(h: usize, decoded: usize, pc: u64): usize {
  const at = RAM_AT + <usize>ownerOf(decoded) * 4096 + (<usize>pc & 0xfff);
  const low = <u32>load<u16>(at);
  if ((low & 3) != 3) return ownSlots(h, low);
  return (pc & 0xfff) == 0xffe ? decodeCrossing(h, decoded, pc) : ownSlots(h, load<u32>(at));
}

/** Decodes one instruction into the hart's own slots; its bits are kept 12 bytes after, for {@link bitsOf}. */
function ownSlots(h: usize, bits: u32): usize {
  const slot = h + HART_CROSSING;
  if ((bits & 3) != 3) decode16(slot, bits);
  else {
    decode32(slot, bits);
    emit(slot + 16, OP_PAGE_END, 2, 0, 0, 0);
  }
  emit(slot + 8, OP_PAGE_END, 2, 0, 0, bits);
  return slot;
}

/** Bits of the instruction in a slot, for the trap value of an illegal one. */
export function bitsOf(pageIp: usize, ip: usize): u32 {
  // the hart's own slots lie below all decoded pages
  if (ip < DECODE_AT) return load<u32>(ip, 12);
  const at = RAM_AT + <usize>ownerOf(pageIp) * 4096 + (<u32>(ip - pageIp) >>> 2);
  const low = <u32>load<u16>(at);
  return (low & 3) != 3 ? low : load<u32>(at);
}
