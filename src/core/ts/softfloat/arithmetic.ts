/**
 * Arithmetic. Each operation has a short way through JavaScript numbers, taken when it proves the
 * result and every flag, and falls back on exact rational arithmetic.
 *
 * Proofs used: JavaScript's operators are IEEE 754 rounding to nearest even. A result above the
 * smallest normal number and finite raised neither underflow nor overflow, and had no infinite
 * or NaN operand (division by infinity aside, which gives zero). A product of two numbers of 24
 * digits each is exact in double. A quotient, root or sum of 24-digit numbers rounded to double and
 * then to single is correctly rounded (53 >= 2 * 24 + 2). What is exact is so in every mode.
 */
import { productError, sumError, sumToOdd } from './errorfree.ts';
import { Rounding } from './flags.ts';
import { BINARY32, BINARY64 } from './format.ts';
import { join, Results, toDouble, toSingle } from './results.ts';

const { RNE, RDN } = Rounding;
const DOUBLE_LEAST = 2 ** -1022;
const SINGLE_LEAST = 2 ** -126;
const SINGLE_LIMIT = 2 ** 128;
const SIGN = 0x80000000 | 0;

/** Neither overflow nor underflow; false for zeros and NaNs too. */
function isSafeDouble(x: number): boolean {
  const magnitude = Math.abs(x);
  return magnitude > DOUBLE_LEAST && magnitude < Infinity;
}

/** The same for a number that was rounded to single. */
function isSafeSingle(x: number): boolean {
  const magnitude = Math.abs(x);
  return magnitude > SINGLE_LEAST && magnitude < SINGLE_LIMIT;
}

/** Whether x is a number of at most 24 digits, in single's range. */
function isShort(x: number): boolean {
  return Math.fround(x) === x;
}

/** Whether error terms around x are exact: no overflow, no underflow. */
function inNativeRange(x: number): boolean {
  const magnitude = Math.abs(x);
  return magnitude > 2 ** -900 && magnitude < 2 ** 990;
}

export class Arithmetic extends Results {
  /** a + b. */
  f64Add(aLo: number, aHi: number, bLo: number, bHi: number, rm: number): void {
    const a = toDouble(aLo, aHi);
    const b = toDouble(bLo, bHi);
    const sum = a + b;
    if (this.inexactAlready && rm === RNE) {
      // Tiny sums are exact: a finite one raised nothing but NX.
      if (Math.abs(sum) < Infinity) return this.putDouble(sum);
    } else if (Math.abs(a) < 2 ** 1020 && Math.abs(b) < 2 ** 1020) {
      if (sumError(a, b, sum) === 0) {
        if (sum !== 0 || rm !== RDN) return this.putDouble(sum);
      } else if (rm === RNE) {
        this.inexact();
        return this.putDouble(sum);
      }
    }
    this.putExact(this.exact.add(BINARY64, join(aLo, aHi), join(bLo, bHi), rm));
  }

  /** a - b. */
  f64Sub(aLo: number, aHi: number, bLo: number, bHi: number, rm: number): void {
    this.f64Add(aLo, aHi, bLo, bHi ^ SIGN, rm);
  }

  /** a * b. */
  f64Mul(aLo: number, aHi: number, bLo: number, bHi: number, rm: number): void {
    const a = toDouble(aLo, aHi);
    const b = toDouble(bLo, bHi);
    const product = a * b;
    if (isSafeDouble(product)) {
      if (this.inexactAlready && rm === RNE) return this.putDouble(product);
      if (isShort(a) && isShort(b)) return this.putDouble(product);
      if (inNativeRange(a) && inNativeRange(b) && inNativeRange(product)) {
        if (productError(a, b, product) === 0) return this.putDouble(product);
        if (rm === RNE) {
          this.inexact();
          return this.putDouble(product);
        }
      }
    } else if (product === 0 && (a === 0 || b === 0)) {
      return this.putDouble(product);
    }
    this.putExact(this.exact.mul(BINARY64, join(aLo, aHi), join(bLo, bHi), rm));
  }

  /** a / b. */
  f64Div(aLo: number, aHi: number, bLo: number, bHi: number, rm: number): void {
    const a = toDouble(aLo, aHi);
    const b = toDouble(bLo, bHi);
    const quotient = a / b;
    if (isSafeDouble(quotient)) {
      if (this.inexactAlready && rm === RNE) return this.putDouble(quotient);
      if (isShort(quotient) && isShort(b) && quotient * b === a) return this.putDouble(quotient);
      if (inNativeRange(a) && inNativeRange(b) && inNativeRange(quotient)) {
        const back = quotient * b;
        if (back === a && productError(quotient, b, back) === 0) return this.putDouble(quotient);
        if (rm === RNE) {
          this.inexact();
          return this.putDouble(quotient);
        }
      }
    } else if (quotient === 0 && a === 0) {
      return this.putDouble(quotient);
    }
    this.putExact(this.exact.div(BINARY64, join(aLo, aHi), join(bLo, bHi), rm));
  }

