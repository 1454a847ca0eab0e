import type { Expr, Leaf } from '../../../src/isa/semantics.ts';

/** What an expression's leaves are worth: unsigned 64-bit values. */
export type Leaves = Partial<Record<Leaf, bigint>>;

const M64 = (1n << 64n) - 1n;
const u64 = (v: bigint): bigint => BigInt.asUintN(64, v);
const s64 = (v: bigint): bigint => BigInt.asIntN(64, v);
const s32 = (v: bigint): bigint => BigInt.asIntN(32, v);
const u32 = (v: bigint): bigint => BigInt.asUintN(32, v);
const count = (text: string, digit: string): bigint => BigInt([...text].filter((c) => c === digit).length);
const binary = (v: bigint, width: number): string => BigInt.asUintN(width, v).toString(2).padStart(width, '0');

function carryless(a: bigint, b: bigint): bigint {
  let p = 0n;
  for (let i = 0n; i < 64n; i++) if ((b >> i) & 1n) p ^= a << i;
  return p;
}

function divide(a: bigint, b: bigint, width: number): bigint {
  if (b === 0n) return -1n;
  return BigInt.asIntN(width, a / b);
}

const FUNCTIONS: Record<string, (a: bigint, b: bigint) => bigint> = {
  sext8: (a) => BigInt.asIntN(8, a),
  sext16: (a) => BigInt.asIntN(16, a),
  sext32: s32,
  zext8: (a) => BigInt.asUintN(8, a),
  zext16: (a) => BigInt.asUintN(16, a),
  zext32: u32,
  clz: (a) => BigInt(binary(a, 64).indexOf('1') === -1 ? 64 : binary(a, 64).indexOf('1')),
  ctz: (a) => BigInt(a === 0n ? 64 : 63 - binary(a, 64).lastIndexOf('1')),
  popcnt: (a) => count(binary(a, 64), '1'),
  clz32: (a) => BigInt(binary(a, 32).indexOf('1') === -1 ? 32 : binary(a, 32).indexOf('1')),
  ctz32: (a) => BigInt(u32(a) === 0n ? 32 : 31 - binary(a, 32).lastIndexOf('1')),
  popcnt32: (a) => count(binary(a, 32), '1'),
  rotl: (a, b) => (a << (b & 63n)) | (a >> (64n - (b & 63n))),
  rotr: (a, b) => (a >> (b & 63n)) | (a << (64n - (b & 63n))),
  rotl32: (a, b) => s32((u32(a) << (b & 31n)) | (u32(a) >> (32n - (b & 31n)))),
  rotr32: (a, b) => s32((u32(a) >> (b & 31n)) | (u32(a) << (32n - (b & 31n)))),
  mulh: (a, b) => (s64(a) * s64(b)) >> 64n,
  mulhu: (a, b) => (a * b) >> 64n,
  mulhsu: (a, b) => (s64(a) * b) >> 64n,
  div: (a, b) => divide(s64(a), s64(b), 64),
  divu: (a, b) => divide(a, b, 64),
  rem: (a, b) => (b === 0n ? a : s64(a) % s64(b)),
  remu: (a, b) => (b === 0n ? a : a % b),
  divw: (a, b) => divide(s32(a), s32(b), 32),
  divuw: (a, b) => divide(u32(a), u32(b), 32),
  remw: (a, b) => (u32(b) === 0n ? s32(a) : s32(s32(a) % s32(b))),
  remuw: (a, b) => (u32(b) === 0n ? s32(a) : s32(u32(a) % u32(b))),
  clmul: (a, b) => carryless(a, b),
  clmulh: (a, b) => carryless(a, b) >> 64n,
  clmulr: (a, b) => carryless(a, b) >> 63n,
  orcb: (a) =>
    BigInt(
      `0x${binary(a, 64)
        .match(/.{8}/g)!
        .map((byte) => (byte.includes('1') ? 'ff' : '00'))
        .join('')}`,
    ),
  rev8: (a) => BigInt(`0x${a.toString(16).padStart(16, '0').match(/../g)!.reverse().join('')}`),
  unbox32: (a) => (a >> 32n === 0xffffffffn ? u32(a) : 0x7fc00000n),
  box32: (a) => 0xffffffff00000000n | u32(a),
};

/** Calls a floating-point function; it is not this file's to know them. */
export type Floating = (name: string, args: readonly bigint[]) => bigint;

/** Evaluates an expression with unbounded integers. @returns its value as u64 */
export function evaluate(e: Expr, leaves: Leaves, floating?: Floating): bigint {
  const go = (x: Expr): bigint => evaluate(x, leaves, floating);
  const truth = (v: boolean): bigint => (v ? 1n : 0n);
  switch (e.op) {
    case 'const':
      return u64(e.value);
    case 'leaf': {
      const v = leaves[e.name];
      if (v === undefined) throw new Error(`leaf ${e.name} has no value`);
      return u64(v);
    }
    case 'select':
      return go(e.c) !== 0n ? go(e.a) : go(e.b);
    case 'call': {
      const args = e.args.map(go);
      if (e.name in FUNCTIONS) return u64(FUNCTIONS[e.name](args[0], args[1] ?? 0n));
      if (!floating) throw new Error(`function ${e.name} is unknown`);
      return u64(floating(e.name, args));
    }
    default: {
      const a = go(e.a);
      const b = go(e.b);
      switch (e.op) {
        case 'add':
          return u64(a + b);
        case 'sub':
          return u64(a - b);
        case 'mul':
          return u64(a * b);
        case 'and':
          return a & b;
        case 'or':
          return a | b;
        case 'xor':
          return a ^ b;
        case 'shl':
          return u64(a << (b & 63n));
        case 'shr_u':
          return a >> (b & 63n);
        case 'shr_s':
          return u64(s64(a) >> (b & 63n));
        case 'eq':
          return truth(a === b);
        case 'ne':
          return truth(a !== b);
        case 'lt_s':
          return truth(s64(a) < s64(b));
        case 'lt_u':
          return truth(a < b);
        case 'ge_s':
          return truth(s64(a) >= s64(b));
        case 'ge_u':
          return truth(a >= b);
      }
    }
  }
}

/** Operands worth trying: edges of every width, and pseudo-random ones. */
export function interesting(seed: number, extra: number): bigint[] {
  const out = new Set<bigint>();
  for (const n of [0n, 1n, 7n, 8n, 15n, 16n, 31n, 32n, 33n, 52n, 53n, 62n, 63n, 64n]) {
    for (const d of [-1n, 0n, 1n]) {
      out.add(u64((1n << n) + d));
      out.add(u64(-(1n << n) + d));
    }
  }
  let state = BigInt(seed) * 0x9e3779b97f4a7c15n + 1n;
  for (let i = 0; i < extra; i++) {
    state = u64(state * 6364136223846793005n + 1442695040888963407n);
    out.add((state ^ (state >> 29n)) & (M64 >> (state >> 58n)));
  }
  return [...out];
}
