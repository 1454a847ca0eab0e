/** Square root (IEEE 754-2019 §5.4.1). */
import { NX, RNE, raise } from "./flags";
import {
  F32, F64, FRACTION64, INF32, INF64, exponent64, field64, infinity, invalid, isInf64, isNaN64, isNormal64, isZero64,
  normalised64, num32, num64, quietResult, significand64, widen, zero,
} from "./format";
import { round } from "./round";

/** Square root in full, of an operand given as f64 bits, rounded once to `format`. */
export function sqrtExact(a: u64, rm: u32, format: u32): u64 {
  if (isNaN64(a)) return quietResult(a, a, format);
  if (isZero64(a)) return zero(a, format);
  if (a >> 63 != 0) return invalid(format);
  if (isInf64(a)) return infinity(a, format);

  // As in division: the machine's nearest root of the significand, in [1, 4) by an even exponent,
  // and the sign of the remainder. A root is never half-way between two 53-bit numbers.
  const x = normalised64(a) >> 11;
  const exponent = exponent64(a);
  const odd = exponent & 1;
  const scaled = num64(x & FRACTION64 | <u64>(1023 + odd) << 52);
  const nearest = significand64(reinterpret<u64>(sqrt<f64>(scaled)));
  const remainder = <i64>((x << (52 + odd)) - nearest * nearest);
  const root = (nearest << 11) + (remainder > 0 ? 1 : remainder < 0 ? -1 : 0);
  return round(0, exponent >> 1, root, rm, format);
}

/** Square root of a. */
export function f64_sqrt(a: u64, rm: u32): u64 {
  if (isNormal64(a) && <i64>a > 0) {
    const root = reinterpret<u64>(sqrt<f64>(num64(a)));
    const nearest = significand64(root);
    // Exact iff its square gives the operand back; they differ by less than 2^54. An even field is
    // an odd exponent.
    if (nearest * nearest == significand64(a) << (52 + u64((field64(a) & 1) == 0))) return root;
    if (rm == RNE) {
      raise(NX);
      return root;
    }
  }
  return sqrtExact(a, rm, F64);
}

/** Square root of a rounding to nearest even, when NX is already set. */
export function f64_sqrt_nx(a: u64): u64 {
  // No root of a finite number overflows or underflows.
  return a < INF64 ? reinterpret<u64>(sqrt<f64>(num64(a))) : sqrtExact(a, RNE, F64);
}

/** Square root of a. */
export function f32_sqrt(a: u32, rm: u32): u32 {
  if (a < INF32) {
    const root = sqrt<f32>(num32(a));
    // 24 + 24 bits fit a binary64 significand: that square is exact.
    if (<f64>root * <f64>root == <f64>num32(a)) return reinterpret<u32>(root);
    if (rm == RNE) {
      raise(NX);
      return reinterpret<u32>(root);
    }
  }
  return <u32>sqrtExact(widen(a), rm, F32);
}

/** Square root of a rounding to nearest even, when NX is already set. */
export function f32_sqrt_nx(a: u32): u32 {
  return a < INF32 ? reinterpret<u32>(sqrt<f32>(num32(a))) : <u32>sqrtExact(widen(a), RNE, F32);
}
