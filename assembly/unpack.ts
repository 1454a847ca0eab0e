// Checks and unpacks what src/bytes/compress.ts packed; a module of its own, in a memory of its own (src/core/wasm/unpack.ts). It is fast from the first
// call on, where JavaScript would be slow until it is optimised.
//
//   0       packed bytes
//   OUT     unpacked bytes
//   TABLES  CRC-32C, eight tables of 256 words

const OUT: usize = 0x6000;
const TABLES: usize = 0xc000;
/** Reflected polynomial of CRC-32C (RFC 3720, appendix B.4). */
const POLYNOMIAL: u32 = 0x82f63b78;

/** To be called once, before all else. */
export function prepare(): void {
  for (let i: u32 = 0; i < 256; i++) {
    let c = i;
    for (let bit = 0; bit < 8; bit++) c = (c >>> 1) ^ (POLYNOMIAL & (0 - (c & 1)));
    store<u32>(TABLES + (i << 2), c);
  }
  for (let n: u32 = 1; n < 8; n++) {
    for (let i: u32 = 0; i < 256; i++) {
      const before = load<u32>(TABLES + ((n - 1) << 10) + (i << 2));
      store<u32>(TABLES + (n << 10) + (i << 2), load<u32>(TABLES + ((before & 0xff) << 2)) ^ (before >>> 8));
    }
  }
}

// @ts-ignore: decorator
@inline function entry(table: u32, byte: u32): u32 {
  return load<u32>(TABLES + (table << 10) + ((byte & 0xff) << 2));
}

/** CRC-32C of the packed bytes. */
export function checksum(length: u32): u32 {
  let c: u32 = ~0;
  let i: usize = 0;
  for (; i + 8 <= length; i += 8) {
    const low = c ^ load<u32>(i), high = load<u32>(i, 4);
    c = entry(7, low) ^ entry(6, low >>> 8) ^ entry(5, low >>> 16) ^ entry(4, low >>> 24)
      ^ entry(3, high) ^ entry(2, high >>> 8) ^ entry(1, high >>> 16) ^ entry(0, high >>> 24);
  }
  for (; i < length; i++) c = entry(0, c ^ load<u8>(i)) ^ (c >>> 8);
  return ~c;
}

let at: usize = 0;
let end: usize = 0;

/** A length that begins in a token's 4 bits; −1 where the bytes end in it. */
function extended(n: u32): u32 {
  if (n < 15) return n;
  let more: u32 = 255;
  while (more == 255) {
    if (at >= end) return ~0;
    more = <u32>load<u8>(at++);
    n += more;
  }
  return n;
}

/** Unpacks `length` bytes into `size`, as decompress does. @returns false when they are not what compress made of so many */
export function unpack(length: u32, size: u32): bool {
  at = 0;
  end = length;
  let to = OUT;
  const last = OUT + size;
  while (at < end) {
    const token = <u32>load<u8>(at++);
    const literals = extended(token >>> 4);
    if (<u64>at + literals > end || <u64>to + literals > last) return false;
    memory.copy(to, at, literals);
    at += literals;
    to += literals;
    if (at == end) break;
    const match = extended(token & 15);
    if (<u64>to + match + 4 > last || at + 2 > end) return false;
    const offset = <usize>load<u16>(at);
    at += 2;
    if (offset == 0 || offset > to - OUT) return false;
    let n: usize = match + 4;
    if (offset >= n) {
      memory.copy(to, to - offset, n);
      to += n;
    } else for (; n != 0; n--, to++) store<u8>(to, load<u8>(to - offset));
  }
  return to == last;
}
