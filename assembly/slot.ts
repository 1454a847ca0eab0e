import { EXT_I, MACHINE_EXTENSIONS } from "./generated/layout";

// A decoded slot (8 bytes):
//   31    24 23    16 15 14 13 12 10 9        0 | 63         32
//   [ b=rs1 ][ a=rd  ]   4B 2B       [   op    ] | imm i32

/** Writes a slot. `length` is 4 or 2 bytes. */
export function emit(slot: usize, op: u32, length: u32, a: u32, b: u32, imm: u32): void {
  store<u32>(slot, op | (length << 12) | (a << 16) | (b << 24));
  store<u32>(slot, imm, 4);
}

// @ts-ignore: decorator
@inline export function extension(index: u32): bool {
  return index == EXT_I || ((load<u64>(MACHINE_EXTENSIONS) >> index) & 1) != 0;
}

// @ts-ignore: decorator
@inline export function rd(w: u32): u32 { return (w >>> 7) & 31; }
// @ts-ignore: decorator
@inline export function rs1(w: u32): u32 { return (w >>> 15) & 31; }
// @ts-ignore: decorator
@inline export function rs2(w: u32): u32 { return (w >>> 20) & 31; }
// @ts-ignore: decorator
@inline export function rm(w: u32): u32 { return (w >>> 12) & 7; }
/** Writes to x0 go to the sink, x[32]. */
// @ts-ignore: decorator
@inline export function sink(r: u32): u32 { return r == 0 ? 32 : r; }

export function immS(w: u32): u32 {
  return <u32>(((<i32>w >> 25) << 5) | ((w >>> 7) & 31));
}
export function immB(w: u32): u32 {
  return <u32>(((<i32>w >> 31) << 12)) | ((w << 4) & 0x800) | ((w >>> 20) & 0x7e0) | ((w >>> 7) & 0x1e);
}
export function immJ(w: u32): u32 {
  return <u32>((<i32>w >> 31) << 20) | (w & 0xff000) | ((w >>> 9) & 0x800) | ((w >>> 20) & 0x7fe);
}
