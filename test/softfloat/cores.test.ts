/** Floating-point instructions give the same on every core, bit for bit and flag for flag: interpreted, in TypeScript and translated. */
import { describe, expect, it } from 'vitest';
import { addCorners, addRandom, Cases, generator } from './cases.ts';
import { differences } from './compare.ts';
import { guest } from './guest.ts';
import { operations } from './operations.ts';
import { addStructured } from './structured.ts';
import { typeScript } from './subjects.ts';

// The long form: SOFTFLOAT_CASES cases per operation, and every SOFTFLOAT_STRIDEth triple of corners for fma.
const perOperation = Number(process.env.SOFTFLOAT_CASES ?? 4000);
const stride = Number(process.env.SOFTFLOAT_STRIDE ?? 1511);
const seed = Number(process.env.SOFTFLOAT_SEED ?? 1);

describe('floating point is the same on every core', () => {
  const subjects = (['wasm', 'ts', 'jit'] as const).flatMap((kind) =>
    (['dynamic', 'static'] as const).map((rounding) => [`${kind}, ${rounding} rm`, guest(kind, rounding)] as const),
  );
  const script = typeScript();

  it.each(operations.map(({ instruction }, index) => [instruction, index] as const))(
    '%s',
    (_, index) => {
      const random = generator(Math.imul(seed, 0x9e3779b9) ^ Math.imul(index, 0x85ebca6b));
      let left = perOperation;
      for (let first = true; first || left > 0; first = false) {
        const count = Math.min(left, 200_000);
        const cases = new Cases(count + (first ? 200_000 : 0));
        if (first) addCorners(cases, index, stride, true);
        addRandom(cases, index, count >> 2, random, true);
        addStructured(cases, index, count - (count >> 2), random, true);
        left -= count;
        const truth = script(cases.bytes);
        for (const [name, subject] of subjects) {
          const { total, shown } = differences(cases.bytes, truth, subject(cases.bytes), ['softfloat', name]);
          expect(shown, `${total} of ${cases.count} differ`).toEqual([]);
        }
      }
    },
    3_600_000,
  );
});
