import { HART_PMPADDR, HART_PMPCFG } from "./generated/layout";

// Physical memory protection (privileged ISA, "Physical Memory Protection"): 16 entries, grain 4 bytes.
//   pmpcfg byte:  L . . A1 A0 X W R      A: 0 off, 1 TOR, 2 NA4, 3 NAPOT

/** Bits of what an access needs. */
export const PMP_R: u32 = 1;
export const PMP_W: u32 = 2;
export const PMP_X: u32 = 4;

/** How far around the address the last answer holds: whole 4 KiB page or not. */
export let pmpWholePage: bool = true;

/** Entry 0 is NAPOT over everything with X, W and R: how machines start under the built-in SBI, and what firmware usually sets up. */
const OPEN: u32 = 0x1f;
const EVERYTHING: u64 = 0x3fffffffffffff;

/** @param prv effective privilege @returns whether [address, address+width) may be accessed. */
// @ts-ignore: decorator
@inline export function pmpAllows(h: usize, address: u64, width: u64, need: u32, prv: u32): bool {
  if ((<u32>load<u8>(h, HART_PMPCFG) & OPEN) == OPEN && (load<u64>(h, HART_PMPADDR) & EVERYTHING) == EVERYTHING) {
    pmpWholePage = true;
    return true;
  }
  return entriesAllow(h, address, width, need, prv);
}

function entriesAllow(h: usize, address: u64, width: u64, need: u32, prv: u32): bool {
  const page = address & ~0xfff;
  const last = address + width - 1;
  pmpWholePage = true;
  for (let i: u32 = 0; i < 16; i++) {
    const config = <u32>load<u8>(h + i, HART_PMPCFG);
    const mode = (config >>> 3) & 3;
    if (mode == 0) continue;
    const value = load<u64>(h + (i << 3), HART_PMPADDR);
    let start: u64, end: u64;
    if (mode == 1) {
      start = i == 0 ? 0 : load<u64>(h + ((i - 1) << 3), HART_PMPADDR) << 2;
      end = value << 2;
    } else if (mode == 2) {
      start = value << 2;
      end = start + 4;
    } else {
      const ones = ctz(~value);
      // 2^(ones+3) bytes; at 54 ones or more everything is covered, ~0 included
      if (ones >= 54) {
        start = 0;
        end = ~0;
      } else {
        start = (value & ~((<u64>1 << ones) - 1)) << 2;
        end = start + (<u64>8 << ones);
      }
    }
    if (start >= end) continue;
    // does this entry split the page?
    if (start < page + 4096 && end > page && (start > page || end < page + 4096)) pmpWholePage = false;
    if ((end <= address && end != ~0) || start > last) continue;
    if (start > address || (end <= last && end != ~0)) return false;
    if (prv == 3 && (config & 0x80) == 0) return true;
    return (config & need) == need;
  }
  return prv == 3;
}
