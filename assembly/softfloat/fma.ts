/**
 * Fused multiply-add, a * b + c rounded once (IEEE 754-2019 §5.4.1).
 *
 * Wasm has no such instruction. The fast paths add the product's and the sum's rounding errors,
 * themselves numbers, to the sum. Where an earlier rounding could mislead the last, it is made "to
 * odd": the last bit is set if anything was lost, so that nothing looks like a tie that is none
 * (S. Boldo, G. Melquiond, "Emulation of a FMA and correctly rounded sums: proved algorithms using
 * rounding to odd", IEEE Transactions on Computers 57(4), 2008).
 */
import { NV, NX, RDN, RNE, raise } from "./flags";
import {
  F32, F64, SIGN64, exponent64, field64, infinity, invalid, isFinite64, isInf64, isNaN64, isSafe32, isSignalling64,
  isZero64, normalised64, num32, num64, canonicalNaN, significand64, widen, zero,
} from "./format";
import { round } from "./round";
import { mulHigh } from "./wide";

/** a * b + c in full, for operands given as f64 bits, rounded once to `format`. */
export function fmaExact(a: u64, b: u64, c: u64, rm: u32, format: u32): u64 {
  const sign = (a ^ b) & SIGN64;
  // Infinity times zero is invalid even when c is a quiet NaN (unprivileged ISA, FMADD).
  if ((isInf64(a) && isZero64(b)) || (isZero64(a) && isInf64(b))) return invalid(format);
  if (isNaN64(a) || isNaN64(b) || isNaN64(c)) {
    if (isSignalling64(a) || isSignalling64(b) || isSignalling64(c)) raise(NV);
    return canonicalNaN(format);
  }
  if (isInf64(a) || isInf64(b)) {
    return isInf64(c) && ((sign ^ c) & SIGN64) != 0 ? invalid(format) : infinity(sign, format);
  }
  if (isInf64(c)) return infinity(c, format);
  if (isZero64(a) || isZero64(b)) {
    if (!isZero64(c)) return round(c, exponent64(c), normalised64(c), rm, format);
    return sign == c ? zero(c, format) : zero(rm == RDN ? SIGN64 : 0, format);
  }
  return fmaFinite(a, b, c, sign, rm, format);
}

/** The same for finite operands with a product that is not zero. */
function fmaFinite(a: u64, b: u64, c: u64, sign: u64, rm: u32, format: u32): u64 {
  // The product as high:low / 2^125 * 2^exponent: leading bit at 125 or 126, so that a sum fits,
  // and 21 zeros at the end.
  const x = normalised64(a);
  const y = normalised64(b);
  let exponent = exponent64(a) + exponent64(b);
  let high = mulHigh(x, y);
  let low = x * y >> 1 | high << 63;
  high >>= 1;

  if (!isZero64(c)) {
    const significand = normalised64(c);
    const distance = exponent - exponent64(c);
    let cHigh = significand >> 2;
    let cLow = significand << 62;
    if (distance >= 0) {
      cLow = shiftLowSticky(cHigh, cLow, distance);
      cHigh = distance < 64 ? cHigh >> distance : 0;
    } else {
      low = shiftLowSticky(high, low, -distance);
      high = -distance < 64 ? high >> -distance : 0;
      exponent -= distance;
    }
    if (((sign ^ c) & SIGN64) == 0) {
      low += cLow;
      high += cHigh + u64(low < cLow);
    } else {
      if (high < cHigh || (high == cHigh && low < cLow)) {
        sign ^= SIGN64;
        const swapHigh = high;
        const swapLow = low;
        high = cHigh;
        low = cLow;
        cHigh = swapHigh;
        cLow = swapLow;
      }
      high -= cHigh + u64(low < cLow);
      low -= cLow;
      if ((high | low) == 0) return zero(rm == RDN ? SIGN64 : 0, format);
    }
  }

  if (high == 0) {
    high = low;
    low = 0;
    exponent -= 64;
  }
  const lead = <i32>clz(high);
  if (lead != 0) {
    high = high << lead | low >> (64 - lead);
    low <<= lead;
  }
  return round(sign, exponent + 2 - lead, high | u64(low != 0), rm, format);
}

/** Low half of high:low >> count with every bit shifted out kept alive in bit 0. count >= 0. */
function shiftLowSticky(high: u64, low: u64, count: i32): u64 {
  if (count == 0) return low;
  if (count < 64) return low >> count | high << (64 - count) | u64(low << (64 - count) != 0);
  if (count == 64) return high | u64(low != 0);
  if (count < 128) return high >> (count - 64) | u64((high << (128 - count) | low) != 0);
  return u64((high | low) != 0);
}

// Exponent fields between which no error term leaves the normal numbers: 2^-900 to 2^997.
// @ts-ignore: decorator
@inline const NATIVE_LEAST: u32 = 123;
// @ts-ignore: decorator
@inline const NATIVE_SPAN: u32 = 1897;

/** Whether the fast path below is proven for these operands. */
// @ts-ignore: decorator
@inline
function inNativeRange(a: u64, b: u64, c: u64): bool {
  const fieldA = field64(a);
  const fieldB = field64(b);
  return (
    <u32>(fieldA - 1) < 2046 &&
    <u32>(fieldB - 1) < 2046 &&
    <u32>(fieldA + fieldB - 1023) - NATIVE_LEAST < NATIVE_SPAN &&
    (<u32>field64(c) - NATIVE_LEAST < NATIVE_SPAN || isZero64(c))
  );
}

