/**
 * Conversions between formats and integers (unprivileged ISA, FCVT). Floating point to integer: what
 * does not fit once rounded, and every NaN, raises NV alone and gives the nearest limit (the upper
 * one for a NaN).
 */
import { Comparison } from './comparison.ts';
import { Flag, Rounding } from './flags.ts';
import { BINARY32, BINARY64, canonicalNaN } from './format.ts';
import { join, toDouble, toSingle } from './results.ts';

const WORD = 2 ** 32;
const NAN64_HI = Number(canonicalNaN(BINARY64) >> 32n);
const NAN32 = Number(canonicalNaN(BINARY32));

/** x rounded to an integral number; a NaN stays one. */
function integral(x: number, rm: number): number {
  const whole = Math.trunc(x);
  const rest = Math.abs(x - whole); // exact
  let away: boolean;
  switch (rm) {
    case Rounding.RNE:
      away = rest > 0.5 || (rest === 0.5 && whole % 2 !== 0);
      break;
    case Rounding.RMM:
      away = rest >= 0.5;
      break;
    case Rounding.RDN:
      away = rest !== 0 && x < 0;
      break;
    case Rounding.RUP:
      away = rest !== 0 && x > 0;
      break;
    default:
      away = false;
  }
  return away ? whole + Math.sign(x) : whole;
}

/** Every operation of the F and D extensions that computes; results in `lo` and `hi`, flags in `flags`. */
export class SoftFloat extends Comparison {
  /** a as i32, sign-extended. */
  f64ToI32(lo: number, hi: number, rm: number): void {
    this.toWord(toDouble(lo, hi), rm, -(2 ** 31), 2 ** 31 - 1);
  }

  /** a as u32, sign-extended like every 32-bit result. */
  f64ToU32(lo: number, hi: number, rm: number): void {
    this.toWord(toDouble(lo, hi), rm, 0, 2 ** 32 - 1);
  }

  /** a as i64. */
  f64ToI64(lo: number, hi: number, rm: number): void {
    this.toLong(toDouble(lo, hi), rm);
  }

  /** a as u64. */
  f64ToU64(lo: number, hi: number, rm: number): void {
    this.toUnsignedLong(toDouble(lo, hi), rm);
  }

  /** a as i32, sign-extended. */
  f32ToI32(bits: number, rm: number): void {
    this.toWord(toSingle(bits), rm, -(2 ** 31), 2 ** 31 - 1);
  }

  /** a as u32, sign-extended like every 32-bit result. */
  f32ToU32(bits: number, rm: number): void {
    this.toWord(toSingle(bits), rm, 0, 2 ** 32 - 1);
  }

  /** a as i64. */
  f32ToI64(bits: number, rm: number): void {
    this.toLong(toSingle(bits), rm);
  }

  /** a as u64. */
  f32ToU64(bits: number, rm: number): void {
    this.toUnsignedLong(toSingle(bits), rm);
  }

  /** An i32; always exact. */
  i32ToF64(x: number, _rm: number): void {
    this.putDouble(x | 0);
  }

  /** A u32; always exact. */
  u32ToF64(x: number, _rm: number): void {
    this.putDouble(x >>> 0);
  }

  /** An i64. */
  i64ToF64(lo: number, hi: number, rm: number): void {
    this.longToDouble(lo, hi | 0, rm);
  }

  /** A u64. */
  u64ToF64(lo: number, hi: number, rm: number): void {
    this.longToDouble(lo, hi >>> 0, rm);
  }

  /** An i32. */
  i32ToF32(x: number, rm: number): void {
    this.doubleToSingle(x | 0, rm);
  }

  /** A u32. */
  u32ToF32(x: number, rm: number): void {
    this.doubleToSingle(x >>> 0, rm);
  }

  /** An i64. */
  i64ToF32(lo: number, hi: number, rm: number): void {
    this.longToSingle(lo, hi | 0, rm);
  }

  /** A u64. */
  u64ToF32(lo: number, hi: number, rm: number): void {
    this.longToSingle(lo, hi >>> 0, rm);
  }

  /** binary32 to binary64: exact, NaNs become canonical. */
  f32ToF64(bits: number): void {
    const x = toSingle(bits);
    if (!Number.isNaN(x)) return this.putDouble(x);
    if ((bits & Number(BINARY32.quiet)) === 0) this.flags |= Flag.NV;
    this.put(0, NAN64_HI);
  }

  /** binary64 to binary32. */
  f64ToF32(lo: number, hi: number, rm: number): void {
    const x = toDouble(lo, hi);
    const narrow = Math.fround(x);
    const magnitude = Math.abs(narrow);
    if (narrow === x) return this.putSingle(narrow);
    if (rm === Rounding.RNE && magnitude > 2 ** -126 && magnitude < Infinity) {
      this.inexact();
      return this.putSingle(narrow);
    }
    if (Number.isNaN(x)) {
      if ((hi & 0x00080000) === 0) this.flags |= Flag.NV;
      return this.put(NAN32, 0);
    }
    this.putExact(this.exact.narrow(BINARY64, join(lo, hi), rm));
  }

  private toWord(x: number, rm: number, least: number, most: number): void {
    let whole = integral(x, rm);
    if (whole >= least && whole <= most) {
      if (whole !== x) this.inexact();
    } else {
      this.flags |= Flag.NV;
      whole = x < 0 ? least : most;
    }
    this.put(whole | 0, (whole | 0) >> 31);
  }

  private toLong(x: number, rm: number): void {
    const whole = integral(x, rm);
    if (whole >= -(2 ** 63) && whole < 2 ** 63) return this.long(whole, x);
    this.flags |= Flag.NV;
    if (x < 0) this.put(0, 0x80000000 | 0);
    else this.put(-1, 0x7fffffff);
  }

  private toUnsignedLong(x: number, rm: number): void {
    const whole = integral(x, rm);
    if (whole >= 0 && whole < 2 ** 64) return this.long(whole, x);
    this.flags |= Flag.NV;
    if (x < 0) this.put(0, 0);
    else this.put(-1, -1);
  }

  /** Delivers `whole`, to which x was rounded; it fits 64 bits. */
  private long(whole: number, x: number): void {
    if (whole !== x) this.inexact();
    const hi = Math.floor(whole / WORD);
    this.put((whole - hi * WORD) | 0, hi | 0);
  }

  /** hi * 2^32 + lo; hi signed or unsigned as the caller made it, lo unsigned. */
  private longToDouble(lo: number, hi: number, rm: number): void {
    const high = hi * WORD;
    const low = lo >>> 0;
    const sum = high + low; // both exact: one rounding
    if (sum - high === low) return this.putDouble(sum);
    if (rm === Rounding.RNE) {
      this.inexact();
      return this.putDouble(sum);
    }
    this.putExact(this.exact.integer(BINARY64, (BigInt(hi) << 32n) + BigInt(low), rm));
  }

  private longToSingle(lo: number, hi: number, rm: number): void {
    const high = hi * WORD;
    const low = lo >>> 0;
    const sum = high + low;
    if (sum - high === low) return this.doubleToSingle(sum, rm);
    this.putExact(this.exact.integer(BINARY32, (BigInt(hi) << 32n) + BigInt(low), rm));
  }

  /** Rounds an integer that is exact in double; it is within single's range. */
  private doubleToSingle(x: number, rm: number): void {
    const narrow = Math.fround(x);
    if (narrow === x) return this.putSingle(narrow);
    if (rm === Rounding.RNE) {
      this.inexact();
      return this.putSingle(narrow);
    }
    this.putExact(this.exact.integer(BINARY32, BigInt(x), rm));
  }
}
