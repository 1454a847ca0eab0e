/** CRC-32C (RFC 3720, appendix B.4: polynomial 0x1EDC6F41, reflected), eight bytes at a time with as many tables ("slicing by 8"). */
const TABLES = Array.from({ length: 8 }, () => new Uint32Array(256));
for (let i = 0; i < 256; i++) {
  let c = i;
  for (let bit = 0; bit < 8; bit++) c = (c >>> 1) ^ (c & 1 ? 0x82f6_3b78 : 0);
  TABLES[0][i] = c >>> 0;
}
for (let n = 1; n < 8; n++)
  for (let i = 0; i < 256; i++) TABLES[n][i] = TABLES[0][TABLES[n - 1][i] & 0xff] ^ (TABLES[n - 1][i] >>> 8);
const [T0, T1, T2, T3, T4, T5, T6, T7] = TABLES;

/** Checksum of `bytes`, or of `bytes` appended to what `before` is the checksum of. */
export function crc32c(bytes: Uint8Array, before = 0): number {
  let c = ~before;
  let i = 0;
  for (const end = bytes.length - 7; i < end; i += 8) {
    c ^= bytes[i] | (bytes[i + 1] << 8) | (bytes[i + 2] << 16) | (bytes[i + 3] << 24);
    c =
      T7[c & 0xff] ^
      T6[(c >>> 8) & 0xff] ^
      T5[(c >>> 16) & 0xff] ^
      T4[c >>> 24] ^
      T3[bytes[i + 4]] ^
      T2[bytes[i + 5]] ^
      T1[bytes[i + 6]] ^
      T0[bytes[i + 7]];
  }
  for (; i < bytes.length; i++) c = T0[(c ^ bytes[i]) & 0xff] ^ (c >>> 8);
  return ~c >>> 0;
}
