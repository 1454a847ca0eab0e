/**
 * minimumNumber and maximumNumber (IEEE 754-2019 §9.6), where a number wins over a NaN and -0 is
 * below +0. A signalling NaN raises NV even so (unprivileged ISA, FMIN and FMAX).
 */
import { NV, raise } from "./flags";
import { NAN32, NAN64, isNaN32, isNaN64, isSignalling32, isSignalling64, num32, num64 } from "./format";

/** The smaller of a and b. */
export function f64_min(a: u64, b: u64): u64 {
  if (isNaN64(a) || isNaN64(b)) return unordered64(a, b);
  if (num64(a) == num64(b)) return a | b; // differs only for zeros: negative if either is
  return num64(a) < num64(b) ? a : b;
}

/** The larger of a and b. */
export function f64_max(a: u64, b: u64): u64 {
  if (isNaN64(a) || isNaN64(b)) return unordered64(a, b);
  if (num64(a) == num64(b)) return a & b;
  return num64(a) < num64(b) ? b : a;
}

function unordered64(a: u64, b: u64): u64 {
  if (isSignalling64(a) || isSignalling64(b)) raise(NV);
  if (!isNaN64(a)) return a;
  return isNaN64(b) ? NAN64 : b;
}

/** The smaller of a and b. */
export function f32_min(a: u32, b: u32): u32 {
  if (isNaN32(a) || isNaN32(b)) return unordered32(a, b);
  if (num32(a) == num32(b)) return a | b;
  return num32(a) < num32(b) ? a : b;
}

/** The larger of a and b. */
export function f32_max(a: u32, b: u32): u32 {
  if (isNaN32(a) || isNaN32(b)) return unordered32(a, b);
  if (num32(a) == num32(b)) return a & b;
  return num32(a) < num32(b) ? b : a;
}

function unordered32(a: u32, b: u32): u32 {
  if (isSignalling32(a) || isSignalling32(b)) raise(NV);
  if (!isNaN32(a)) return a;
  return isNaN32(b) ? NAN32 : b;
}
