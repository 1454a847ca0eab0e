// Integer operations that wasm lacks (unprivileged ISA, "M", "Zbb", "Zbc"). wasm division traps on zero and on overflow, so both are
// answered before it is reached.

// @ts-ignore: decorator
@inline export function mulhu(a: u64, b: u64): u64 {
  const al = a & 0xffffffff, ah = a >> 32, bl = b & 0xffffffff, bh = b >> 32;
  const ll = al * bl;
  const m1 = ah * bl + (ll >> 32);
  const m2 = al * bh + (m1 & 0xffffffff);
  return ah * bh + (m1 >> 32) + (m2 >> 32);
}

export function mulh(a: u64, b: u64): u64 {
  return mulhu(a, b) - (<u64>(<i64>a >> 63) & b) - (<u64>(<i64>b >> 63) & a);
}

export function mulhsu(a: u64, b: u64): u64 {
  return mulhu(a, b) - (<u64>(<i64>a >> 63) & b);
}

// @ts-ignore: decorator
@inline export function div(a: u64, b: u64): u64 {
  if (b == 0) return ~0;
  if (b == ~0) return 0 - a;
  return <u64>(<i64>a / <i64>b);
}

// @ts-ignore: decorator
@inline export function divu(a: u64, b: u64): u64 {
  return b == 0 ? ~0 : a / b;
}

// @ts-ignore: decorator
@inline export function rem(a: u64, b: u64): u64 {
  if (b == 0) return a;
  if (b == ~0) return 0;
  return <u64>(<i64>a % <i64>b);
}

// @ts-ignore: decorator
@inline export function remu(a: u64, b: u64): u64 {
  return b == 0 ? a : a % b;
}

// @ts-ignore: decorator
@inline export function divw(a: u64, b: u64): u64 {
  const x = <i32>a, y = <i32>b;
  if (y == 0) return ~0;
  // in 32 bits: inside a cast to i64 the difference would have 64
  const negated: i32 = 0 - x;
  if (y == -1) return <u64><i64>negated;
  return <u64><i64>(x / y);
}

// @ts-ignore: decorator
@inline export function divuw(a: u64, b: u64): u64 {
  const x = <u32>a, y = <u32>b;
  return y == 0 ? ~0 : <u64><i64><i32>(x / y);
}

// @ts-ignore: decorator
@inline export function remw(a: u64, b: u64): u64 {
  const x = <i32>a, y = <i32>b;
  if (y == 0) return <u64><i64>x;
  if (y == -1) return 0;
  return <u64><i64>(x % y);
}

// @ts-ignore: decorator
@inline export function remuw(a: u64, b: u64): u64 {
  const x = <u32>a, y = <u32>b;
  return <u64><i64><i32>(y == 0 ? x : x % y);
}

export function clmul(a: u64, b: u64): u64 {
  let r: u64 = 0;
  while (b) {
    r ^= a << ctz(b);
    b &= b - 1;
  }
  return r;
}

/** Bits 126:63 of the carry-less product. */
export function clmulr(a: u64, b: u64): u64 {
  let r: u64 = 0;
  while (b) {
    r ^= a >> (63 - ctz(b));
    b &= b - 1;
  }
  return r;
}

export function clmulh(a: u64, b: u64): u64 {
  return clmulr(a, b) >> 1;
}

export function orcb(a: u64): u64 {
  a |= (a >> 1) & 0x7f7f7f7f7f7f7f7f;
  a |= (a >> 2) & 0x3f3f3f3f3f3f3f3f;
  a |= (a >> 4) & 0x0f0f0f0f0f0f0f0f;
  return (a & 0x0101010101010101) * 0xff;
}

export function rev8(a: u64): u64 {
  return bswap<u64>(a);
}

// @ts-ignore: decorator
@inline export function unbox32(a: u64): u64 {
  return select<u64>(a & 0xffffffff, 0x7fc00000, (a >> 32) == 0xffffffff);
}

// @ts-ignore: decorator
@inline export function box32(a: u64): u64 {
  return a | 0xffffffff00000000;
}
