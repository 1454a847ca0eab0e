/** Division (IEEE 754-2019 §5.4.1, §7.3). */
import { DZ, NX, RNE, raise } from "./flags";
import {
  F32, F64, FRACTION64, SIGN64, exponent64, infinity, invalid, isInf64, isNaN64, isNormal64, isSafe32, isSafe64,
  isZero32, isZero64, normalised64, num32, num64, quietResult, significand64, widen, zero,
} from "./format";
import { round } from "./round";

// @ts-ignore: decorator
@inline const ONE: u64 = 0x3ff0000000000000;

/** a / b in full, for operands given as f64 bits, rounded once to `format`. */
export function divExact(a: u64, b: u64, rm: u32, format: u32): u64 {
  const sign = (a ^ b) & SIGN64;
  if (isNaN64(a) || isNaN64(b)) return quietResult(a, b, format);
  if (isInf64(a)) return isInf64(b) ? invalid(format) : infinity(sign, format);
  if (isInf64(b)) return zero(sign, format);
  if (isZero64(b)) {
    if (isZero64(a)) return invalid(format);
    raise(DZ);
    return infinity(sign, format);
  }
  if (isZero64(a)) return zero(sign, format);

  // The significands, as numbers in [1, 2), divided by the machine: the nearest 53-bit quotient.
  // It is exact, or the sign of the remainder says on which side of it the true one lies; no
  // quotient of two 53-bit numbers is half-way between two others.
  const x = normalised64(a) >> 11;
  const y = normalised64(b) >> 11;
  const nearest = significand64(reinterpret<u64>(num64(x & FRACTION64 | ONE) / num64(y & FRACTION64 | ONE)));
  const below = i32(x < y);
  const remainder = <i64>((x << (52 + below)) - nearest * y); // small: its low 64 bits are all of it
  const quotient = (nearest << 11) + (remainder > 0 ? 1 : remainder < 0 ? -1 : 0);
  return round(sign, exponent64(a) - exponent64(b) - below, quotient, rm, format);
}

/** a / b. */
export function f64_div(a: u64, b: u64, rm: u32): u64 {
  const quotient = reinterpret<u64>(num64(a) / num64(b));
  if (isSafe64(quotient)) {
    if (isNormal64(a) && isNormal64(b)) {
      const x = significand64(a);
      const y = significand64(b);
      // Exact iff quotient * y gives x back; they differ by less than 2^53, so 64 bits decide.
      if (significand64(quotient) * y == x << (52 + u64(x < y))) return quotient;
      if (rm == RNE) {
        raise(NX);
        return quotient;
      }
    }
  } else if (isZero64(quotient) && isZero64(a)) {
    return quotient;
  }
  return divExact(a, b, rm, F64);
}

/** a / b rounding to nearest even, when NX is already set. */
export function f64_div_nx(a: u64, b: u64): u64 {
  const quotient = reinterpret<u64>(num64(a) / num64(b));
  return isSafe64(quotient) ? quotient : unsafe64(quotient, a, b);
}

function unsafe64(quotient: u64, a: u64, b: u64): u64 {
  return isZero64(quotient) && isZero64(a) ? quotient : divExact(a, b, RNE, F64);
}

/** a / b. */
export function f32_div(a: u32, b: u32, rm: u32): u32 {
  const quotient = reinterpret<u32>(num32(a) / num32(b));
  if (isSafe32(quotient)) {
    // 24 + 24 bits fit a binary64 significand: that product is exact.
    if (<f64>num32(quotient) * <f64>num32(b) == <f64>num32(a)) return quotient;
    if (rm == RNE) {
      raise(NX);
      return quotient;
    }
  } else if (isZero32(quotient) && isZero32(a)) {
    return quotient;
  }
  return <u32>divExact(widen(a), widen(b), rm, F32);
}

/** a / b rounding to nearest even, when NX is already set. */
export function f32_div_nx(a: u32, b: u32): u32 {
  const quotient = reinterpret<u32>(num32(a) / num32(b));
  return isSafe32(quotient) ? quotient : unsafe32(quotient, a, b);
}

function unsafe32(quotient: u32, a: u32, b: u32): u32 {
  return isZero32(quotient) && isZero32(a) ? quotient : <u32>divExact(widen(a), widen(b), RNE, F32);
}
