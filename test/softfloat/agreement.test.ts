/** The AssemblyScript and the TypeScript floating point agree, bit for bit and flag for flag. */
import { beforeAll, describe, expect, it } from 'vitest';
import { addCorners, addRandom, Cases, generator } from './cases.ts';
import { differences } from './compare.ts';
import { operations } from './operations.ts';
import { addStructured } from './structured.ts';
import { assemblyScript, type Subject, typeScript } from './subjects.ts';

// The long form: SOFTFLOAT_CASES random cases per operation, and every SOFTFLOAT_STRIDEth triple of
// corners for fma.
const perOperation = Number(process.env.SOFTFLOAT_CASES ?? 1500);
const stride = Number(process.env.SOFTFLOAT_STRIDE ?? 307);

let assembly: Subject;
const script = typeScript();

beforeAll(async () => {
  assembly = await assemblyScript();
}, 60_000);

describe('AssemblyScript and TypeScript floating point agree', () => {
  it.each(operations.map(({ instruction }, index) => [instruction, index] as const))(
    '%s',
    (_, index) => {
      const random = generator(0x9e3779b9 ^ (index * 0x85ebca6b));
      let left = perOperation;
      for (let first = true; first || left > 0; first = false) {
        const count = Math.min(left, 200_000);
        const cases = new Cases(count + (first ? 1_000_000 : 0));
        if (first) addCorners(cases, index, stride, true);
        addRandom(cases, index, count >> 1, random, true);
        addStructured(cases, index, count - (count >> 1), random, true);
        left -= count;
        const { total, shown } = differences(cases.bytes, assembly(cases.bytes), script(cases.bytes), ['AS', 'TS']);
        expect(shown, `${total} of ${cases.count} differ`).toEqual([]);
      }
    },
    3_600_000,
  );
});
