/** CRC-32C (RFC 3720, appendix B.4: polynomial 0x1EDC6F41, reflected). */
const TABLE = Uint32Array.from({ length: 256 }, (_, i) => {
  let c = i;
  for (let bit = 0; bit < 8; bit++) c = (c >>> 1) ^ (c & 1 ? 0x82f6_3b78 : 0);
  return c >>> 0;
});

/** Checksum of `bytes`, or of `bytes` appended to what `before` is the checksum of. */
export function crc32c(bytes: Uint8Array, before = 0): number {
  let c = ~before;
  for (let i = 0; i < bytes.length; i++) c = TABLE[(c ^ bytes[i]) & 0xff] ^ (c >>> 8);
  return ~c >>> 0;
}
