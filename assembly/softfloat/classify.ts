/**
 * FCLASS: one bit of ten (unprivileged ISA, "Format of result of FCLASS instruction").
 *
 *   0 -inf | 1 -normal | 2 -subnormal | 3 -0 | 4 +0 | 5 +subnormal | 6 +normal | 7 +inf | 8 sNaN | 9 qNaN
 */
import { HIDDEN64, INF64, QUIET64, SIGN64, field64 } from "./format";
import { FRACTION32, INF32, QUIET32, SIGN32 } from "./format";

/** The class of a. */
export function f64_class(a: u64): u64 {
  const magnitude = a & ~SIGN64;
  if (magnitude > INF64) return (a & QUIET64) != 0 ? 1 << 9 : 1 << 8;
  return signed(a >> 63 != 0, magnitude == 0, magnitude < HIDDEN64, field64(a) == 0x7ff);
}

/** The class of a. */
export function f32_class(a: u32): u64 {
  const magnitude = a & ~SIGN32;
  if (magnitude > INF32) return (a & QUIET32) != 0 ? 1 << 9 : 1 << 8;
  return signed(a >> 31 != 0, magnitude == 0, magnitude <= FRACTION32, magnitude == INF32);
}

function signed(negative: bool, isZero: bool, belowNormal: bool, infinite: bool): u64 {
  const distance: u64 = isZero ? 0 : belowNormal ? 1 : infinite ? 3 : 2;
  return negative ? <u64>8 >> distance : <u64>16 << distance;
}
