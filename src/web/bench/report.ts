import type { CoreKind } from '../../machine/engine/cores.ts';
import { PROGRAMS, type ProgramName } from './programs.ts';
import type { Measured } from './run-program.ts';

/** The cores in the order in which they are shown. */
export const CORES: readonly CoreKind[] = ['jit', 'wasm', 'ts'];

/** What was measured so far. */
export type BenchResults = ReadonlyMap<ProgramName, ReadonlyMap<CoreKind, Measured>>;

/** Where it was measured. */
export interface Conditions {
  readonly browser: string;
  readonly threads: number;
  /** ISO 8601. */
  readonly date: string;
}

/** Millions of instructions in a second. */
export const mips = ({ instructions, best }: Measured): number => instructions / Math.max(best, 0.001) / 1000;

/** Geometric mean of a core over the programs that all cores have run; undefined before there is one. */
export function geometricMean(results: BenchResults, core: CoreKind): number | undefined {
  const whole = [...results.values()].filter((row) => CORES.every((one) => row.has(one)));
  if (whole.length === 0) return undefined;
  return Math.exp(whole.reduce((sum, row) => sum + Math.log(mips(row.get(core)!)), 0) / whole.length);
}

/** Programs on which cores disagree about the value or the number of instructions: that would be a bug. */
export function disagreements(results: BenchResults): ProgramName[] {
  return [...results]
    .filter(
      ([, row]) => new Set([...row.values()].map(({ value, instructions }) => `${value} ${instructions}`)).size > 1,
    )
    .map(([name]) => name);
}

const HEAD = ['program', ...CORES.map((core) => `${core} MIPS`), 'jit / ts'];

/** As a table of text. */
export function textReport(results: BenchResults, { browser, threads, date }: Conditions): string {
  const line = (name: string, value: (core: CoreKind) => number | undefined): string[] => {
    const values = CORES.map(value);
    const [jit, , ts] = values;
    const ratio = jit !== undefined && ts !== undefined ? `${(jit / ts).toFixed(1)} ×` : '';
    return [name, ...values.map((one) => (one === undefined ? '' : one.toFixed(one < 100 ? 1 : 0))), ratio];
  };
  const rows = [
    HEAD,
    ...PROGRAMS.map(({ name }) =>
      line(name, (core) => {
        const measured = results.get(name)?.get(core);
        return measured && mips(measured);
      }),
    ),
    line('geometric mean', (core) => geometricMean(results, core)),
  ];
  const widths = HEAD.map((_, i) => Math.max(...rows.map((row) => row[i].length)));
  const text = rows.map((row) =>
    row
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])))
      .join('  ')
      .trimEnd(),
  );
  return `Hindsight, ${date}\n${browser}, ${threads} threads\n\n${text.join('\n')}\n`;
}

/** As JSON. */
export function jsonReport(results: BenchResults, conditions: Conditions): string {
  const programs = [...results].map(([name, row]) => {
    const [first] = row.values();
    return {
      name,
      value: `0x${first.value.toString(16)}`,
      instructions: first.instructions,
      cores: Object.fromEntries(
        [...row].map(([core, measured]) => [
          core,
          { mips: mips(measured), milliseconds: measured.best, runs: measured.runs },
        ]),
      ),
    };
  });
  const means = Object.fromEntries(CORES.map((core) => [core, geometricMean(results, core) ?? null]));
  return `${JSON.stringify({ ...conditions, programs, geometricMeanMips: means }, undefined, 2)}\n`;
}
