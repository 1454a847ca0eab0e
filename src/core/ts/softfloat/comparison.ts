/** Comparisons, minimum and maximum, classification: all on the bits, as integers. */
import { Arithmetic } from './arithmetic.ts';
import { Flag } from './flags.ts';

const MAGNITUDE = 0x7fffffff;
const INF64_HI = 0x7ff00000;
const QUIET64_HI = 0x00080000;
const NAN64_HI = 0x7ff80000;
const INF32 = 0x7f800000;
const QUIET32 = 0x00400000;
const NAN32 = 0x7fc00000;

function isNaN64(lo: number, hi: number): boolean {
  const magnitude = hi & MAGNITUDE;
  return magnitude > INF64_HI || (magnitude === INF64_HI && lo !== 0);
}

function isSignalling64(lo: number, hi: number): boolean {
  return isNaN64(lo, hi) && (hi & QUIET64_HI) === 0;
}

function isNaN32(bits: number): boolean {
  return (bits & MAGNITUDE) > INF32;
}

function isSignalling32(bits: number): boolean {
  return isNaN32(bits) && (bits & QUIET32) === 0;
}

/** a < b in an order where -0 < +0, for numbers that are not NaNs. */
function below64(aLo: number, aHi: number, bLo: number, bHi: number): boolean {
  if (aHi < 0 !== bHi < 0) return aHi < 0;
  if (aHi !== bHi) return aHi < 0 ? aHi > bHi : aHi < bHi;
  return aHi < 0 ? aLo >>> 0 > bLo >>> 0 : aLo >>> 0 < bLo >>> 0;
}

/** a < b in an order where -0 < +0, for numbers that are not NaNs. */
function below32(a: number, b: number): boolean {
  if (a < 0 !== b < 0) return a < 0;
  return a < 0 ? a > b : a < b;
}

export class Comparison extends Arithmetic {
  /** 1 if a = b, else 0; NV only for a signalling NaN. */
  f64Eq(aLo: number, aHi: number, bLo: number, bHi: number): void {
    if (isSignalling64(aLo, aHi) || isSignalling64(bLo, bHi)) this.flags |= Flag.NV;
    this.truth(!isNaN64(aLo, aHi) && !isNaN64(bLo, bHi) && this.equal64(aLo, aHi, bLo, bHi));
  }

  /** 1 if a < b, else 0; NV for any NaN. */
  f64Lt(aLo: number, aHi: number, bLo: number, bHi: number): void {
    if (this.unordered64(aLo, aHi, bLo, bHi)) return;
    this.truth(below64(aLo, aHi, bLo, bHi) && !this.equal64(aLo, aHi, bLo, bHi));
  }

  /** 1 if a <= b, else 0; NV for any NaN. */
  f64Le(aLo: number, aHi: number, bLo: number, bHi: number): void {
    if (this.unordered64(aLo, aHi, bLo, bHi)) return;
    this.truth(below64(aLo, aHi, bLo, bHi) || this.equal64(aLo, aHi, bLo, bHi));
  }

  /** minimumNumber (IEEE 754-2019 §9.6), -0 < +0; NV for a signalling NaN. */
  f64Min(aLo: number, aHi: number, bLo: number, bHi: number): void {
    if (this.oneNaN64(aLo, aHi, bLo, bHi)) return;
    if (below64(aLo, aHi, bLo, bHi)) this.put(aLo, aHi);
    else this.put(bLo, bHi);
  }

  /** maximumNumber (IEEE 754-2019 §9.6), -0 < +0; NV for a signalling NaN. */
  f64Max(aLo: number, aHi: number, bLo: number, bHi: number): void {
    if (this.oneNaN64(aLo, aHi, bLo, bHi)) return;
    if (below64(aLo, aHi, bLo, bHi)) this.put(bLo, bHi);
    else this.put(aLo, aHi);
  }

  /** FCLASS: one bit of ten. */
  f64Class(lo: number, hi: number): void {
    const magnitude = hi & MAGNITUDE;
    if (isNaN64(lo, hi)) this.put(isSignalling64(lo, hi) ? 1 << 8 : 1 << 9, 0);
    else if (magnitude >= INF64_HI) this.kind(hi < 0, 3);
    else if (magnitude >= 0x00100000) this.kind(hi < 0, 2);
    else this.kind(hi < 0, (magnitude | lo) !== 0 ? 1 : 0);
  }

