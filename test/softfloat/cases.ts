/** Operands worth trying: every boundary of the formats, crossed; then random ones near trouble. */
import { CASE_BYTES, type Kind, NATIVE, type Operation, operations } from './operations.ts';

const signs = (magnitudes: readonly bigint[], sign: bigint) => magnitudes.flatMap((m) => [m, m | sign]);

/** Zeros, subnormals, limits, infinities, NaNs of both kinds, one and its neighbours, integer limits, ties. */
const corners64 = signs(
  [
    0x0000000000000000n,
    0x0000000000000001n,
    0x0000000000000002n,
    0x000fffffffffffffn,
    0x0010000000000000n,
    0x0010000000000001n,
    0x7fefffffffffffffn,
    0x7fe0000000000000n,
    0x7ff0000000000000n,
    0x7ff8000000000000n,
    0x7fffffffffffffffn,
    0x7ff0000000000001n,
    0x7ff7ffffffffffffn,
    0x3ff0000000000000n,
    0x3fefffffffffffffn,
    0x3ff0000000000001n,
    0x3fe0000000000000n,
    0x3fdfffffffffffffn,
    0x3fe0000000000001n,
    0x3ff8000000000000n,
    0x4000000000000000n,
    0x4004000000000000n,
    0x4008000000000000n,
    0x3ca0000000000000n,
    0x3c90000000000000n,
    0x3ca0000000000001n,
    0x4340000000000000n,
    0x433fffffffffffffn,
    0x4330000000000001n,
    0x41dfffffffc00000n,
    0x41dfffffffe00000n,
    0x41e0000000000000n,
    0x41e0000000100000n,
    0x41e0000000200000n,
    0x41efffffffe00000n,
    0x41effffffff00000n,
    0x41f0000000000000n,
    0x43dfffffffffffffn,
    0x43e0000000000000n,
    0x43e0000000000001n,
    0x43efffffffffffffn,
    0x43f0000000000000n,
    0x380fffffffffffffn,
    0x380fffffe0000000n,
    0x380fffffefffffffn,
    0x380ffffff0000000n,
    0x3810000000000000n,
    0x3690000000000000n,
    0x36a0000000000000n,
    0x369fffffffffffffn,
    0x47efffffe0000000n,
    0x47efffffefffffffn,
    0x47effffff0000000n,
    0x47f0000000000000n,
    0x1ff0000000000000n,
    0x5fe0000000000000n,
    0x2000000000000001n,
    0x400921fb54442d18n,
    0x3fd5555555555555n,
  ],
  1n << 63n,
);

const corners32 = signs(
  [
    0x00000000n,
    0x00000001n,
    0x00000002n,
    0x007fffffn,
    0x00800000n,
    0x00800001n,
    0x7f7fffffn,
    0x7f000000n,
    0x7f800000n,
    0x7fc00000n,
    0x7fffffffn,
    0x7f800001n,
    0x7fbfffffn,
    0x3f800000n,
    0x3f7fffffn,
    0x3f800001n,
    0x3f000000n,
    0x3effffffn,
    0x3f000001n,
    0x3fc00000n,
    0x40000000n,
    0x40200000n,
    0x40400000n,
    0x33800000n,
    0x33000000n,
    0x33800001n,
    0x4b800000n,
    0x4b7fffffn,
    0x4b000001n,
    0x4effffffn,
    0x4f000000n,
    0x4f000001n,
    0x4f7fffffn,
    0x4f800000n,
    0x5effffffn,
    0x5f000000n,
    0x5f7fffffn,
    0x5f800000n,
    0x1fc00000n,
    0x20000000n,
    0x5f000001n,
    0x40490fdbn,
    0x3eaaaaabn,
  ],
  1n << 31n,
);

