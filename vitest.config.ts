import { defineConfig } from 'vitest/config';

// Tests that drive a browser, the command line or the host's network depend on how busy the computer is. One of them that fails gets a second attempt, which
// build/second-attempts.mjs names in the output. A test of the machine gets none: what differs from one run to the next is a defect there.
const DRIVEN = ['test/web/**/*.test.ts', 'test/browser/**/*.test.ts', 'test/cli/**/*.test.ts', 'test/e2e/net*.test.ts'];
// Named *.long.test.ts is what takes many minutes.
const LONG = process.env.HINDSIGHT_LONG === '1' ? [] : ['test/**/*.long.test.ts'];

export default defineConfig({
  test: {
    // Each file in a process of its own, two at a time: boots are long, and a third would only slow the two down on two cores.
    pool: 'forks',
    maxWorkers: 2,
    globalSetup: ['test/setup.ts'],
    testTimeout: 240_000,
    hookTimeout: 300_000,
    projects: [
      { extends: true, test: { name: 'driven', include: DRIVEN, exclude: LONG, retry: 1 } },
      { extends: true, test: { name: 'machine', include: ['test/**/*.test.ts'], exclude: [...LONG, ...DRIVEN] } },
    ],
  },
});