  /** 1 if a = b, else 0; NV only for a signalling NaN. */
  f32Eq(a: number, b: number): void {
    if (isSignalling32(a) || isSignalling32(b)) this.flags |= Flag.NV;
    this.truth(!isNaN32(a) && !isNaN32(b) && this.equal32(a, b));
  }

  /** 1 if a < b, else 0; NV for any NaN. */
  f32Lt(a: number, b: number): void {
    if (this.unordered32(a, b)) return;
    this.truth(below32(a, b) && !this.equal32(a, b));
  }

  /** 1 if a <= b, else 0; NV for any NaN. */
  f32Le(a: number, b: number): void {
    if (this.unordered32(a, b)) return;
    this.truth(below32(a, b) || this.equal32(a, b));
  }

  /** minimumNumber (IEEE 754-2019 §9.6), -0 < +0; NV for a signalling NaN. */
  f32Min(a: number, b: number): void {
    if (this.oneNaN32(a, b)) return;
    this.put(below32(a, b) ? a : b, 0);
  }

  /** maximumNumber (IEEE 754-2019 §9.6), -0 < +0; NV for a signalling NaN. */
  f32Max(a: number, b: number): void {
    if (this.oneNaN32(a, b)) return;
    this.put(below32(a, b) ? b : a, 0);
  }

  /** FCLASS: one bit of ten. */
  f32Class(bits: number): void {
    const magnitude = bits & MAGNITUDE;
    if (isNaN32(bits)) this.put(isSignalling32(bits) ? 1 << 8 : 1 << 9, 0);
    else if (magnitude === INF32) this.kind(bits < 0, 3);
    else if (magnitude >= 0x00800000) this.kind(bits < 0, 2);
    else this.kind(bits < 0, magnitude !== 0 ? 1 : 0);
  }

  private truth(value: boolean): void {
    this.put(value ? 1 : 0, 0);
  }

  /** Bits 0-3: -infinite, -normal, -subnormal, -0; 4-7 the positive ones the other way round. */
  private kind(negative: boolean, distanceFromZero: number): void {
    this.put(1 << (negative ? 3 - distanceFromZero : 4 + distanceFromZero), 0);
  }

  private equal64(aLo: number, aHi: number, bLo: number, bHi: number): boolean {
    return (aLo === bLo && aHi === bHi) || (((aHi | bHi) & MAGNITUDE) | aLo | bLo) === 0;
  }

  private equal32(a: number, b: number): boolean {
    return a === b || ((a | b) & MAGNITUDE) === 0;
  }

  /** A signalling comparison with a NaN: false, and NV. */
  private unordered64(aLo: number, aHi: number, bLo: number, bHi: number): boolean {
    if (!isNaN64(aLo, aHi) && !isNaN64(bLo, bHi)) return false;
    this.flags |= Flag.NV;
    this.truth(false);
    return true;
  }

  private unordered32(a: number, b: number): boolean {
    if (!isNaN32(a) && !isNaN32(b)) return false;
    this.flags |= Flag.NV;
    this.truth(false);
    return true;
  }

  /** If an operand is a NaN, delivers the other, or the canonical NaN if that is one too. */
  private oneNaN64(aLo: number, aHi: number, bLo: number, bHi: number): boolean {
    const a = isNaN64(aLo, aHi);
    const b = isNaN64(bLo, bHi);
    if (!a && !b) return false;
    if (isSignalling64(aLo, aHi) || isSignalling64(bLo, bHi)) this.flags |= Flag.NV;
    if (a && b) this.put(0, NAN64_HI);
    else if (a) this.put(bLo, bHi);
    else this.put(aLo, aHi);
    return true;
  }

  private oneNaN32(a: number, b: number): boolean {
    if (!isNaN32(a) && !isNaN32(b)) return false;
    if (isSignalling32(a) || isSignalling32(b)) this.flags |= Flag.NV;
    this.put(!isNaN32(a) ? a : !isNaN32(b) ? b : NAN32, 0);
    return true;
  }
}
