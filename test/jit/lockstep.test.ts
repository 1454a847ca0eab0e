import { describe, expect, it } from 'vitest';
import { lockstep } from './lockstep.ts';

describe('translated code and interpreter in lockstep', () => {
  it.each([
    ['everywhere', { stops: [1, 2, 3, 7, 50, 1000], ticks: 6000, threshold: 0 }],
    ['rarely', { stops: [20000], ticks: 100000, threshold: 0 }],
    ['with warm-up', { stops: [997], ticks: 60000, threshold: 3 }],
    ['everywhere, with page tables', { stops: [1, 2, 3, 7, 50, 1000], ticks: 6000, threshold: 0, paged: true }],
    ['rarely, with page tables', { stops: [20000], ticks: 60000, threshold: 0, paged: true }],
    ['everywhere, in user mode', { stops: [31, 50, 400], ticks: 20000, threshold: 0, user: true }],
    ['everywhere, compiled elsewhere', { stops: [1, 7, 50, 400], ticks: 20000, threshold: 0, elsewhere: true }],
    [
      'everywhere, with page tables, compiled elsewhere',
      { stops: [1, 7, 50, 400], ticks: 20000, threshold: 0, paged: true, elsewhere: true },
    ],
    ['rarely, remembering', { stops: [1, 7, 400, 60000], ticks: 3_000_000, threshold: 2000, remembered: true }],
    [
      'rarely, remembering, with page tables, compiled elsewhere',
      { stops: [1, 7, 400, 60000], ticks: 3_000_000, threshold: 2000, paged: true, elsewhere: true, remembered: true },
    ],
  ] as const)('stopping %s', (_, mode) => {
    let translated = 0;
    let recalled = 0;
    for (let seed = 1; seed <= 10; seed++) {
      const done = lockstep(seed, mode);
      translated += done.ticks;
      recalled += done.recalled;
    }
    expect(translated).toBeGreaterThan(mode.ticks);
    expect(recalled > 0).toBe('remembered' in mode);
  });
});
