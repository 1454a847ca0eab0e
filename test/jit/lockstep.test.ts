import { describe, expect, it } from 'vitest';
import { lockstep } from './lockstep.ts';

describe('translated code and interpreter in lockstep', () => {
  it.each([
    ['everywhere', [1, 2, 3, 7, 50, 1000], 6000, 0],
    ['rarely', [20000], 100000, 0],
    ['with warm-up', [997], 60000, 3],
  ] as const)('stopping %s', (_, stops, ticks, threshold) => {
    let translated = 0;
    for (let seed = 1; seed <= 12; seed++) translated += lockstep(seed, stops, ticks, threshold).ticks;
    expect(translated).toBeGreaterThan(ticks);
  });
});
