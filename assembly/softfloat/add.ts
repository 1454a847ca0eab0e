/** Addition and subtraction (IEEE 754-2019 §5.4.1). */
import { NX, RDN, RNE, raise } from "./flags";
import {
  F32, F64, SIGN32, SIGN64, exponent64, infinity, invalid, isFinite32, isFinite64, isInf64, isNaN64, isZero64,
  normalised64, num32, num64, quietResult, widen, zero,
} from "./format";
import { round, shiftSticky } from "./round";

// Below this exponent nothing in the error computation can overflow; bits << 1 compares magnitudes.
// @ts-ignore: decorator
@inline const NATIVE_LIMIT64: u64 = 0x7fc0000000000000 << 1;
// @ts-ignore: decorator
@inline const NATIVE_LIMIT32: u32 = 0x7e000000 << 1;

/** a + b in full, for operands given as f64 bits, rounded once to `format`. */
export function addExact(a: u64, b: u64, rm: u32, format: u32): u64 {
  if (isNaN64(a) || isNaN64(b)) return quietResult(a, b, format);
  if (isInf64(a)) return isInf64(b) && a != b ? invalid(format) : infinity(a, format);
  if (isInf64(b)) return infinity(b, format);
  if (isZero64(b)) {
    if (!isZero64(a)) return round(a, exponent64(a), normalised64(a), rm, format);
    return a == b ? zero(a, format) : zero(rm == RDN ? SIGN64 : 0, format);
  }
  if (isZero64(a)) return round(b, exponent64(b), normalised64(b), rm, format);

  if ((a & ~SIGN64) < (b & ~SIGN64)) {
    const swap = a;
    a = b;
    b = swap;
  }
  // Two free bits above, at least nine below: more than the sticky bit needs.
  const exponent = exponent64(a) + 2;
  const large = normalised64(a) >> 2;
  const small = shiftSticky(normalised64(b) >> 2, exponent - 2 - exponent64(b));
  const sum = (a ^ b) >> 63 != 0 ? large - small : large + small;
  if (sum == 0) return zero(rm == RDN ? SIGN64 : 0, format);
  const lead = <i32>clz(sum);
  return round(a, exponent - lead, sum << lead, rm, format);
}

/** a + b. */
export function f64_add(a: u64, b: u64, rm: u32): u64 {
  if (a << 1 < NATIVE_LIMIT64 && b << 1 < NATIVE_LIMIT64) {
    // The error of a sum is itself a number (Knuth's TwoSum), also among subnormals, and a sum
    // that is exact is the same in every rounding mode but for the sign of a zero.
    const x = num64(a);
    const y = num64(b);
    const sum = x + y;
    const part = sum - x;
    const error = x - (sum - part) + (y - part);
    if (error == 0) {
      if (sum != 0 || rm != RDN) return reinterpret<u64>(sum);
    } else if (rm == RNE) {
      raise(NX);
      return reinterpret<u64>(sum);
    }
  }
  return addExact(a, b, rm, F64);
}

/** a + b rounding to nearest even, when NX is already set. */
export function f64_add_nx(a: u64, b: u64): u64 {
  // A finite sum neither overflowed nor underflowed: tiny sums are exact.
  const sum = reinterpret<u64>(num64(a) + num64(b));
  return isFinite64(sum) ? sum : addExact(a, b, RNE, F64);
}

/** a - b. */
export function f64_sub(a: u64, b: u64, rm: u32): u64 {
  return f64_add(a, b ^ SIGN64, rm);
}

/** a - b rounding to nearest even, when NX is already set. */
export function f64_sub_nx(a: u64, b: u64): u64 {
  const difference = reinterpret<u64>(num64(a) - num64(b));
  return isFinite64(difference) ? difference : addExact(a, b ^ SIGN64, RNE, F64);
}

/** a + b. */
export function f32_add(a: u32, b: u32, rm: u32): u32 {
  if (a << 1 < NATIVE_LIMIT32 && b << 1 < NATIVE_LIMIT32) {
    const x = num32(a);
    const y = num32(b);
    const sum = x + y;
    const part = sum - x;
    const error = x - (sum - part) + (y - part);
    if (error == 0) {
      if (sum != 0 || rm != RDN) return reinterpret<u32>(sum);
    } else if (rm == RNE) {
      raise(NX);
      return reinterpret<u32>(sum);
    }
  }
  return <u32>addExact(widen(a), widen(b), rm, F32);
}

/** a + b rounding to nearest even, when NX is already set. */
export function f32_add_nx(a: u32, b: u32): u32 {
  const sum = reinterpret<u32>(num32(a) + num32(b));
  return isFinite32(sum) ? sum : <u32>addExact(widen(a), widen(b), RNE, F32);
}

/** a - b. */
export function f32_sub(a: u32, b: u32, rm: u32): u32 {
  return f32_add(a, b ^ SIGN32, rm);
}

/** a - b rounding to nearest even, when NX is already set. */
export function f32_sub_nx(a: u32, b: u32): u32 {
  const difference = reinterpret<u32>(num32(a) - num32(b));
  return isFinite32(difference) ? difference : <u32>addExact(widen(a), widen(b ^ SIGN32), RNE, F32);
}
