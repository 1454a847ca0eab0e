/** Two cores given the same random world stay the same, instruction by instruction and over stretches. */
import { describe, expect, it } from 'vitest';
import { Bare, type CoreKind } from './bare.ts';
import { RAM_SIZE } from './chaos.ts';
import { type Coverage, type Lockstep, lockstep, newCoverage } from './lockstep.ts';

/** The long form: CORE_LOCKSTEP times as many worlds, from seed CORE_LOCKSTEP_SEED on. */
const factor = Number(process.env['CORE_LOCKSTEP'] ?? 1);
const first = Number(process.env['CORE_LOCKSTEP_SEED'] ?? 1);

/** How worlds are run; see {@link Lockstep}. */
const WAYS: Record<string, Omit<Lockstep, 'seed' | 'ticks'>> = {
  'at every instruction': { stretch: 1, meddle: true },
  'over stretches, derived state dropped at random': { stretch: 200, meddle: true, drop: true },
  'with debug points': { stretch: 30, debug: true, meddle: true, drop: true },
  'one instruction at a time against many': { stretch: 40, split: true },
};
const PAIRS: readonly (readonly [CoreKind, CoreKind])[] = [['wasm', 'ts'], ['wasm', 'wasm'], ['jit', 'ts'], ['jit', 'jit']];
const WORLDS = 4, TICKS = 15_000;

function run(pair: readonly [CoreKind, CoreKind], way: keyof typeof WAYS): Coverage {
  const machines = [new Bare(pair[0], RAM_SIZE), new Bare(pair[1], RAM_SIZE)] as const;
  const coverage = newCoverage();
  for (let seed = first; seed < first + WORLDS * factor; seed++) lockstep(machines, { seed, ticks: TICKS, ...WAYS[way] }, coverage);
  return coverage;
}

describe.each(PAIRS)('%s and %s agree', (a, b) => {
  it.each(Object.keys(WAYS))('%s', { timeout: 120_000 * factor }, (way) => {
    const coverage = run([a, b], way);
    expect(coverage.ticks).toBeGreaterThanOrEqual(WORLDS * TICKS);
    // worlds in which nothing goes wrong would prove little
    expect([...coverage.traps.keys()]).toEqual(expect.arrayContaining([1, 2, 3, 4, 5, 6, 7]));
    if (factor > 1) console.log(`${a}/${b} ${way}: ${coverage.ticks} instructions`);
  });
});
