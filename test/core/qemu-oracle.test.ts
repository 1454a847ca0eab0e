/** Generated programs leave the same on the cores as on QEMU: registers, CSRs, traps, memory and page tables. */
import { describe, expect, it } from 'vitest';
import type { CoreKind } from './bare.ts';
import { differences } from './oracle/compare.ts';
import { OracleCore } from './oracle/core.ts';
import { makeImage } from './oracle/image.ts';
import { haveQemu, runQemu } from './oracle/qemu.ts';

const present = haveQemu();
if (!present)
  console.warn('cores against QEMU: skipped, qemu-system-riscv64 not found; install it (Debian: qemu-system-misc)');

/** The long form: CORE_ORACLE_IMAGES images of 4000 cases, from seed CORE_ORACLE_SEED on. */
const images = Number(process.env.CORE_ORACLE_IMAGES ?? 1);
const first = Number(process.env.CORE_ORACLE_SEED ?? 1);
const CASES = 4000;
const KINDS: readonly CoreKind[] = ['wasm', 'ts', 'jit'];

describe.skipIf(!present)('cores agree with QEMU', () => {
  it(`on ${images * CASES} generated cases`, { timeout: images * 120_000 }, () => {
    const cores = KINDS.map((kind) => new OracleCore(kind));
    for (let seed = first; seed < first + images; seed++) {
      const image = makeImage(seed, CASES);
      const truth = runQemu(image.bytes);
      for (const core of cores) {
        const found = differences(image, truth, core.run(image.bytes));
        expect(found.length, `${core.bare.kind}, seed ${seed}: ${found[0]?.text}`).toBe(0);
      }
    }
    if (images > 1)
      console.log(`${images * CASES} cases, ${cores[0].ticks} instructions on each of ${KINDS.join(', ')}`);
  });
});
