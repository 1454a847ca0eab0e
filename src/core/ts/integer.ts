import { HI, io, LO } from './registers.ts';
import { TWO32 } from './state.ts';

/** Integer operations too long for the run loop. Pairs in, result in LO and HI. */

function give(lo: number, hi: number): void {
  io[LO] = lo;
  io[HI] = hi;
}

/** Number of ones among 32 bits. */
export function popcnt32(word: number): number {
  let n = word - ((word >>> 1) & 0x55555555);
  n = (n & 0x33333333) + ((n >>> 2) & 0x33333333);
  return Math.imul((n + (n >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

/** Number of zeros below the lowest one among 32 bits; 32 for none. */
export function ctz32(word: number): number {
  return word === 0 ? 32 : 31 - Math.clz32(word & -word);
}

/** High word of the unsigned product of two words. */
export function umulh32(a: number, b: number): number {
  const a0 = a & 0xffff;
  const a1 = a >>> 16;
  const b0 = b & 0xffff;
  const b1 = b >>> 16;
  const middle = (Math.imul(a1, b0) >>> 0) + (Math.imul(a0, b0) >>> 16);
  const other = (Math.imul(a0, b1) >>> 0) + (middle & 0xffff);
  return (Math.imul(a1, b1) + (middle >>> 16) + (other >>> 16)) | 0;
}

export function mulhu(aLo: number, aHi: number, bLo: number, bHi: number): void {
  // word 1 of the product: three words and the carry out of them
  const t = (umulh32(aLo, bLo) >>> 0) + (Math.imul(aLo, bHi) >>> 0) + (Math.imul(aHi, bLo) >>> 0);
  const u = (umulh32(aLo, bHi) >>> 0) + (umulh32(aHi, bLo) >>> 0) + (Math.imul(aHi, bHi) >>> 0) + Math.floor(t / TWO32);
  give(u | 0, (umulh32(aHi, bHi) + Math.floor(u / TWO32)) | 0);
}

/** Subtracts a pair from the result when a condition holds. */
function takeAway(condition: boolean, lo: number, hi: number): void {
  if (!condition) return;
  const was = io[LO];
  give((was - lo) | 0, (io[HI] - hi - (was >>> 0 < lo >>> 0 ? 1 : 0)) | 0);
}

export function mulh(aLo: number, aHi: number, bLo: number, bHi: number): void {
  mulhu(aLo, aHi, bLo, bHi);
  takeAway(aHi < 0, bLo, bHi);
  takeAway(bHi < 0, aLo, aHi);
}

export function mulhsu(aLo: number, aHi: number, bLo: number, bHi: number): void {
  mulhu(aLo, aHi, bLo, bHi);
  takeAway(aHi < 0, bLo, bHi);
}

/** Remainder of the last unsigned division. */
let remLo = 0;
let remHi = 0;

/** Unsigned quotient to LO and HI, remainder to remLo and remHi. The divisor is not 0. */
function divide(aLo: number, aHi: number, bLo: number, bHi: number): void {
  if ((aHi | bHi) === 0) {
    const a = aLo >>> 0;
    const b = bLo >>> 0;
    const q = Math.floor(a / b);
    remLo = (a - Math.imul(q, b)) | 0;
    remHi = 0;
    give(q | 0, 0);
    return;
  }
  const b = (bHi >>> 0) * TWO32 + (bLo >>> 0);
  if (aHi >>> 0 < 0x200000 && bHi >>> 0 < 0x200000) {
    // below 2^53 a quotient's rounding cannot reach the next integer
    const a = (aHi >>> 0) * TWO32 + (aLo >>> 0);
    const q = Math.floor(a / b);
    const rest = a % b;
    remLo = rest | 0;
    remHi = Math.floor(rest / TWO32) | 0;
    give(q | 0, Math.floor(q / TWO32) | 0);
    return;
  }
  // takes away multiples of the divisor, each a little too small, until less than one is left
  let qLo = 0;
  let qHi = 0;
  let rLo = aLo;
  let rHi = aHi;
  while (rHi >>> 0 > bHi >>> 0 || (rHi === bHi && rLo >>> 0 >= bLo >>> 0)) {
    const rest = (rHi >>> 0) * TWO32 + (rLo >>> 0);
    const guess = Math.max(Math.floor((rest / b) * (1 - 2 ** -50)), 1);
    const gLo = guess | 0;
    const gHi = Math.floor(guess / TWO32) | 0;
    const pLo = Math.imul(gLo, bLo);
    const pHi = (umulh32(gLo, bLo) + Math.imul(gLo, bHi) + Math.imul(gHi, bLo)) | 0;
    rHi = (rHi - pHi - (rLo >>> 0 < pLo >>> 0 ? 1 : 0)) | 0;
    rLo = (rLo - pLo) | 0;
    qLo = (qLo + gLo) | 0;
    qHi = (qHi + gHi + (qLo >>> 0 < gLo >>> 0 ? 1 : 0)) | 0;
  }
  remLo = rLo;
  remHi = rHi;
  give(qLo, qHi);
}

const negHi = (lo: number, hi: number): number => (~hi + (lo === 0 ? 1 : 0)) | 0;

function divideSigned(aLo: number, aHi: number, bLo: number, bHi: number): void {
  divide(
    aHi < 0 ? -aLo | 0 : aLo,
    aHi < 0 ? negHi(aLo, aHi) : aHi,
    bHi < 0 ? -bLo | 0 : bLo,
    bHi < 0 ? negHi(bLo, bHi) : bHi,
  );
}

export function divu(aLo: number, aHi: number, bLo: number, bHi: number): void {
  if ((bLo | bHi) === 0) give(-1, -1);
  else divide(aLo, aHi, bLo, bHi);
}

export function remu(aLo: number, aHi: number, bLo: number, bHi: number): void {
  if ((bLo | bHi) === 0) give(aLo, aHi);
  else {
    divide(aLo, aHi, bLo, bHi);
    give(remLo, remHi);
  }
}

export function div(aLo: number, aHi: number, bLo: number, bHi: number): void {
  if ((bLo | bHi) === 0) {
    give(-1, -1);
    return;
  }
  divideSigned(aLo, aHi, bLo, bHi);
  if ((aHi ^ bHi) < 0) give(-io[LO] | 0, negHi(io[LO], io[HI]));
}

export function rem(aLo: number, aHi: number, bLo: number, bHi: number): void {
  if ((bLo | bHi) === 0) {
    give(aLo, aHi);
    return;
  }
  divideSigned(aLo, aHi, bLo, bHi);
  if (aHi < 0) give(-remLo | 0, negHi(remLo, remHi));
  else give(remLo, remHi);
}

function giveWord(word: number): void {
  give(word, word >> 31);
}

export function divw(a: number, b: number): void {
  giveWord(b === 0 ? -1 : (a / b) | 0);
}

export function remw(a: number, b: number): void {
  giveWord(b === 0 ? a : (a % b) | 0);
}

export function divuw(a: number, b: number): void {
  giveWord(b === 0 ? -1 : ((a >>> 0) / (b >>> 0)) | 0);
}

export function remuw(a: number, b: number): void {
  giveWord(b === 0 ? a : ((a >>> 0) % (b >>> 0)) | 0);
}

/** Carry-less product's words 0–3 by Horner's rule over the bits of b, into `product`. */
const product = new Int32Array(4);
function multiplyCarryless(aLo: number, aHi: number, bLo: number, bHi: number): void {
  let p0 = 0;
  let p1 = 0;
  let p2 = 0;
  let p3 = 0;
  for (let i = 63; i >= 0; i--) {
    p3 = (p3 << 1) | (p2 >>> 31);
    p2 = (p2 << 1) | (p1 >>> 31);
    p1 = (p1 << 1) | (p0 >>> 31);
    p0 <<= 1;
    if ((((i < 32 ? bLo : bHi) >>> (i & 31)) & 1) !== 0) {
      p0 ^= aLo;
      p1 ^= aHi;
    }
  }
  product[0] = p0;
  product[1] = p1;
  product[2] = p2;
  product[3] = p3;
}

export function clmul(aLo: number, aHi: number, bLo: number, bHi: number): void {
  multiplyCarryless(aLo, aHi, bLo, bHi);
  give(product[0], product[1]);
}

export function clmulh(aLo: number, aHi: number, bLo: number, bHi: number): void {
  multiplyCarryless(aLo, aHi, bLo, bHi);
  give(product[2], product[3]);
}

export function clmulr(aLo: number, aHi: number, bLo: number, bHi: number): void {
  multiplyCarryless(aLo, aHi, bLo, bHi);
  give((product[2] << 1) | (product[1] >>> 31), (product[3] << 1) | (product[2] >>> 31));
}

function orcb32(word: number): number {
  let any = word | (word >>> 4);
  any |= any >>> 2;
  any |= any >>> 1;
  return Math.imul(any & 0x01010101, 255);
}

export function orcb(lo: number, hi: number): void {
  give(orcb32(lo), orcb32(hi));
}

function swap32(word: number): number {
  return (word << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24);
}

export function rev8(lo: number, hi: number): void {
  give(swap32(hi), swap32(lo));
}