  /** Square root. */
  f64Sqrt(aLo: number, aHi: number, rm: number): void {
    const a = toDouble(aLo, aHi);
    if (a >= 0 && a < Infinity) {
      const root = Math.sqrt(a);
      if (this.inexactAlready && rm === RNE) return this.putDouble(root);
      if (isShort(root) && root * root === a) return this.putDouble(root);
      if (inNativeRange(a)) {
        const square = root * root;
        if (square === a && productError(root, root, square) === 0) return this.putDouble(root);
        if (rm === RNE) {
          this.inexact();
          return this.putDouble(root);
        }
      }
    }
    this.putExact(this.exact.sqrt(BINARY64, join(aLo, aHi), rm));
  }

  /** a * b + c, rounded once. */
  f64Fma(aLo: number, aHi: number, bLo: number, bHi: number, cLo: number, cHi: number, rm: number): void {
    if (this.inexactAlready && rm === RNE) {
      const a = toDouble(aLo, aHi);
      const b = toDouble(bLo, bHi);
      const c = toDouble(cLo, cHi);
      const product = a * b;
      if (inNativeRange(a) && inNativeRange(b) && inNativeRange(product) && (c === 0 || inNativeRange(c))) {
        const sum = product + c;
        const rest = sumToOdd(productError(a, b, product), sumError(product, c, sum));
        return this.putDouble(sum + rest);
      }
      if (product === 0 && (a === 0 || b === 0) && Math.abs(c) < Infinity) return this.putDouble(product + c);
    }
    this.putExact(this.exact.fma(BINARY64, join(aLo, aHi), join(bLo, bHi), join(cLo, cHi), rm));
  }

  /** a + b. */
  f32Add(aBits: number, bBits: number, rm: number): void {
    const a = toSingle(aBits);
    const b = toSingle(bBits);
    const wide = a + b;
    const sum = Math.fround(wide);
    if (Math.abs(sum) < SINGLE_LIMIT) {
      if (rm === RNE && this.inexactAlready) return this.putSingle(sum);
      if (sum === wide && sumError(a, b, wide) === 0) {
        if (sum !== 0 || rm !== RDN) return this.putSingle(sum);
      } else if (rm === RNE) {
        this.inexact();
        return this.putSingle(sum);
      }
    }
    this.putExact(this.exact.add(BINARY32, join(aBits, 0), join(bBits, 0), rm));
  }

  /** a - b. */
  f32Sub(aBits: number, bBits: number, rm: number): void {
    this.f32Add(aBits, bBits ^ SIGN, rm);
  }

  /** a * b. */
  f32Mul(aBits: number, bBits: number, rm: number): void {
    const wide = toSingle(aBits) * toSingle(bBits);
    if (this.deliverSingle(Math.fround(wide), wide, rm)) return;
    this.putExact(this.exact.mul(BINARY32, join(aBits, 0), join(bBits, 0), rm));
  }

  /** a / b. */
  f32Div(aBits: number, bBits: number, rm: number): void {
    const a = toSingle(aBits);
    const b = toSingle(bBits);
    const quotient = Math.fround(a / b);
    if (isSafeSingle(quotient)) {
      if (quotient * b === a) return this.putSingle(quotient);
      if (rm === RNE) {
        this.inexact();
        return this.putSingle(quotient);
      }
    } else if (quotient === 0 && a === 0) {
      return this.putSingle(quotient);
    }
    this.putExact(this.exact.div(BINARY32, join(aBits, 0), join(bBits, 0), rm));
  }

  /** Square root. */
  f32Sqrt(aBits: number, rm: number): void {
    const a = toSingle(aBits);
    if (a >= 0 && a < Infinity) {
      const root = Math.fround(Math.sqrt(a));
      if (root * root === a) return this.putSingle(root);
      if (rm === RNE) {
        this.inexact();
        return this.putSingle(root);
      }
    }
    this.putExact(this.exact.sqrt(BINARY32, join(aBits, 0), rm));
  }

  /** a * b + c, rounded once. */
  f32Fma(aBits: number, bBits: number, cBits: number, rm: number): void {
    const product = toSingle(aBits) * toSingle(bBits);
    const c = toSingle(cBits);
    // Nothing overflows or underflows in double, and a sum with more than 24 + 2 digits of which the
    // last is odd tells all that is needed about what it lost.
    const wide = sumToOdd(product, c);
    if ((wide !== 0 || rm !== RDN) && this.deliverSingle(Math.fround(wide), wide, rm)) return;
    this.putExact(this.exact.fma(BINARY32, join(aBits, 0), join(bBits, 0), join(cBits, 0), rm));
  }

  /**
   * Delivers `narrow`, the rounding to single of `wide`, which is the result itself or one rounded
   * to odd, if that is provably right; else returns false.
   */
  private deliverSingle(narrow: number, wide: number, rm: number): boolean {
    if (narrow === wide) {
      // A finite single that is exactly the result.
      if (Math.abs(narrow) === Infinity) return false;
    } else if (rm === RNE && isSafeSingle(narrow)) {
      this.inexact();
    } else {
      return false;
    }
    this.putSingle(narrow);
    return true;
  }
}
