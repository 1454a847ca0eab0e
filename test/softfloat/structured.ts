/**
 * Operands with structure, as Berkeley TestFloat's generators prefer them: significands of few set bits or runs, exponents that neighbour each
 * other or the formats' limits, exact ties, and sums that cancel. Random digits hardly ever meet these.
 */
import type { Cases } from './cases.ts';
import { type Kind, NATIVE, operations } from './operations.ts';

type Random = () => number;

interface FloatFormat {
  readonly fraction: number;
  readonly most: number;
}
const FORMATS: Readonly<Record<'d' | 's', FloatFormat>> = {
  d: { fraction: 52, most: 0x7ff },
  s: { fraction: 23, most: 0xff },
};

/** An integer of `bits` bits: nothing, one or two bits, a run, their complements, or any digits. */
function pattern(bits: number, random: Random): bigint {
  const bit = (): bigint => 1n << BigInt(random() % bits);
  const choice = random() % 12;
  let value: bigint;
  if (choice < 2) value = 0n;
  else if (choice < 4) value = bit();
  else if (choice < 6) value = bit() | bit();
  else if (choice < 7) value = bit() | bit() | bit();
  else if (choice < 9) {
    const [a, b] = [bit(), bit()];
    value = a > b ? a - b : b - a;
  } else if (choice < 10) value = bit() - 1n;
  else if (choice < 11) value = bit() + bit() - 1n;
  else value = (BigInt(random()) << 32n) | BigInt(random());
  if (random() % 4 === 0) value = ~value;
  return BigInt.asUintN(bits, value);
}

const between = (low: number, high: number, random: Random): number => low + (random() % (high - low + 1));

function exponent({ fraction, most }: FloatFormat, random: Random): number {
  const bias = most >> 1;
  switch (random() % 8) {
    case 0:
      return between(0, 3, random);
    case 1:
      return between(most - 3, most, random);
    case 2:
      return between(0, fraction + 3, random);
    case 3:
      return between(0, most, random);
    case 4:
      return between(bias + 28, bias + 66, random) % most;
    default:
      return between(bias - fraction - 3, bias + fraction + 3, random);
  }
}

function number({ fraction, most }: FloatFormat, power: number, random: Random): bigint {
  const field = Math.min(Math.max(power, 0), most);
  const sign = BigInt(random() & 1);
  return (((sign << BigInt(most === 0xff ? 8 : 11)) | BigInt(field)) << BigInt(fraction)) | pattern(fraction, random);
}

const powerOf = ({ fraction, most }: FloatFormat, bits: bigint): number =>
  Number((bits >> BigInt(fraction)) & BigInt(most));

/** The operands of one case; those after the first keep close to it. */
function operands(takes: readonly Kind[], name: string, random: Random): bigint[] {
  const kind = takes[0]!;
  if (kind === 'x') return [BigInt.asUintN(64, pattern(random() % 2 ? 64 : 33, random) - BigInt(random() % 3))];
  const format = FORMATS[kind];
  const bias = format.most >> 1;
  const { fraction } = format;
  const a = number(format, exponent(format, random), random);
  if (takes.length === 1) return [a];
  const near = random() % 3 > 0;
  const spread = between(-fraction - 3, fraction + 3, random);
  // quotients and products stay in range more often when the exponents are opposite
  const mirrored = name.endsWith('mul') || takes.length === 3;
  const wanted = mirrored ? 2 * bias - powerOf(format, a) + spread : powerOf(format, a) + spread;
  let b = number(format, near ? wanted : exponent(format, random), random);
  if (takes.length === 2) {
    // the same digits but for the last: comparisons, and differences that cancel
    if (random() % 8 === 0)
      b = BigInt.asUintN(kind === 'd' ? 64 : 32, (random() & 1 ? a : a ^ signOf(kind)) + BigInt(random() % 5) - 2n);
    return [a, b];
  }
  const product = powerOf(format, a) + powerOf(format, b) - bias;
  const choice = random() % 8;
  if (choice === 0) return [a, b, number(format, exponent(format, random), random)];
  if (choice === 1) return [a, b, cancelling(kind, a, b, random)];
  return [a, b, number(format, product + between(-2 * fraction - 3, fraction + 3, random), random)];
}

const signOf = (kind: 'd' | 's'): bigint => (kind === 'd' ? 1n << 63n : 1n << 31n);

/** An addend next to −(a · b). */
function cancelling(kind: 'd' | 's', a: bigint, b: bigint, random: Random): bigint {
  const view = new DataView(new ArrayBuffer(8));
  const value = (bits: bigint): number => {
    if (kind === 'd') view.setBigUint64(0, bits);
    else view.setUint32(0, Number(bits));
    return kind === 'd' ? view.getFloat64(0) : view.getFloat32(0);
  };
  const product = value(a) * value(b) * (random() & 1 ? 1 : -1);
  if (kind === 'd') view.setFloat64(0, product);
  else view.setFloat32(0, product);
  const bits = kind === 'd' ? view.getBigUint64(0) : BigInt(view.getUint32(0));
  return BigInt.asUintN(kind === 'd' ? 64 : 32, bits + pattern(random() % 8 || 1, random) - 2n);
}

/** Adds structured cases of an operation, in every rounding mode in turn. @param native as for `addRandom` */
export function addStructured(cases: Cases, index: number, count: number, random: Random, native: boolean): void {
  const operation = operations[index]!;
  for (let i = 0; i < count; i++) {
    const [a, b = 0n, c = 0n] = operands(operation.takes, operation.name, random);
    const mode = operation.rounds ? i % 5 : 0;
    const assumes = native && operation.native && (mode === 0 || random() % 4 === 0);
    cases.add(index, assumes && random() % 8 ? NATIVE : mode, a!, b, c);
  }
}
