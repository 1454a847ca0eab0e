/** Between the two formats (unprivileged ISA, FCVT.D.S and FCVT.S.D). */
import { NX, RNE, raise } from "./flags";
import {
  F32, F64, exponent64, isNaN32, isNaN64, isSafe32, normalised64, num32, num64, quietResult, widen,
} from "./format";
import { round } from "./round";

/** a in binary64: exact but for NaNs, which become canonical. */
export function f32_to_f64(a: u32): u64 {
  return isNaN32(a) ? quietResult(widen(a), widen(a), F64) : reinterpret<u64>(<f64>num32(a));
}

/** a rounded to binary32. */
export function f64_to_f32(a: u64, rm: u32): u32 {
  const x = num64(a);
  const narrow = <f32>x;
  const bits = reinterpret<u32>(narrow);
  if (<f64>narrow == x) return bits; // exact, zeros and infinities among them
  if (rm == RNE && isSafe32(bits)) {
    raise(NX);
    return bits;
  }
  if (isNaN64(a)) return <u32>quietResult(a, a, F32);
  return <u32>round(a, exponent64(a), normalised64(a), rm, F32);
}
