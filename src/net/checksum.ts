/**
 * Sum of 16-bit big-endian words for the Internet checksum (RFC 1071), not folded; an odd last byte counts as the high half of a word.
 * @param initial a sum to go on from
 */
function wordSum(bytes: Uint8Array, from = 0, to = bytes.length, initial = 0): number {
  let sum = initial;
  const even = to - ((to - from) & 1);
  for (let at = from; at < even; at += 2) sum += (bytes[at] << 8) | bytes[at + 1];
  if (even < to) sum += bytes[even] << 8;
  return sum;
}

/** Folds a sum of words into 16 bits with end-around carry. */
export function fold(sum: number): number {
  let folded = sum;
  while (folded > 0xffff) folded = (folded % 0x10000) + Math.floor(folded / 0x10000);
  return folded;
}

/** The Internet checksum of the bytes: the complement of their folded sum. */
export function checksum(bytes: Uint8Array, from = 0, to = bytes.length, initial = 0): number {
  return ~fold(wordSum(bytes, from, to, initial)) & 0xffff;
}

/** The sum of the pseudo-header of TCP, UDP (RFC 9293, 3.1) and ICMPv6 (RFC 8200, 8.1) over either version of IP. */
export function pseudoHeaderSum(source: Uint8Array, destination: Uint8Array, protocol: number, length: number): number {
  return wordSum(source) + wordSum(destination) + protocol + (length >>> 16) + (length & 0xffff);
}
