/** Both implementations agree with QEMU's RISC-V instructions. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { addCorners, addRandom, Cases, generator } from './cases.ts';
import { differences } from './compare.ts';
import { operations } from './operations.ts';
import { missing, qemu } from './qemu.ts';
import { addStructured } from './structured.ts';
import { assemblyScript, type Subject, typeScript } from './subjects.ts';

const absent = missing();
if (absent.length > 0) console.warn(`softfloat against QEMU: skipped, ${absent.join(' and ')} not found; install them`);

// The long form: SOFTFLOAT_CASES random cases per operation, and every SOFTFLOAT_STRIDEth triple of
// corners for fma.
const perOperation = Number(process.env.SOFTFLOAT_CASES ?? 1000);
const stride = Number(process.env.SOFTFLOAT_STRIDE ?? 1009);

describe.skipIf(absent.length > 0)('floating point agrees with QEMU', () => {
  let oracle: ReturnType<typeof qemu>;
  let assembly: Subject;
  const script = typeScript();

  beforeAll(async () => {
    oracle = qemu();
    assembly = await assemblyScript();
  }, 60_000);
  afterAll(() => oracle.close());

  let checked = 0;
  it.each(operations.map(({ instruction }, index) => [instruction, index] as const))(
    '%s',
    (_, index) => {
      const random = generator(0x2545f491 ^ (index * 0x27d4eb2f));
      let left = perOperation;
      for (let first = true; first || left > 0; first = false) {
        const count = Math.min(left, 200_000);
        const cases = new Cases(count + (first ? 1_000_000 : 0));
        if (first) addCorners(cases, index, stride, true);
        addRandom(cases, index, count >> 1, random, true);
        addStructured(cases, index, count - (count >> 1), random, true);
        left -= count;
        checked += cases.count;
        const truth = oracle.subject(cases.bytes);
        expect(truth.length).toBe(cases.count * 16);
        for (const [name, subject] of [
          ['AS', assembly],
          ['TS', script],
        ] as const) {
          const { total, shown } = differences(cases.bytes, truth, subject(cases.bytes), ['QEMU', name]);
          expect(shown, `${total} of ${cases.count} differ`).toEqual([]);
        }
      }
    },
    3_600_000,
  );

  afterAll(() => {
    if (perOperation > 10_000) console.log(`${checked} cases compared with QEMU`);
  });
});
