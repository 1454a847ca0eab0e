import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Named *.long.test.ts is what takes many minutes.
    exclude: process.env.HINDSIGHT_LONG === '1' ? [] : ['test/**/*.long.test.ts'],
    globalSetup: ['test/setup.ts'],
    // Each file in a process of its own, two at a time: boots are long, and a third would only slow the two down on two cores.
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 240_000,
    hookTimeout: 300_000,
  },
});
