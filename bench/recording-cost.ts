import type { CoreKind } from '../src/machine/engine/cores.ts';
import { median, print } from './figures.ts';
import { type Run, runHindsight } from './hindsight.ts';
import type { Workload } from './workload.ts';

/** The programs with and without recording, in turn: CPU time, so that other work on the machine counts little. */
export async function recordingCost(workload: Workload, core: CoreKind, rounds: number): Promise<void> {
  const ratios = new Map<string, number[]>();
  const whole: number[] = [];
  let bytes = 0;
  let instructions = 0;
  for (let round = 0; round < rounds; round++) {
    const order = round % 2 === 0 ? [false, true] : [true, false];
    const runs: Run[] = [];
    for (const recording of order) runs.push(await runHindsight(workload, core, 'cpu', recording));
    const [off, on] = round % 2 === 0 ? runs : runs.reverse();
    whole.push(on.milliseconds / off.milliseconds);
    for (const { name, milliseconds } of on.marks.results) {
      const plain = off.marks.results.find((r) => r.name === name)?.milliseconds;
      ratios.set(name, [...(ratios.get(name) ?? []), milliseconds / (plain ?? Number.NaN)]);
    }
    ({ bytes, instructions } = on);
  }
  const percent = (ratio: number): string => `${((ratio - 1) * 100).toFixed(1)} %`;
  const each = [...ratios].map(([name, list]) => [name, median(list)] as const);
  print(
    `recording against none, CPU, median over ${each.length} programs`,
    percent(median(each.map(([, ratio]) => ratio))),
  );
  print('… boot and all programs together', percent(median(whole)));
  print('… each', each.map(([name, ratio]) => `${name} ${percent(ratio)}`).join(', '));
  print(
    'recording of boot and programs',
    `${bytes} bytes, ${((bytes / instructions) * 1000).toFixed(5)} B per 1000 instructions`,
  );
}
