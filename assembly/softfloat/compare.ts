/** Comparisons: eq is quiet, lt and le signal on any NaN (unprivileged ISA, FEQ, FLT, FLE). */
import { NV, raise } from "./flags";
import { isNaN32, isNaN64, isSignalling32, isSignalling64, num32, num64 } from "./format";

/** 1 if a = b, else 0; NV only for a signalling NaN. */
export function f64_eq(a: u64, b: u64): u64 {
  if (isSignalling64(a) || isSignalling64(b)) raise(NV);
  return u64(num64(a) == num64(b));
}

/** 1 if a < b, else 0; NV for any NaN. */
export function f64_lt(a: u64, b: u64): u64 {
  if (isNaN64(a) || isNaN64(b)) raise(NV);
  return u64(num64(a) < num64(b));
}

/** 1 if a <= b, else 0; NV for any NaN. */
export function f64_le(a: u64, b: u64): u64 {
  if (isNaN64(a) || isNaN64(b)) raise(NV);
  return u64(num64(a) <= num64(b));
}

/** 1 if a = b, else 0; NV only for a signalling NaN. */
export function f32_eq(a: u32, b: u32): u64 {
  if (isSignalling32(a) || isSignalling32(b)) raise(NV);
  return u64(num32(a) == num32(b));
}

/** 1 if a < b, else 0; NV for any NaN. */
export function f32_lt(a: u32, b: u32): u64 {
  if (isNaN32(a) || isNaN32(b)) raise(NV);
  return u64(num32(a) < num32(b));
}

/** 1 if a <= b, else 0; NV for any NaN. */
export function f32_le(a: u32, b: u32): u64 {
  if (isNaN32(a) || isNaN32(b)) raise(NV);
  return u64(num32(a) <= num32(b));
}
