/** Floating-point numbers of the sizes that programs have: IEEE 754 binary16, 32, 64 and 128. */

interface Format {
  readonly exponent: number;
  readonly mantissa: number;
  /** Significant digits that tell every value from every other. */
  readonly digits: number;
}

const FORMATS: Readonly<Record<number, Format>> = {
  2: { exponent: 5, mantissa: 10, digits: 5 },
  4: { exponent: 8, mantissa: 23, digits: 9 },
  8: { exponent: 11, mantissa: 52, digits: 17 },
  16: { exponent: 15, mantissa: 112, digits: 35 },
};

/** A number as C's `%g` prints it with enough digits; undefined for a size that is none. @param raw its bits */
export function floatText(raw: bigint, size: number): string | undefined {
  const format = FORMATS[size];
  if (format === undefined) return undefined;
  const bits = BigInt(format.mantissa);
  const negative = (raw >> BigInt(8 * size - 1)) & 1n;
  const fraction = BigInt.asUintN(format.mantissa, raw);
  const exponent = Number((raw >> bits) & ((1n << BigInt(format.exponent)) - 1n));
  const sign = negative === 1n ? '-' : '';
  const highest = 2 ** format.exponent - 1;
  if (exponent === highest) return fraction === 0n ? `${sign}inf` : `${sign}nan(0x${fraction.toString(16)})`;
  if (exponent === 0 && fraction === 0n) return `${sign}0`;
  const mantissa = exponent === 0 ? fraction : fraction | (1n << bits);
  const scale = Math.max(exponent, 1) - (2 ** (format.exponent - 1) - 1) - format.mantissa;
  return sign + general(mantissa, scale, format.digits);
}

/** mantissa × 2^scale as `%.{digits}g`: rounded to even, trailing zeros left out. */
function general(mantissa: bigint, scale: number, digits: number): string {
  let numerator = scale > 0 ? mantissa << BigInt(scale) : mantissa;
  let denominator = scale < 0 ? 1n << BigInt(-scale) : 1n;
  // Decimal exponent: numerator/denominator lies in [10^e, 10^(e+1)).
  let e = Math.floor((mantissa.toString(2).length + scale - 1) * Math.LOG10E * Math.LN2);
  const power = (n: number): bigint => 10n ** BigInt(n);
  while (e >= 0 ? numerator >= denominator * power(e + 1) : numerator * power(-e - 1) >= denominator) e++;
  while (e >= 0 ? numerator < denominator * power(e) : numerator * power(-e) < denominator) e--;
  const shift = digits - 1 - e;
  if (shift >= 0) numerator *= power(shift);
  else denominator *= power(-shift);
  let quotient = numerator / denominator;
  const rest = 2n * (numerator % denominator);
  if (rest > denominator || (rest === denominator && (quotient & 1n) === 1n)) quotient++;
  let text = quotient.toString();
  if (text.length > digits) {
    text = text.slice(0, digits);
    e++;
  }
  if (e < -4 || e >= digits) {
    const tail = text.slice(1).replace(/0+$/, '');
    const by = Math.abs(e).toString().padStart(2, '0');
    return `${text[0]}${tail === '' ? '' : `.${tail}`}e${e < 0 ? '-' : '+'}${by}`;
  }
  if (e < 0) return `0.${'0'.repeat(-e - 1)}${text}`.replace(/0+$/, '');
  const whole = text.slice(0, e + 1);
  const tail = text.slice(e + 1).replace(/0+$/, '');
  return tail === '' ? whole : `${whole}.${tail}`;
}

/** A value as JavaScript has it, for arithmetic; exact up to 64 bits. */
export function floatNumber(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length === 4) return view.getFloat32(0, true);
  if (bytes.length === 8) return view.getFloat64(0, true);
  let raw = 0n;
  for (let i = bytes.length - 1; i >= 0; i--) raw = (raw << 8n) | BigInt(bytes[i]);
  return Number(floatText(raw, bytes.length)?.replace(/nan.*/, 'NaN').replace('inf', 'Infinity'));
}

/** Bytes of a number in a format of `size` bytes; undefined for a size that cannot be made. */
export function floatBytes(value: number, size: number): Uint8Array | undefined {
  const out = new Uint8Array(size);
  const view = new DataView(out.buffer);
  if (size === 4) view.setFloat32(0, value, true);
  else if (size === 8) view.setFloat64(0, value, true);
  else return undefined;
  return out;
}
