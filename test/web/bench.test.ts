import { execFileSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { compilePrograms, sourcesHash } from '../../build/page-programs.ts';
import { fromBase64 } from '../../src/bytes/base64.ts';
import { PROGRAMS_BASE64, PROGRAMS_SOURCE } from '../../src/web/bench/programs/binary.ts';
import { PROGRAMS } from '../../src/web/bench/programs.ts';
import { CORES, disagreements, geometricMean, jsonReport, textReport } from '../../src/web/bench/report.ts';
import { type Measured, runProgram } from '../../src/web/bench/run-program.ts';
import { describePage, launch, openPage, Site } from './open-page.ts';

const compiler = ((): string => {
  try {
    return execFileSync('riscv64-linux-gnu-gcc', ['-dumpfullversion'], { encoding: 'utf8', stdio: 'pipe' }).trim();
  } catch {
    return '';
  }
})();

describe("the bench's programs", () => {
  test('are compiled from their sources as they are', () => {
    expect(sourcesHash(), 'run: node build/run.mjs build/write-page-programs.ts').toBe(PROGRAMS_SOURCE);
  });

  // Another compiler gives other code that does the same.
  test.skipIf(!compiler.startsWith('12.'))('are what their sources compile to', () => {
    expect(Buffer.from(compilePrograms()).toString('base64')).toBe(PROGRAMS_BASE64);
    expect(fromBase64(PROGRAMS_BASE64)?.length).toBeGreaterThan(1000);
  });

  test.each(PROGRAMS)('$name gives one value in one number of instructions on all cores', ({ name }) => {
    const [first, ...others] = CORES.map((core) => runProgram(core, name, () => 0, -1));
    expect(first.instructions).toBeGreaterThan(1_000_000);
    for (const { value, instructions, runs } of others)
      expect({ value, instructions, runs }).toEqual({ value: first.value, instructions: first.instructions, runs: 1 });
  });

  test('a run after a run gives the same', () => {
    let calls = 0;
    const twice = runProgram('jit', 'hash', () => calls++, 4);
    const once = runProgram('jit', 'hash', () => 0, -1);
    expect(twice.runs).toBeGreaterThan(1);
    expect([twice.value, twice.instructions]).toEqual([once.value, once.instructions]);
  });
});

describe("the bench's report", () => {
  const measured = (best: number, value = 1n): Measured => ({ value, instructions: 1_000_000, best, runs: 1 });
  const conditions = { browser: 'a browser', threads: 2, date: '2026-01-01T00:00:00.000Z' };
  const row = new Map([
    ['jit', measured(1)],
    ['wasm', measured(10)],
    ['ts', measured(100)],
  ] as const);

  test('has means and ratios, as text and as JSON', () => {
    const results = new Map([['sieve', row]] as const);
    expect(CORES.map((core) => geometricMean(results, core))).toEqual(
      [1000, 100, 10].map((mips) => expect.closeTo(mips) as number),
    );
    expect(textReport(results, conditions)).toMatch(/^sieve +1000 +100 +10\.0 +100\.0 ×$/m);
    expect(JSON.parse(jsonReport(results, conditions))).toMatchObject({
      browser: 'a browser',
      programs: [{ name: 'sieve', value: '0x1', instructions: 1_000_000, cores: { jit: { mips: 1000 } } }],
    });
  });

  test('says where cores disagree', () => {
    const wrong = new Map(row).set('ts', measured(100, 2n));
    expect(disagreements(new Map([['sieve', row] as const]))).toEqual([]);
    expect(disagreements(new Map([['sieve', wrong] as const]))).toEqual(['sieve']);
  });
});

describePage('the bench page', { timeout: 200_000 }, () => {
  test('runs all programs in the browser, and its result can be copied', async () => {
    const site = await Site.start();
    const browser = await launch();
    try {
      const context = await browser.newContext({ permissions: ['clipboard-read', 'clipboard-write'] });
      const { page, errors } = await openPage(context, site.address);
      await page.getByRole('link', { name: 'Bench' }).click();
      await page.waitForURL(/bench\.html$/);
      await page.goto(`${page.url()}#quick`);
      await page.reload();
      await page
        .getByText('All cores computed the same values in the same number of instructions.')
        .waitFor({ timeout: 120_000 });
      expect(await page.locator('.bench-bar').count()).toBe(3 * (PROGRAMS.length + 1));
      await page.getByRole('button', { name: 'Copy as JSON' }).click();
      await page.getByText('The JSON is in the clipboard.').waitFor();
      const report = JSON.parse(await page.evaluate(() => navigator.clipboard.readText()));
      const here = runProgram('jit', 'sieve', () => 0, -1);
      expect(report.programs).toHaveLength(PROGRAMS.length);
      expect(report.programs[0]).toMatchObject({
        name: 'sieve',
        instructions: here.instructions,
        value: `0x${here.value.toString(16)}`,
      });
      expect(report.geometricMeanMips.jit).toBeGreaterThan(report.geometricMeanMips.ts);
      await page.getByRole('button', { name: 'Copy as text' }).click();
      await page.getByText('The table is in the clipboard.').waitFor();
      expect(await page.evaluate(() => navigator.clipboard.readText())).toMatch(/^geometric mean +\d/m);
      expect(errors).toEqual([]);
    } finally {
      await browser.close();
      site.close();
    }
  });
});
