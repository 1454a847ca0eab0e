/** Two cores given the same random world stay the same, instruction by instruction and over stretches. */
import { describe, expect, it } from 'vitest';
import { Bare, type CoreKind } from './bare.ts';
import { RAM_SIZE } from './chaos.ts';
import { type Coverage, type Lockstep, lockstep, newCoverage } from './lockstep.ts';

/** The long form: CORE_LOCKSTEP times as many worlds, from seed CORE_LOCKSTEP_SEED on. */
const factor = Number(process.env.CORE_LOCKSTEP ?? 1);
const first = Number(process.env.CORE_LOCKSTEP_SEED ?? 1);

/** How worlds are run, see {@link Lockstep}, and for how many instructions each. */
const WAYS: Record<string, Omit<Lockstep, 'seed'>> = {
  'at every instruction': { ticks: 15_000, stretch: 1, meddle: true },
  'over stretches, derived state dropped at random': { ticks: 15_000, stretch: 200, meddle: true, drop: true },
  'with debug points': { ticks: 15_000, stretch: 30, debug: true, meddle: true, drop: true },
  'one instruction at a time against many': { ticks: 15_000, stretch: 40, split: true },
  'in hot loops, over long stretches': { ticks: 400_000, stretch: 5000, loops: true, drop: true },
  'in hot loops, one instruction at a time against many': { ticks: 60_000, stretch: 700, loops: true, split: true },
};
const PAIRS: readonly (readonly [CoreKind, CoreKind])[] = [
  ['wasm', 'ts'],
  ['wasm', 'wasm'],
  ['jit', 'ts'],
  ['jit', 'jit'],
];
const WORLDS = 6;

function run(pair: readonly [CoreKind, CoreKind], way: Omit<Lockstep, 'seed'>): Coverage {
  const machines = [new Bare(pair[0], RAM_SIZE), new Bare(pair[1], RAM_SIZE)] as const;
  const coverage = newCoverage();
  for (let seed = first; seed < first + WORLDS * factor; seed++) lockstep(machines, { seed, ...way }, coverage);
  return coverage;
}

describe.each(PAIRS)('%s and %s agree', (a, b) => {
  it.each(Object.keys(WAYS))('%s', { timeout: 120_000 * factor }, (name) => {
    const way = WAYS[name]!;
    const coverage = run([a, b], way);
    expect(coverage.ticks).toBeGreaterThanOrEqual(WORLDS * way.ticks);
    // worlds in which nothing goes wrong would prove little
    if (!way.loops) expect([...coverage.traps.keys()]).toEqual(expect.arrayContaining([1, 2, 3, 4, 5, 6, 7]));
    else expect(coverage.trapped).toBeLessThan(coverage.ticks / 4);
    if (factor > 1) console.log(`${a}/${b} ${name}: ${coverage.ticks} instructions, ${coverage.trapped} trapped`);
  });
});
