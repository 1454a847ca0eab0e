/**
 * The machine's own hash: 64 bits, not cryptographic, made for guest pages. Eight independent 32-bit lanes each take every eighth
 * word by add-multiply-rotate-multiply, then are folded into two words. It uses only 32-bit integer operations, so it is equal on
 * every runtime.
 */

const P1 = 0x9e37_79b1 | 0;
const P2 = 0x85eb_ca77 | 0;
const P3 = 0xc2b2_ae3d | 0;
const P4 = 0x27d4_eb2f | 0;

const mix = (h: number): number => {
  h = Math.imul(h ^ (h >>> 15), P2);
  h = Math.imul(h ^ (h >>> 13), P3);
  return h ^ (h >>> 16);
};

/** Accumulates 64-bit hashes as pairs of words. */
export interface Hash64 {
  low: number;
  high: number;
}

/**
 * Hashes `count` words (a multiple of 8) from index `at`.
 * @param into receives the result
 */
export function hashWords(words: Uint32Array, at: number, count: number, into: Hash64): void {
  let a = P1;
  let b = P2;
  let c = P3;
  let d = P4;
  let e = ~P1;
  let f = ~P2;
  let g = ~P3;
  let h = ~P4;
  for (let i = at, end = at + count; i < end; i += 8) {
    a = (a + Math.imul(words[i], P2)) | 0;
    b = (b + Math.imul(words[i + 1], P2)) | 0;
    c = (c + Math.imul(words[i + 2], P2)) | 0;
    d = (d + Math.imul(words[i + 3], P2)) | 0;
    e = (e + Math.imul(words[i + 4], P2)) | 0;
    f = (f + Math.imul(words[i + 5], P2)) | 0;
    g = (g + Math.imul(words[i + 6], P2)) | 0;
    h = (h + Math.imul(words[i + 7], P2)) | 0;
    a = Math.imul((a << 13) | (a >>> 19), P1);
    b = Math.imul((b << 13) | (b >>> 19), P1);
    c = Math.imul((c << 13) | (c >>> 19), P1);
    d = Math.imul((d << 13) | (d >>> 19), P1);
    e = Math.imul((e << 13) | (e >>> 19), P1);
    f = Math.imul((f << 13) | (f >>> 19), P1);
    g = Math.imul((g << 13) | (g >>> 19), P1);
    h = Math.imul((h << 13) | (h >>> 19), P1);
  }
  let low = count;
  let high = ~count;
  for (const lane of [a, b, c, d, e, f, g, h]) {
    low = mix(Math.imul(low ^ lane, P1) + P4);
    high = mix((Math.imul(high, P2) + lane) ^ low);
  }
  into.low = low >>> 0;
  into.high = high >>> 0;
}

/** Mixes a hash with the place it belongs to, so that sums of such are a hash of a set of places. */
export function placeHash(hash: Hash64, place: number): void {
  const low = mix(hash.low ^ Math.imul(place + 1, P3));
  hash.high = mix((hash.high + Math.imul(place ^ P4, P1)) ^ low) >>> 0;
  hash.low = mix(low ^ Math.imul(hash.high, P2)) >>> 0;
}

/** Hashes bytes of any length; the length counts. */
export function hashBytes(bytes: Uint8Array): Hash64 {
  const words = new Uint32Array(Math.ceil((bytes.length + 4) / 32) * 8);
  const view = new DataView(words.buffer);
  new Uint8Array(words.buffer).set(bytes);
  // The one place that would see the host's byte order is made little-endian, as RAM is.
  view.setUint32(words.byteLength - 4, bytes.length, true);
  const result = { low: 0, high: 0 };
  hashWords(words, 0, words.length, result);
  return result;
}

/** A sum of hashes modulo 2^64. */
export class HashSum {
  private low = 0;
  private high = 0;

  add(low: number, high: number): void {
    const sum = this.low + low;
    this.low = sum >>> 0;
    this.high = (this.high + high + (sum > 0xffff_ffff ? 1 : 0)) >>> 0;
  }

  subtract(low: number, high: number): void {
    const difference = this.low - low;
    this.low = difference >>> 0;
    this.high = (this.high - high - (difference < 0 ? 1 : 0)) >>> 0;
  }

  clear(): void {
    this.low = 0;
    this.high = 0;
  }

  /** The sum so far. */
  get value(): Hash64 {
    return { low: this.low, high: this.high };
  }
}

/** 16 hexadecimal digits. */
export function hashText({ low, high }: Hash64): string {
  return high.toString(16).padStart(8, '0') + low.toString(16).padStart(8, '0');
}