/** a * b - product, exactly: the rounding error of a product in that range. */
// @ts-ignore: decorator
@inline
function productError(a: u64, b: u64, product: u64): f64 {
  const fields = field64(a) + field64(b);
  const carried = field64(product) - (fields - 1023);
  // Less than 2^53 apart: the low 64 bits of both sides are enough.
  const difference = <i64>(significand64(a) * significand64(b) - (significand64(product) << (52 + carried)));
  const magnitude = <f64>difference * num64(<u64>(fields - 1127) << 52);
  return ((a ^ b) & SIGN64) != 0 ? -magnitude : magnitude;
}

/** `sum`, the rounding of a non-zero `error` more, rounded to odd instead. */
function toOdd(sum: f64, error: f64): f64 {
  const bits = reinterpret<u64>(sum);
  if ((bits & 1) != 0) return sum;
  const outward = <i64>(bits ^ reinterpret<u64>(error)) >= 0;
  return num64(outward ? bits + 1 : bits - 1);
}

/**
 * Whether adding `rest` to the sum it belongs to might hit the middle between two numbers, where
 * what rest itself lost decides. Such a rest, at most a few units in the sum's last place, is a small
 * multiple of half a unit: its significand ends in 48 zeros. Anywhere else rounding to nearest will do.
 */
// @ts-ignore: decorator
@inline
function maybeTie64(rest: f64): bool {
  return reinterpret<u64>(rest) << 16 == 0;
}

/** Whether a sum, if it lies in binary32's normal range, is half-way between two of its numbers. */
// @ts-ignore: decorator
@inline
function isTie32(sum: f64): bool {
  return (reinterpret<u64>(sum) & 0x1fffffff) == 0x10000000;
}

/** a * b + c. */
export function f64_fma(a: u64, b: u64, c: u64, rm: u32): u64 {
  if (inNativeRange(a, b, c)) {
    const product = num64(a) * num64(b);
    const addend = num64(c);
    const sum = product + addend;
    const part = sum - product;
    const sumError = product - (sum - part) + (addend - part);
    const error = productError(a, b, reinterpret<u64>(product));
    let rest = error + sumError;
    const restPart = rest - error;
    const lost = error - (rest - restPart) + (sumError - restPart);
    if (lost != 0 && maybeTie64(rest)) rest = toOdd(rest, lost);
    const result = sum + rest;
    const resultPart = result - sum;
    const inexact = lost != 0 || sum - (result - resultPart) + (rest - resultPart) != 0;
    if (!inexact) {
      if (result != 0 || rm != RDN) return reinterpret<u64>(result);
    } else if (rm == RNE) {
      raise(NX);
      return reinterpret<u64>(result);
    }
  }
  return fmaExact(a, b, c, rm, F64);
}

/** a * b + c rounding to nearest even, when NX is already set. */
export function f64_fma_nx(a: u64, b: u64, c: u64): u64 {
  if (!inNativeRange(a, b, c)) return outsideNativeRange(a, b, c);
  const product = num64(a) * num64(b);
  const addend = num64(c);
  const sum = product + addend;
  const part = sum - product;
  const sumError = product - (sum - part) + (addend - part);
  const error = productError(a, b, reinterpret<u64>(product));
  const rest = error + sumError;
  if (!maybeTie64(rest)) return reinterpret<u64>(sum + rest);
  const restPart = rest - error;
  const lost = error - (rest - restPart) + (sumError - restPart);
  return reinterpret<u64>(sum + (lost != 0 ? toOdd(rest, lost) : rest));
}

function outsideNativeRange(a: u64, b: u64, c: u64): u64 {
  if ((isZero64(a) || isZero64(b)) && isFinite64(a) && isFinite64(b) && isFinite64(c)) {
    return reinterpret<u64>(num64(a) * num64(b) + num64(c));
  }
  return fmaExact(a, b, c, RNE, F64);
}

/** a * b + c. */
export function f32_fma(a: u32, b: u32, c: u32, rm: u32): u32 {
  // In binary64 the product is exact, nothing overflows or underflows, and a sum is as good as exact
  // for a second rounding unless it has become a tie of binary32.
  const product = <f64>num32(a) * <f64>num32(b);
  const addend = <f64>num32(c);
  const sum = product + addend;
  const part = sum - product;
  const error = product - (sum - part) + (addend - part);
  const result = <f32>(error != 0 && isTie32(sum) ? toOdd(sum, error) : sum);
  if (isSafe32(reinterpret<u32>(result))) {
    if (error == 0 && <f64>result == sum) return reinterpret<u32>(result);
    if (rm == RNE) {
      raise(NX);
      return reinterpret<u32>(result);
    }
  } else if (sum == 0 && rm != RDN) {
    return reinterpret<u32>(result);
  }
  return <u32>fmaExact(widen(a), widen(b), widen(c), rm, F32);
}

/** a * b + c rounding to nearest even, when NX is already set. */
export function f32_fma_nx(a: u32, b: u32, c: u32): u32 {
  const product = <f64>num32(a) * <f64>num32(b);
  const sum = product + <f64>num32(c);
  const result = reinterpret<u32>(<f32>sum);
  if (isSafe32(result) && !isTie32(sum)) return result;
  return f32_fma(a, b, c, RNE);
}
