/** Multiplication (IEEE 754-2019 §5.4.1). */
import { NX, RNE, raise } from "./flags";
import {
  F32, F64, SIGN64, exponent64, field64, infinity, invalid, isInf64, isNaN64, isNormal64, isSafe32, isSafe64, isZero32,
  isZero64, normalised64, num32, num64, quietResult, significand64, widen, zero,
} from "./format";
import { round } from "./round";
import { mulHigh } from "./wide";

/** a * b in full, for operands given as f64 bits, rounded once to `format`. */
export function mulExact(a: u64, b: u64, rm: u32, format: u32): u64 {
  const sign = (a ^ b) & SIGN64;
  if (isNaN64(a) || isNaN64(b)) return quietResult(a, b, format);
  if (isInf64(a)) return isZero64(b) ? invalid(format) : infinity(sign, format);
  if (isInf64(b)) return isZero64(a) ? invalid(format) : infinity(sign, format);
  if (isZero64(a) || isZero64(b)) return zero(sign, format);

  const x = normalised64(a);
  const y = normalised64(b);
  let exponent = exponent64(a) + exponent64(b) + 1;
  let high = mulHigh(x, y);
  let low = x * y;
  if (high >> 63 == 0) {
    high = high << 1 | low >> 63;
    low <<= 1;
    exponent--;
  }
  return round(sign, exponent, high | u64(low != 0), rm, format);
}

/** a * b. */
export function f64_mul(a: u64, b: u64, rm: u32): u64 {
  const product = reinterpret<u64>(num64(a) * num64(b));
  if (isSafe64(product)) {
    if (isNormal64(a) && isNormal64(b)) {
      // The exact product of the significands ends in 52 bits below the result's last place, or 53
      // when it reached the next power of two. All of them zero: exact, in any rounding mode.
      const carried = field64(product) - (field64(a) + field64(b) - 1023);
      if (significand64(a) * significand64(b) << (12 - carried) == 0) return product;
      if (rm == RNE) {
        raise(NX);
        return product;
      }
    }
  } else if (isZero64(product) && (isZero64(a) || isZero64(b))) {
    return product;
  }
  return mulExact(a, b, rm, F64);
}

/** a * b rounding to nearest even, when NX is already set. */
export function f64_mul_nx(a: u64, b: u64): u64 {
  const product = reinterpret<u64>(num64(a) * num64(b));
  return isSafe64(product) ? product : unsafe64(product, a, b);
}

function unsafe64(product: u64, a: u64, b: u64): u64 {
  return isZero64(product) && (isZero64(a) || isZero64(b)) ? product : mulExact(a, b, RNE, F64);
}

/** a * b. */
export function f32_mul(a: u32, b: u32, rm: u32): u32 {
  const product = reinterpret<u32>(num32(a) * num32(b));
  if (isSafe32(product)) {
    // 24 + 24 bits fit a binary64 significand: that product is exact.
    if (<f64>num32(a) * <f64>num32(b) == <f64>num32(product)) return product;
    if (rm == RNE) {
      raise(NX);
      return product;
    }
  } else if (isZero32(product) && (isZero32(a) || isZero32(b))) {
    return product;
  }
  return <u32>mulExact(widen(a), widen(b), rm, F32);
}

/** a * b rounding to nearest even, when NX is already set. */
export function f32_mul_nx(a: u32, b: u32): u32 {
  const product = reinterpret<u32>(num32(a) * num32(b));
  return isSafe32(product) ? product : unsafe32(product, a, b);
}

function unsafe32(product: u32, a: u32, b: u32): u32 {
  return isZero32(product) && (isZero32(a) || isZero32(b)) ? product : <u32>mulExact(widen(a), widen(b), RNE, F32);
}
