import type { CoreKind } from '../src/machine/engine/cores.ts';
import { median, print } from './figures.ts';
import { type Keeping, type Run, runHindsight } from './hindsight.ts';
import type { Workload } from './workload.ts';

const KINDS: readonly Keeping[] = ['nothing', 'log', 'past'];

/** The programs with nothing kept, the log alone, and the past in memory besides, in turn: CPU time, so that other work on the machine counts little. */
export async function recordingCost(workload: Workload, core: CoreKind, rounds: number): Promise<void> {
  const runs: Record<Keeping, Run[]> = { nothing: [], log: [], past: [] };
  for (let round = 0; round < rounds; round++) {
    // each kind comes first, second and last in turn
    for (let i = 0; i < KINDS.length; i++) {
      const keeping = KINDS[(round + i) % KINDS.length];
      runs[keeping].push(await runHindsight(workload, core, { clock: 'cpu', keeping }));
    }
  }
  const percent = (ratio: number): string => `${((ratio - 1) * 100).toFixed(1)} %`;
  const named = { log: 'the log', past: 'the log, and the past in memory' };
  for (const keeping of ['log', 'past'] as const) {
    const ratios = new Map<string, number[]>();
    runs[keeping].forEach(({ marks }, round) => {
      for (const { name, milliseconds } of marks.results) {
        const plain = runs.nothing[round].marks.results.find((r) => r.name === name)?.milliseconds ?? Number.NaN;
        ratios.set(name, [...(ratios.get(name) ?? []), milliseconds / plain]);
      }
    });
    const each = [...ratios].map(([name, list]) => [name, median(list)] as const);
    const whole = runs[keeping].map((run, round) => run.milliseconds / runs.nothing[round].milliseconds);
    print(
      `${named[keeping]} against nothing, CPU, median of ${each.length} programs`,
      percent(median(each.map(([, r]) => r))),
    );
    print('… boot and all programs together', percent(median(whole)));
    print('… each', each.map(([name, ratio]) => `${name} ${percent(ratio)}`).join(', '));
  }
  const { bytes, instructions } = runs.log[runs.log.length - 1];
  print(
    'recording of boot and programs',
    `${bytes} bytes, ${((bytes / instructions) * 1000).toFixed(5)} B per 1000 instructions`,
  );
}
