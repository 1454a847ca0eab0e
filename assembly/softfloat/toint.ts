/**
 * Floating point to integer (unprivileged ISA, FCVT.W[U]/L[U]). What does not fit after rounding,
 * and every NaN, raises NV alone and gives the nearest limit (the upper one for a NaN). Results are
 * x-register values: 32-bit ones sign-extended, the unsigned too.
 */
import { NV, NX, RDN, RNE, RTZ, RUP, raise } from "./flags";
import { num32, num64 } from "./format";

/** x rounded to an integral value; a NaN stays one. */
// @ts-ignore: decorator
@inline
function integral(x: f64, rm: u32): f64 {
  if (rm == RTZ) return trunc<f64>(x);
  if (rm == RNE) return nearest<f64>(x);
  if (rm == RDN) return floor<f64>(x);
  if (rm == RUP) return ceil<f64>(x);
  const whole = trunc<f64>(x); // exact, and so is the difference
  return abs<f64>(x - whole) >= 0.5 ? whole + copysign<f64>(1, x) : whole;
}

/** NX if rounding x to `whole` lost something. */
// @ts-ignore: decorator
@inline
function note(x: f64, whole: f64): void {
  if (x != whole) raise(NX);
}

function toI32(x: f64, rm: u32): u64 {
  const whole = integral(x, rm);
  if (whole >= -2147483648.0 && whole <= 2147483647.0) {
    note(x, whole);
    return <u64><i64><i32>whole;
  }
  raise(NV);
  return x < 0 ? 0xffffffff80000000 : 0x7fffffff;
}

function toU32(x: f64, rm: u32): u64 {
  const whole = integral(x, rm);
  if (whole >= 0.0 && whole <= 4294967295.0) {
    note(x, whole);
    return <u64><i64><i32><u32>whole;
  }
  raise(NV);
  return x < 0 ? 0 : 0xffffffffffffffff;
}

function toI64(x: f64, rm: u32): u64 {
  const whole = integral(x, rm);
  if (whole >= -9223372036854775808.0 && whole < 9223372036854775808.0) {
    note(x, whole);
    return <u64><i64>whole;
  }
  raise(NV);
  return x < 0 ? 0x8000000000000000 : 0x7fffffffffffffff;
}

function toU64(x: f64, rm: u32): u64 {
  const whole = integral(x, rm);
  if (whole >= 0.0 && whole < 18446744073709551616.0) {
    note(x, whole);
    return <u64>whole;
  }
  raise(NV);
  return x < 0 ? 0 : 0xffffffffffffffff;
}

/** a as i32, sign-extended. */
export function f64_to_i32(a: u64, rm: u32): u64 {
  return toI32(num64(a), rm);
}

/** a as u32, sign-extended. */
export function f64_to_u32(a: u64, rm: u32): u64 {
  return toU32(num64(a), rm);
}

/** a as i64. */
export function f64_to_i64(a: u64, rm: u32): u64 {
  return toI64(num64(a), rm);
}

/** a as u64. */
export function f64_to_u64(a: u64, rm: u32): u64 {
  return toU64(num64(a), rm);
}

/** a as i32, sign-extended. */
export function f32_to_i32(a: u32, rm: u32): u64 {
  return toI32(<f64>num32(a), rm);
}

/** a as u32, sign-extended. */
export function f32_to_u32(a: u32, rm: u32): u64 {
  return toU32(<f64>num32(a), rm);
}

/** a as i64. */
export function f32_to_i64(a: u32, rm: u32): u64 {
  return toI64(<f64>num32(a), rm);
}

/** a as u64. */
export function f32_to_u64(a: u32, rm: u32): u64 {
  return toU64(<f64>num32(a), rm);
}
