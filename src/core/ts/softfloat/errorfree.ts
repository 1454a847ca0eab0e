/** Error-free transformations of doubles: the rounding error of an operation, itself a double. */

/** (a + b) - sum exactly, for sum = a + b rounded to nearest, without overflow (D. Knuth, TAOCP 2, §4.2.2). */
export function sumError(a: number, b: number, sum: number): number {
  const part = sum - a;
  return a - (sum - part) + (b - part);
}

const SPLITTER = 2 ** 27 + 1;

/**
 * (a * b) - product exactly, for product = a * b rounded to nearest (T. J. Dekker, "A floating-point
 * technique for extending the available precision", Numerische Mathematik 18, 1971). Needs
 * |a|, |b| < 2^996 and a product whose last place is far above the smallest subnormal.
 */
export function productError(a: number, b: number, product: number): number {
  const aScaled = SPLITTER * a;
  const aHigh = aScaled - (aScaled - a);
  const aLow = a - aHigh;
  const bScaled = SPLITTER * b;
  const bHigh = bScaled - (bScaled - b);
  const bLow = b - bHigh;
  return aLow * bLow - (product - aHigh * bHigh - aLow * bHigh - aHigh * bLow);
}

const view = new Float64Array(1);
const words = new Int32Array(view.buffer);

/**
 * a + b rounded to odd: when inexact, to the neighbour whose last bit is set. Rounding that to
 * nearest in two digits less or more gives what rounding the exact sum would.
 */
export function sumToOdd(a: number, b: number): number {
  const sum = a + b;
  const error = sumError(a, b, sum);
  if (error === 0) return sum;
  view[0] = sum;
  // The last bit is clear, so stepping outwards sets it; inwards may borrow from the high word.
  if ((words[0]! & 1) === 0) {
    if (error > 0 === sum > 0) words[0]! += 1;
    else {
      if (words[0] === 0) words[1]! -= 1;
      words[0]! -= 1;
    }
  }
  return view[0]!;
}