const cornersX = [
  0n,
  1n,
  2n,
  3n,
  0x7fffffffn,
  0x80000000n,
  0x80000001n,
  0xffffffffn,
  0x100000000n,
  0xffffff80n,
  0x7fffffc0n,
  0x7fffffbfn,
  0x01000000n,
  0x01000001n,
  0x01000002n,
  0x01000003n,
  0x01fffffen,
  0x01ffffffn,
  0x20000000000000n,
  0x20000000000001n,
  0x20000000000002n,
  0x20000000000003n,
  0x1fffffffffffffn,
  0x3fffffffffffffn,
  0x7fffffffffffffffn,
  0x7ffffffffffffc00n,
  0x7ffffffffffffdffn,
  0x7ffffffffffffe00n,
  0x7ffffffffffffe01n,
  0x8000000000000000n,
  0x8000000000000001n,
  0xfffffffffffffbffn,
  0xfffffffffffffc00n,
  0xfffffffffffffc01n,
  0xffffffffffffffffn,
  0xfffffffffffffffen,
  0x8000008000000000n,
  0x8000008000000001n,
  0x7fffff4000000000n,
  0x7fffff3fffffffffn,
  0x0123456789abcdefn,
  0x2000000040000001n,
  0x4000004000000001n,
  0x8000000000000400n,
  0x8000000000000401n,
];

const corners: Record<Kind, readonly bigint[]> = { d: corners64, s: corners32, x: cornersX };

