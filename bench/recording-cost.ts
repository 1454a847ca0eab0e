import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openRecordFile } from '../src/host/node/record-file.ts';
import { createHostRoom } from '../src/host/room.ts';
import type { CoreKind } from '../src/machine/engine/cores.ts';
import { Machine } from '../src/machine/session/machine.ts';
import { LivePast } from '../src/timeline/live.ts';
import { cpuTime, median, print } from './figures.ts';
import { Marks } from './marks.ts';

/** One run of the guest programs. */
interface Run {
  readonly marks: Marks;
  /** Milliseconds of CPU, all threads. */
  readonly cpu: number;
  readonly bytes: number;
  readonly instructions: number;
}

/** Boots and runs the programs, with everything that `hindsight run --record` keeps or with nothing. */
async function run(
  files: { kernel: string; initrd: string },
  append: string,
  core: CoreKind,
  file: string | undefined,
): Promise<Run> {
  const room = createHostRoom();
  const named = (path: string): { file: string; bytes: Uint8Array } => ({ file: path, bytes: readFileSync(path) });
  const vm = await Machine.create(
    {
      kernel: named(files.kernel),
      initrd: named(files.initrd),
      append,
      core,
      hashEvery: file === undefined ? 0 : undefined,
      ...(file !== undefined && { record: openRecordFile(file) }),
    },
    room,
  );
  const start = cpuTime();
  if (file !== undefined) new LivePast(vm, room);
  const marks = new Marks(cpuTime, () => vm.instant.instructions);
  const text = new TextDecoder('latin1');
  vm.on('console', (bytes) => marks.add(text.decode(bytes)));
  await vm.run();
  const cpu = cpuTime() - start;
  await vm.close();
  return { marks, cpu, bytes: file === undefined ? 0 : statSync(file).size, instructions: vm.instant.instructions };
}

/** The programs with and without recording, in turn: CPU time, so that other work on the machine counts little. */
export async function recordingCost(
  files: { kernel: string; initrd: string },
  append: string,
  core: CoreKind,
  rounds: number,
): Promise<void> {
  const work = mkdtempSync(join(tmpdir(), 'hindsight-bench-'));
  const ratios = new Map<string, number[]>();
  const whole: number[] = [];
  let bytes = 0;
  let instructions = 0;
  try {
    for (let round = 0; round < rounds; round++) {
      const order = round % 2 === 0 ? [undefined, join(work, 'on.hsr')] : [join(work, 'on.hsr'), undefined];
      const runs: Run[] = [];
      for (const file of order) runs.push(await run(files, append, core, file));
      const [off, on] = round % 2 === 0 ? runs : runs.reverse();
      whole.push(on.cpu / off.cpu);
      for (const { name, milliseconds } of on.marks.results) {
        const plain = off.marks.results.find((r) => r.name === name)?.milliseconds;
        ratios.set(name, [...(ratios.get(name) ?? []), milliseconds / (plain ?? Number.NaN)]);
      }
      ({ bytes, instructions } = on);
    }
  } finally {
    rmSync(work, { recursive: true, force: true });
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
