/**
 * The binary32 and binary64 formats (IEEE 754-2019 §3.4), and questions asked of their bits.
 *
 *   f64   63 sign | 62..52 exponent + 1023 | 51..0 fraction      51 set in a NaN: quiet
 *   f32   31 sign | 30..23 exponent + 127  | 22..0 fraction      22 set in a NaN: quiet
 *
 * The exact routines work on f64 bits only: a binary32 operand is widened, losing nothing, and the
 * result is rounded once, to the format asked for.
 */
import { NV, raise } from "./flags";

/** Destination format binary64. */
// @ts-ignore: decorator
@inline export const F64: u32 = 0;
/** Destination format binary32; its results are the low 32 bits of a u64. */
// @ts-ignore: decorator
@inline export const F32: u32 = 1;

// @ts-ignore: decorator
@inline export const SIGN64: u64 = 0x8000000000000000;
// @ts-ignore: decorator
@inline export const INF64: u64 = 0x7ff0000000000000;
// @ts-ignore: decorator
@inline export const HIDDEN64: u64 = 0x0010000000000000;
// @ts-ignore: decorator
@inline export const FRACTION64: u64 = 0x000fffffffffffff;
// @ts-ignore: decorator
@inline export const QUIET64: u64 = 0x0008000000000000;
// @ts-ignore: decorator
@inline export const NAN64: u64 = 0x7ff8000000000000;

// @ts-ignore: decorator
@inline export const SIGN32: u32 = 0x80000000;
// @ts-ignore: decorator
@inline export const INF32: u32 = 0x7f800000;
// @ts-ignore: decorator
@inline export const FRACTION32: u32 = 0x007fffff;
// @ts-ignore: decorator
@inline export const QUIET32: u32 = 0x00400000;
// @ts-ignore: decorator
@inline export const NAN32: u32 = 0x7fc00000;

/** The bits as a number. */
// @ts-ignore: decorator
@inline
export function num64(bits: u64): f64 {
  return reinterpret<f64>(bits);
}

/** The bits as a number. */
// @ts-ignore: decorator
@inline
export function num32(bits: u32): f32 {
  return reinterpret<f32>(bits);
}

// @ts-ignore: decorator
@inline
export function isNaN64(bits: u64): bool {
  return (bits & ~SIGN64) > INF64;
}

// @ts-ignore: decorator
@inline
export function isNaN32(bits: u32): bool {
  return (bits & ~SIGN32) > INF32;
}

// @ts-ignore: decorator
@inline
export function isSignalling64(bits: u64): bool {
  return isNaN64(bits) && (bits & QUIET64) == 0;
}

// @ts-ignore: decorator
@inline
export function isSignalling32(bits: u32): bool {
  return isNaN32(bits) && (bits & QUIET32) == 0;
}

// @ts-ignore: decorator
@inline
export function isInf64(bits: u64): bool {
  return (bits & ~SIGN64) == INF64;
}

// @ts-ignore: decorator
@inline
export function isZero64(bits: u64): bool {
  return bits << 1 == 0;
}

// @ts-ignore: decorator
@inline
export function isZero32(bits: u32): bool {
  return bits << 1 == 0;
}

/** Neither infinite nor NaN. */
// @ts-ignore: decorator
@inline
export function isFinite64(bits: u64): bool {
  return (bits & ~SIGN64) < INF64;
}

/** Neither infinite nor NaN. */
// @ts-ignore: decorator
@inline
export function isFinite32(bits: u32): bool {
  return (bits & ~SIGN32) < INF32;
}

/** Has a hidden bit: neither zero, subnormal, infinite nor NaN. */
// @ts-ignore: decorator
@inline
export function isNormal64(bits: u64): bool {
  return (bits & ~SIGN64) - HIDDEN64 < INF64 - HIDDEN64;
}

/**
 * Whether a *result* rounded to nearest proves that neither overflow nor underflow was raised:
 * finite and strictly above the smallest normal number. At the smallest normal number itself the
 * exact value may have been below it, and tiny even when rounded with an unbounded exponent.
 */
// @ts-ignore: decorator
@inline
export function isSafe64(bits: u64): bool {
  return (bits & ~SIGN64) - (HIDDEN64 + 1) < INF64 - (HIDDEN64 + 1);
}

/** As `isSafe64`, for binary32. */
// @ts-ignore: decorator
@inline
export function isSafe32(bits: u32): bool {
  return (bits & ~SIGN32) - 0x00800001 < INF32 - 0x00800001;
}

/** The exponent field, 0..2047. */
// @ts-ignore: decorator
@inline
export function field64(bits: u64): i32 {
  return <i32>(bits >> 52) & 0x7ff;
}

/** The integer significand, hidden bit included, of a normal number. */
// @ts-ignore: decorator
@inline
export function significand64(bits: u64): u64 {
  return (bits & FRACTION64) | HIDDEN64;
}

/**
 * Unbiased exponent of a finite non-zero number, counting a subnormal as if it were normalised.
 * With `normalised64`: |x| = normalised64(x) / 2^63 * 2^exponent64(x).
 */
export function exponent64(bits: u64): i32 {
  const field = field64(bits);
  return field != 0 ? field - 1023 : -1011 - <i32>clz(bits & FRACTION64);
}

/** Significand of a finite non-zero number with its leading bit moved to bit 63. */
export function normalised64(bits: u64): u64 {
  const fraction = bits & FRACTION64;
  return field64(bits) != 0 ? (fraction | HIDDEN64) << 11 : fraction << clz(fraction);
}

/** The same value (or kind of NaN) in binary64, exactly and without raising anything. */
export function widen(bits: u32): u64 {
  const sign = <u64>(bits & SIGN32) << 32;
  const magnitude = bits & ~SIGN32;
  if (magnitude >= INF32) return sign | INF64 | <u64>(bits & FRACTION32) << 29;
  // Every finite binary32 number is a normal binary64 number or zero.
  return reinterpret<u64>(<f64>num32(bits));
}

/** The canonical NaN (unprivileged ISA, "NaN Generation and Propagation"). */
// @ts-ignore: decorator
@inline
export function canonicalNaN(format: u32): u64 {
  return format == F64 ? NAN64 : <u64>NAN32;
}

/** Infinity with the sign in bit 63 of `sign`. */
export function infinity(sign: u64, format: u32): u64 {
  return format == F64 ? (sign & SIGN64) | INF64 : (sign & SIGN64) >> 32 | <u64>INF32;
}

/** Zero with the sign in bit 63 of `sign`. */
export function zero(sign: u64, format: u32): u64 {
  return format == F64 ? sign & SIGN64 : (sign & SIGN64) >> 32;
}

/** The answer to an operation that has none: NV and the canonical NaN. */
export function invalid(format: u32): u64 {
  raise(NV);
  return canonicalNaN(format);
}

/** The result when a or b is a NaN: canonical, with NV if either is signalling. */
export function quietResult(a: u64, b: u64, format: u32): u64 {
  if (isSignalling64(a) || isSignalling64(b)) raise(NV);
  return canonicalNaN(format);
}
