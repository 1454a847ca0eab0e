/** Every operation under test, once: what it takes and gives, and the instruction that does it on real cores. */

/** d: binary64 bits; s: binary32 bits; x: an integer register. */
export type Kind = 'd' | 's' | 'x';

export interface Operation {
  /** Export of assembly/softfloat; camelCased, the method of SoftFloat. */
  readonly name: string;
  readonly takes: readonly Kind[];
  readonly gives: Kind;
  readonly rounds: boolean;
  readonly instruction: string;
  /** Has an `_nx` variant. */
  readonly native: boolean;
  /** Operands whose sign the instruction flips before the operation, by bit; fmsub, fnmsub and fnmadd are fused multiply-adds. */
  readonly flips: number;
}

const formats = [
  ['f64', 'd'],
  ['f32', 's'],
] as const;
const integers = [
  ['i32', 'w'],
  ['u32', 'wu'],
  ['i64', 'l'],
  ['u64', 'lu'],
] as const;

/** The fused multiply-adds and what they flip: unprivileged ISA, "Single-Precision Floating-Point Computational Instructions". */
const FUSED = [
  ['fmadd', 0],
  ['fmsub', 0b100],
  ['fnmsub', 0b001],
  ['fnmadd', 0b101],
] as const;

function* list(): Generator<Operation> {
  for (const [type, kind] of formats) {
    const arithmetic = { gives: kind, rounds: true, native: true, flips: 0 };
    for (const op of ['add', 'sub', 'mul', 'div']) {
      yield { name: `${type}_${op}`, takes: [kind, kind], instruction: `f${op}.${kind}`, ...arithmetic };
    }
    yield { name: `${type}_sqrt`, takes: [kind], instruction: `fsqrt.${kind}`, ...arithmetic };
    for (const [instruction, flips] of FUSED) {
      yield {
        ...arithmetic,
        name: `${type}_fma`,
        takes: [kind, kind, kind],
        instruction: `${instruction}.${kind}`,
        flips,
      };
    }
    const plain = { takes: [kind, kind], rounds: false, native: false, flips: 0 };
    for (const op of ['min', 'max'])
      yield { name: `${type}_${op}`, gives: kind, instruction: `f${op}.${kind}`, ...plain };
    for (const op of ['eq', 'lt', 'le'])
      yield { name: `${type}_${op}`, gives: 'x', instruction: `f${op}.${kind}`, ...plain };
    yield {
      name: `${type}_class`,
      takes: [kind],
      gives: 'x',
      rounds: false,
      native: false,
      flips: 0,
      instruction: `fclass.${kind}`,
    };
    for (const [integer, suffix] of integers) {
      const convert = { rounds: true, native: false, flips: 0 };
      yield {
        name: `${type}_to_${integer}`,
        takes: [kind],
        gives: 'x',
        instruction: `fcvt.${suffix}.${kind}`,
        ...convert,
      };
      yield {
        name: `${integer}_to_${type}`,
        takes: ['x'],
        gives: kind,
        instruction: `fcvt.${kind}.${suffix}`,
        ...convert,
      };
    }
  }
  yield {
    name: 'f32_to_f64',
    takes: ['s'],
    gives: 'd',
    rounds: false,
    native: false,
    flips: 0,
    instruction: 'fcvt.d.s',
  };
  yield {
    name: 'f64_to_f32',
    takes: ['d'],
    gives: 's',
    rounds: true,
    native: false,
    flips: 0,
    instruction: 'fcvt.s.d',
  };
}

export const operations: readonly Operation[] = [...list()];

export const roundingModes = ['rne', 'rtz', 'rdn', 'rup', 'rmm'] as const;

/** Bytes of one case and of one outcome, little-endian. */
export const CASE_BYTES = 32; // u32 operation, u32 rounding mode (| NATIVE), u64 a, b, c
export const OUTCOME_BYTES = 16; // u64 result, u64 flags
/** In the rounding mode's word: use the variant for "NX already set". */
export const NATIVE = 8;
