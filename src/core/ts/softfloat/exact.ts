/**
 * Floating-point arithmetic by its definition: each operation computes its result as an exact
 * rational number of BigInts and rounds that once (IEEE 754-2019 §4.3, §5.4). Slow and plain.
 */
import { Flag, Rounding } from './flags.ts';
import { BINARY32, bitLength, canonicalNaN, type Datum, decode, type FloatFormat } from './format.ts';

/** Results are encodings in the format asked for; `flags` accumulates what they raised. */
export class Exact {
  flags = 0;

  add(format: FloatFormat, aBits: bigint, bBits: bigint, rm: number): bigint {
    const a = decode(format, aBits);
    const b = decode(format, bBits);
    return this.nan(format, a, b) ?? this.sum(format, a, b, rm);
  }

  mul(format: FloatFormat, aBits: bigint, bBits: bigint, rm: number): bigint {
    const a = decode(format, aBits);
    const b = decode(format, bBits);
    const nan = this.nan(format, a, b);
    if (nan !== undefined) return nan;
    if (isInfinite(a) || isInfinite(b)) {
      return isZero(a) || isZero(b) ? this.invalid(format) : infinity(format, differ(a, b));
    }
    return this.round(format, differ(a, b), a.significand * b.significand, 1n, a.exponent + b.exponent, rm);
  }

  div(format: FloatFormat, aBits: bigint, bBits: bigint, rm: number): bigint {
    const a = decode(format, aBits);
    const b = decode(format, bBits);
    const nan = this.nan(format, a, b);
    if (nan !== undefined) return nan;
    const negative = differ(a, b);
    if (isInfinite(a)) return isInfinite(b) ? this.invalid(format) : infinity(format, negative);
    if (isInfinite(b)) return zero(format, negative);
    if (isZero(b)) {
      if (isZero(a)) return this.invalid(format);
      this.flags |= Flag.DZ;
      return infinity(format, negative);
    }
    return this.round(format, negative, a.significand, b.significand, a.exponent - b.exponent, rm);
  }

  sqrt(format: FloatFormat, aBits: bigint, rm: number): bigint {
    const a = decode(format, aBits);
    const nan = this.nan(format, a, a);
    if (nan !== undefined) return nan;
    if (isZero(a)) return zero(format, a.negative);
    if (a.negative) return this.invalid(format);
    if (isInfinite(a)) return infinity(format, false);
    // An even exponent and far more digits than any format keeps; a root that does not come out is
    // distinguished from its floor by one more digit, set.
    const shift = 140 + (a.exponent & 1);
    const square = a.significand << BigInt(shift);
    const floor = squareRoot(square);
    const digits = 2n * floor + (floor * floor === square ? 0n : 1n);
    return this.round(format, false, digits, 1n, (a.exponent - shift) / 2 - 1, rm);
  }

  /** a * b + c. Infinity times zero is invalid even beside a quiet NaN (unprivileged ISA, FMADD). */
  fma(format: FloatFormat, aBits: bigint, bBits: bigint, cBits: bigint, rm: number): bigint {
    const a = decode(format, aBits);
    const b = decode(format, bBits);
    const c = decode(format, cBits);
    if ((isInfinite(a) && isZero(b)) || (isZero(a) && isInfinite(b))) return this.invalid(format);
    if (isNotANumber(c) || isNotANumber(a) || isNotANumber(b)) {
      this.nan(format, a, b);
      this.nan(format, c, c);
      return canonicalNaN(format);
    }
    const product: Datum = {
      kind: isInfinite(a) || isInfinite(b) ? 'infinite' : 'finite',
      negative: differ(a, b),
      significand: a.significand * b.significand,
      exponent: a.exponent + b.exponent,
    };
    return this.sum(format, product, c, rm);
  }

  /** binary64 to binary32. */
  narrow(from: FloatFormat, bits: bigint, rm: number): bigint {
    const a = decode(from, bits);
    const nan = this.nan(BINARY32, a, a);
    if (nan !== undefined) return nan;
    if (isInfinite(a)) return infinity(BINARY32, a.negative);
    return this.round(BINARY32, a.negative, a.significand, 1n, a.exponent, rm);
  }

  /** An integer. */
  integer(format: FloatFormat, value: bigint, rm: number): bigint {
    return this.round(format, value < 0n, value < 0n ? -value : value, 1n, 0, rm);
  }

  private sum(format: FloatFormat, a: Datum, b: Datum, rm: number): bigint {
    if (isInfinite(a)) return isInfinite(b) && differ(a, b) ? this.invalid(format) : infinity(format, a.negative);
    if (isInfinite(b)) return infinity(format, b.negative);
    if (isZero(a) && isZero(b) && !differ(a, b)) return zero(format, a.negative);
    const exponent = Math.min(a.exponent, b.exponent);
    const total = signed(a, exponent) + signed(b, exponent);
    if (total === 0n) return zero(format, rm === Rounding.RDN); // §6.3
    return this.round(format, total < 0n, total < 0n ? -total : total, 1n, exponent, rm);
  }

