/**
 * Where results go, and how 32-bit halves become numbers and back.
 *
 * The bits of a NaN never pass through a JavaScript number on their way to a result: engines may
 * change them.
 */
import { Exact } from './exact.ts';
import { Flag } from './flags.ts';

// Typed arrays follow the host's byte order; every host with WebAssembly is little-endian.
const double = new Float64Array(1);
const doubleWords = new Int32Array(double.buffer);
const single = new Float32Array(1);
const singleWord = new Int32Array(single.buffer);

/** The number with these halves. */
export function toDouble(lo: number, hi: number): number {
  doubleWords[0] = lo;
  doubleWords[1] = hi;
  return double[0]!;
}

/** The number with these binary32 bits. */
export function toSingle(bits: number): number {
  singleWord[0] = bits;
  return single[0]!;
}

/** The halves as one unsigned integer. */
export function join(lo: number, hi: number): bigint {
  return (BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0);
}

/** The state all operations share. */
export class Results {
  /** Low half of the last result, int32; all of a binary32 result. */
  lo = 0;
  /** High half of the last result, int32; 0 for a binary32 result. */
  hi = 0;
  /** Exception flags raised since the caller last cleared them. */
  flags = 0;
  /**
   * Whether NX is already set in fcsr. When true, an operation rounding to nearest even may be
   * computed natively without finding out whether it is inexact, and leave NX out of `flags`.
   */
  inexactAlready = false;

  protected readonly exact = new Exact();

  /** Delivers a number that is not a NaN as binary64. */
  protected putDouble(value: number): void {
    double[0] = value;
    this.lo = doubleWords[0]!;
    this.hi = doubleWords[1]!;
  }

  /** Delivers a number that binary32 can represent, not a NaN. */
  protected putSingle(value: number): void {
    single[0] = value;
    this.lo = singleWord[0]!;
    this.hi = 0;
  }

  /** Delivers 64 bits. */
  protected put(lo: number, hi: number): void {
    this.lo = lo;
    this.hi = hi;
  }

  /** Delivers what `exact` computed, and takes over its flags. */
  protected putExact(bits: bigint): void {
    this.flags |= this.exact.flags;
    this.exact.flags = 0;
    this.lo = Number(BigInt.asIntN(32, bits));
    this.hi = Number(BigInt.asIntN(32, bits >> 32n));
  }

  /** Raises NX. */
  protected inexact(): void {
    this.flags |= Flag.NX;
  }
}
