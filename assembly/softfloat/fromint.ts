/** Integer to floating point (unprivileged ISA, FCVT.S/D.W[U]/L[U]). 32-bit forms use the low half of x. */
import { NX, RNE, raise } from "./flags";
import { F32, F64 } from "./format";
import { round } from "./round";

/** How many bits lie between the first and last set ones, both counted. Meaningless for 0. */
// @ts-ignore: decorator
@inline
function width(magnitude: u64): u64 {
  return 64 - clz(magnitude) - ctz(magnitude);
}

/** ±magnitude rounded to `format`; for magnitudes too wide for it. */
function roundInteger(negative: bool, magnitude: u64, rm: u32, format: u32): u64 {
  const lead = clz(magnitude);
  return round(<u64>negative << 63, 63 - <i32>lead, magnitude << lead, rm, format);
}

/** The low half of x, signed. Always exact. */
export function i32_to_f64(x: u64, _rm: u32): u64 {
  return reinterpret<u64>(<f64><i32>x);
}

/** The low half of x, unsigned. Always exact. */
export function u32_to_f64(x: u64, _rm: u32): u64 {
  return reinterpret<u64>(<f64><u32>x);
}

/** x, signed. */
export function i64_to_f64(x: u64, rm: u32): u64 {
  const negative = <i64>x < 0;
  const magnitude = negative ? 0 - x : x;
  if (magnitude >> 53 != 0 && width(magnitude) > 53) {
    if (rm != RNE) return roundInteger(negative, magnitude, rm, F64);
    raise(NX);
  }
  return reinterpret<u64>(<f64><i64>x);
}

/** x, unsigned. */
export function u64_to_f64(x: u64, rm: u32): u64 {
  if (x >> 53 != 0 && width(x) > 53) {
    if (rm != RNE) return roundInteger(false, x, rm, F64);
    raise(NX);
  }
  return reinterpret<u64>(<f64>x);
}

/** The low half of x, signed. */
export function i32_to_f32(x: u64, rm: u32): u32 {
  return i64_to_f32(<u64><i64><i32>x, rm);
}

/** The low half of x, unsigned. */
export function u32_to_f32(x: u64, rm: u32): u32 {
  return u64_to_f32(x & 0xffffffff, rm);
}

/** x, signed. */
export function i64_to_f32(x: u64, rm: u32): u32 {
  const negative = <i64>x < 0;
  const magnitude = negative ? 0 - x : x;
  if (magnitude >> 24 != 0 && width(magnitude) > 24) {
    if (rm != RNE) return <u32>roundInteger(negative, magnitude, rm, F32);
    raise(NX);
  }
  return reinterpret<u32>(<f32><i64>x);
}

/** x, unsigned. */
export function u64_to_f32(x: u64, rm: u32): u32 {
  if (x >> 24 != 0 && width(x) > 24) {
    if (rm != RNE) return <u32>roundInteger(false, x, rm, F32);
    raise(NX);
  }
  return reinterpret<u32>(<f32>x);
}