  /**
   * Rounds numerator / denominator * 2^exponent, negated if `negative`, and raises what is due.
   * A numerator of zero is an exact zero of that sign.
   */
  private round(
    format: FloatFormat,
    negative: boolean,
    numerator: bigint,
    denominator: bigint,
    exponent: number,
    rm: number,
  ): bigint {
    if (numerator === 0n) return zero(format, negative);
    const magnitude = magnitudeOf(numerator, denominator) + exponent;
    const digits = format.precision - 1;
    const full = 1n << BigInt(digits);

    const at = (quantum: number) => nearby(negative, numerator, denominator, exponent - quantum, rm);
    const quantum = Math.max(magnitude, format.least) - digits;
    const [integer, inexact] = at(quantum);
    if (inexact) {
      this.flags |= Flag.NX;
      // Tiny after rounding: below the smallest normal number as if the exponent had no bound.
      if (magnitude < format.least && (magnitude < format.least - 1 || at(quantum - 1)[0] < 2n * full)) {
        this.flags |= Flag.UF;
      }
    }
    // A hidden digit adds one to the exponent field, as does a carry that made it 2^precision.
    const bits = BigInt(quantum + digits - format.least) * full + integer;
    const sign = negative ? format.sign : 0n;
    if (bits < format.infinity) return sign | bits;
    this.flags |= Flag.OF | Flag.NX;
    const inwards = rm === Rounding.RTZ || rm === (negative ? Rounding.RUP : Rounding.RDN);
    return sign | (inwards ? format.infinity - 1n : format.infinity);
  }

  /** The canonical NaN if an operand is one, with NV if one is signalling. */
  private nan(format: FloatFormat, a: Datum, b: Datum): bigint | undefined {
    if (a.kind === 'signalling' || b.kind === 'signalling') this.flags |= Flag.NV;
    return isNotANumber(a) || isNotANumber(b) ? canonicalNaN(format) : undefined;
  }

  private invalid(format: FloatFormat): bigint {
    this.flags |= Flag.NV;
    return canonicalNaN(format);
  }
}

/** numerator / denominator * 2^exponent as an integer by rounding mode rm, and whether that lost anything. */
function nearby(
  negative: boolean,
  numerator: bigint,
  denominator: bigint,
  exponent: number,
  rm: number,
): readonly [integer: bigint, inexact: boolean] {
  const n = exponent > 0 ? numerator << BigInt(exponent) : numerator;
  const d = exponent < 0 ? denominator << BigInt(-exponent) : denominator;
  const integer = n / d;
  const remainder = n % d;
  if (remainder === 0n) return [integer, false];
  let up: boolean;
  switch (rm) {
    case Rounding.RNE:
      up = 2n * remainder > d || (2n * remainder === d && integer % 2n === 1n);
      break;
    case Rounding.RMM:
      up = 2n * remainder >= d;
      break;
    case Rounding.RDN:
      up = negative;
      break;
    case Rounding.RUP:
      up = !negative;
      break;
    default:
      up = false;
  }
  return [up ? integer + 1n : integer, true];
}

/** The e with 2^e <= numerator / denominator < 2^(e + 1). */
function magnitudeOf(numerator: bigint, denominator: bigint): number {
  const e = bitLength(numerator) - bitLength(denominator);
  const n = e < 0 ? numerator << BigInt(-e) : numerator;
  const d = e > 0 ? denominator << BigInt(e) : denominator;
  return n >= d ? e : e - 1;
}

/** The integer part of a square root, by Newton's method from above. */
function squareRoot(square: bigint): bigint {
  let root = 1n << BigInt((bitLength(square) + 1) >> 1);
  for (;;) {
    const next = (root + square / root) >> 1n;
    if (next >= root) return root;
    root = next;
  }
}

/** A finite datum in units of 2^exponent, which is not above its own. */
function signed(a: Datum, exponent: number): bigint {
  const value = a.significand << BigInt(a.exponent - exponent);
  return a.negative ? -value : value;
}

function isNotANumber(a: Datum): boolean {
  return a.kind === 'quiet' || a.kind === 'signalling';
}

function isInfinite(a: Datum): boolean {
  return a.kind === 'infinite';
}

function isZero(a: Datum): boolean {
  return a.kind === 'finite' && a.significand === 0n;
}

function differ(a: Datum, b: Datum): boolean {
  return a.negative !== b.negative;
}

function zero(format: FloatFormat, negative: boolean): bigint {
  return negative ? format.sign : 0n;
}

function infinity(format: FloatFormat, negative: boolean): bigint {
  return zero(format, negative) | format.infinity;
}
