import { readFileSync } from 'node:fs';
import { createHostRoom } from '../src/host/room.ts';
import type { CoreKind } from '../src/machine/cores.ts';
import { Machine } from '../src/machine/machine.ts';
import { DEFAULT_COMMAND_LINE } from '../src/guest/cmdline.ts';
import { openTimeline } from '../src/timeline/open.ts';
import { runHindsight } from './hindsight.ts';

const quantile = (values: readonly number[], q: number): number => [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * q))];

/** Collects what a recording's file would hold. */
class MemorySink {
  private readonly parts: Uint8Array[] = [];
  write(bytes: Uint8Array): void {
    this.parts.push(bytes.slice());
  }
  flush(): void {}
  close(): void {}
  bytes(): Uint8Array {
    return new Uint8Array(Buffer.concat(this.parts));
  }
}

/** Measures recording, replay and travel over a boot of `instructions`: prints a line a figure. */
export async function time(files: { kernel: string; initrd: string }, core: CoreKind, instructions = 330_000_000): Promise<void> {
  const room = createHostRoom();
  const print = (what: string, value: string): void => void process.stdout.write(`${what.padEnd(56)} ${value}\n`);
  const named = (file: string): { file: string; bytes: Uint8Array } => ({ file, bytes: readFileSync(file) });
  const images = { kernel: named(files.kernel), initrd: named(files.initrd) };
  const sink = new MemorySink();
  const vm = await Machine.create({ ...images, append: DEFAULT_COMMAND_LINE, memory: '256M', core, record: sink }, room);
  let start = performance.now();
  await vm.run({ instructions });
  const live = performance.now() - start;
  await vm.close();
  const recording = sink.bytes();
  print('recording of a boot', `${recording.length} bytes for ${(instructions / 1e6).toFixed(0)} M instructions`);

  const { timeline } = await openTimeline(recording, images, room, { core });
  start = performance.now();
  await timeline.seek('100%');
  print('replay with checkpoints against the recorded run', `${(live / (performance.now() - start)).toFixed(2)} ×`);
  let seed = 20261121;
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return Math.floor((seed / 2 ** 32) * below);
  };
  const seeks: number[] = [], first: number[] = [], next: number[] = [];
  for (let i = 0; i < 40; i++) {
    start = performance.now();
    await timeline.seek({ instructions: random(timeline.end.instructions), sequence: 0 });
    seeks.push(performance.now() - start);
    for (let k = 0; k < 5; k++) {
      start = performance.now();
      await timeline.reverseStep();
      (k === 0 ? first : next).push(performance.now() - start);
    }
  }
  for (const [what, values] of [['seek to anywhere', seeks], ['reverse-step, the first after a seek', first], ['reverse-step, the following', next]] as const) {
    print(`${what} (${values.length})`, `p50 ${quantile(values, 0.5).toFixed(1)} ms, p99 ${quantile(values, 0.99).toFixed(1)} ms`);
  }
}

/** Times the programs with and without a recorder, in turn. */
export async function recordingCost(files: { kernel: string; initrd: string }, append: string, core: CoreKind, rounds: number): Promise<void> {
  const ratios: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const plain = await runHindsight(files, append, core);
    const kept: unknown[] = [];
    const recorded = await runHindsight(files, append, core, '256M', (event) => void kept.push(event));
    for (const r of recorded.results) ratios.push(r.milliseconds / (plain.results.find((p) => p.name === r.name)?.milliseconds ?? Number.NaN));
  }
  process.stdout.write(`recording against none, median over programs and rounds   ${((quantile(ratios, 0.5) - 1) * 100).toFixed(1)} %\n`);
}
