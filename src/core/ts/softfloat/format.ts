/** The binary interchange formats (IEEE 754-2019 §3.4) and their encodings, as BigInt. */

/** One format's parameters. */
export interface FloatFormat {
  /** Digits of the significand, the hidden one included: p. */
  readonly precision: number;
  /** Exponent of the smallest normal number: emin. */
  readonly least: number;
  /** Bits of +infinity. */
  readonly infinity: bigint;
  /** The sign bit. */
  readonly sign: bigint;
  /** The bit that is set in a quiet NaN and clear in a signalling one. */
  readonly quiet: bigint;
}

export const BINARY64: FloatFormat = {
  precision: 53,
  least: -1022,
  infinity: 0x7ff0000000000000n,
  sign: 1n << 63n,
  quiet: 1n << 51n,
};

export const BINARY32: FloatFormat = {
  precision: 24,
  least: -126,
  infinity: 0x7f800000n,
  sign: 1n << 31n,
  quiet: 1n << 22n,
};

/** The value of an encoding. A finite value is significand * 2^exponent, negated if negative. */
export interface Datum {
  readonly kind: 'finite' | 'infinite' | 'quiet' | 'signalling';
  readonly negative: boolean;
  readonly significand: bigint;
  readonly exponent: number;
}

/** Reads an encoding. */
export function decode(format: FloatFormat, bits: bigint): Datum {
  const negative = (bits & format.sign) !== 0n;
  const magnitude = bits & (format.sign - 1n);
  const ulp = format.least - (format.precision - 1);
  if (magnitude > format.infinity) {
    const kind = (magnitude & format.quiet) !== 0n ? 'quiet' : 'signalling';
    return { kind, negative, significand: 0n, exponent: ulp };
  }
  if (magnitude === format.infinity) return { kind: 'infinite', negative, significand: 0n, exponent: ulp };
  const hidden = 1n << BigInt(format.precision - 1);
  const field = Number(magnitude / hidden);
  const fraction = magnitude % hidden;
  return field === 0
    ? { kind: 'finite', negative, significand: fraction, exponent: ulp }
    : { kind: 'finite', negative, significand: fraction + hidden, exponent: ulp + field - 1 };
}

/** Number of binary digits of a non-negative integer; 0 for 0. */
export function bitLength(value: bigint): number {
  return value === 0n ? 0 : value.toString(2).length;
}

/** The canonical NaN: positive, quiet, no payload (unprivileged ISA, "NaN Generation and Propagation"). */
export function canonicalNaN(format: FloatFormat): bigint {
  return format.infinity | format.quiet;
}