/** Marsaglia's xorshift32: small, seeded, the same everywhere. */
export function generator(seed: number): () => number {
  let state = seed | 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

/** Cases written one after another into bytes that both wasm and C read. */
export class Cases {
  count = 0;
  private view: DataView;
  private buffer: ArrayBuffer;

  constructor(capacity: number) {
    this.buffer = new ArrayBuffer(capacity * CASE_BYTES);
    this.view = new DataView(this.buffer);
  }

  get bytes(): Uint8Array {
    return new Uint8Array(this.buffer, 0, this.count * CASE_BYTES);
  }

  add(operation: number, mode: number, a: bigint, b = 0n, c = 0n): void {
    const at = this.count++ * CASE_BYTES;
    this.view.setUint32(at, operation, true);
    this.view.setUint32(at + 4, mode, true);
    this.view.setBigUint64(at + 8, a, true);
    this.view.setBigUint64(at + 16, b, true);
    this.view.setBigUint64(at + 24, c, true);
  }
}

/** One random operand: uniform bits, a corner, near a corner, sparse digits, or a tame exponent. */
function operand(kind: Kind, random: () => number): bigint {
  const wide = (BigInt(random()) << 32n) | BigInt(random());
  const choice = random() % 8;
  const list = corners[kind];
  if (choice === 0) return list[random() % list.length]!;
  if (choice === 1) {
    const near = list[random() % list.length]! + BigInt(random() % 9) - 4n;
    return BigInt.asUintN(kind === 's' ? 32 : 64, near);
  }
  if (kind === 'x')
    return choice < 5 ? wide >> BigInt(random() % 64) : wide & (wide << BigInt(random() % 64)) & 0xffffffffffffffffn;
  const fractionBits = kind === 'd' ? 52 : 23;
  const bias = kind === 'd' ? 1023 : 127;
  if (choice === 2) return kind === 'd' ? wide : wide & 0xffffffffn;
  let fraction = wide & ((1n << BigInt(fractionBits)) - 1n);
  if (choice === 3) fraction = (fraction >> BigInt(random() % fractionBits)) << BigInt(random() % fractionBits);
  if (choice === 4) fraction = ~(fraction << BigInt(random() % fractionBits));
  fraction &= (1n << BigInt(fractionBits)) - 1n;
  const spread = choice === 5 ? bias : choice === 6 ? 4 : 70;
  const exponent = BigInt(Math.max(0, bias - spread + (random() % (2 * spread))));
  return (BigInt(random() & 1) << BigInt(kind === 'd' ? 63 : 31)) | (exponent << BigInt(fractionBits)) | fraction;
}

/**
 * b with an exponent that puts a * b, or a / b, near underflow or overflow. A b without a normal
 * exponent is left alone, as is one that would need an exponent out of range.
 */
function nearLimits(kind: Kind, a: bigint, b: bigint, random: () => number): bigint {
  const fractionBits = kind === 'd' ? 52n : 23n;
  const most = kind === 'd' ? 0x7ff : 0xff;
  const bias = most >> 1;
  const field = Number((a >> fractionBits) & BigInt(most));
  const target = random() % 3 === 0 ? most - 3 + (random() % 5) : 3 - (random() % (Number(fractionBits) + 6));
  const wanted = random() % 2 === 0 ? target - field + bias : field + bias - target;
  if (wanted < 1 || wanted >= most) return b;
  return (b & ~(BigInt(most) << fractionBits)) | (BigInt(wanted) << fractionBits);
}

/** An addend near -(a * b), where cancellation shows every lost bit. */
function cancelling(kind: Kind, a: bigint, b: bigint, random: () => number): bigint {
  const view = new DataView(new ArrayBuffer(8));
  const get = (bits: bigint) => {
    if (kind === 'd') view.setBigUint64(0, bits);
    else view.setUint32(0, Number(bits));
    return kind === 'd' ? view.getFloat64(0) : view.getFloat32(0);
  };
  const product = -get(a) * get(b);
  if (kind === 'd') view.setFloat64(0, product);
  else view.setFloat32(0, product);
  const bits = kind === 'd' ? view.getBigUint64(0) : BigInt(view.getUint32(0));
  return BigInt.asUintN(kind === 'd' ? 64 : 32, bits + BigInt(random() % 5) - 2n);
}

/**
 * Operands of a multiply-add whose product is next to, or at, half a unit in c's last place: 1 - e^2
 * or 1 + e^2 + 2e times it, e a power of two, or random digits beside a product of (1 + e)(1 - e).
 */
function almostTie(kind: Kind, random: () => number): [bigint, bigint, bigint] {
  const fractionBits = kind === 'd' ? 52 : 23;
  const bias = kind === 'd' ? 1023 : 127;
  const number = (exponent: number, fraction: bigint) =>
    (BigInt(random() & 1) << BigInt(kind === 'd' ? 63 : 31)) | (BigInt(exponent) << BigInt(fractionBits)) | fraction;
  const e = 1 + (random() % fractionBits);
  const above = 1n << BigInt(fractionBits - e);
  const below = BigInt.asUintN(fractionBits, -2n * above); // of a number under one: twice as fine
  const wide = (BigInt(random()) << 32n) | BigInt(random());
  const fraction = random() % 2 === 0 ? BigInt.asUintN(fractionBits, wide) : BigInt(random() % 4);
  const distance = fractionBits - 1 + (random() % 4);
  const scale = (random() % 40) - 20;
  return [
    number(bias, above),
    random() % 3 === 0 ? number(bias + scale, above) : number(bias - 1 + scale, below),
    number(bias + scale + distance, fraction),
  ];
}

/**
 * Fills `cases` with random ones for `operation`, in every rounding mode of turn.
 * @param native also ask for the variants that may assume NX is set (then always RNE)
 */
export function addRandom(cases: Cases, index: number, count: number, random: () => number, native: boolean): void {
  const operation = operations[index]!;
  for (let i = 0; i < count; i++) {
    const operands =
      operation.takes.length === 3 && random() % 8 === 0
        ? almostTie(operation.takes[0]!, random)
        : operation.takes.map((kind) => operand(kind, random));
    const [a, , c] = operands;
    let b = operands[1];
    if (b !== undefined && random() % 4 === 0) b = nearLimits(operation.takes[1]!, a!, b, random);
    let last = c ?? 0n;
    if (c !== undefined && random() % 3 === 0) last = cancelling(operation.takes[2]!, a!, b!, random);
    const mode = operation.rounds ? i % 5 : 0;
    cases.add(index, native && operation.native && mode === 0 && random() % 2 === 0 ? NATIVE : mode, a!, b ?? 0n, last);
  }
}

/** How many corner cases `operation` has, taking every `stride`th of a three-operand cross. */
function* cornerCases(operation: Operation, stride: number): Generator<readonly [bigint, bigint, bigint]> {
  const [first, second, third] = operation.takes.map((kind) => corners[kind]);
  let n = 0;
  for (const a of first!) {
    for (const b of second ?? [0n]) {
      if (third === undefined) yield [a, b, 0n];
      else for (const c of third) if (n++ % stride === 0) yield [a, b, c];
    }
  }
}

/** Adds the corners of one operation in every rounding mode. */
export function addCorners(cases: Cases, index: number, stride: number, native: boolean): void {
  const operation = operations[index]!;
  for (const [a, b, c] of cornerCases(operation, stride)) {
    for (let mode = 0; mode < (operation.rounds ? 5 : 1); mode++) cases.add(index, mode, a, b, c);
    if (native && operation.native) cases.add(index, NATIVE, a, b, c);
  }
}
