/** Arithmetic of sequence numbers, modulo 2^32 (RFC 9293, 3.4). */

export const seqAdd = (seq: number, length: number): number => (seq + length) >>> 0;

/** How far `a` is after `b`; negative when it is before. */
export const seqDiff = (a: number, b: number): number => (a - b) | 0;
