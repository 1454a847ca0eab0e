/**
 * How soon a machine is there: `npm run build && node build/run.mjs bench/start.ts [ROUNDS]`. Commands of the built command line, from the guest's snapshot and
 * booted, in turn; then a sandbox: from nothing loaded to the first result, a command's round trip, a copy.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { Machine, type Sandbox } from '../src/host/node/index.ts';

const rounds = Number(process.argv[2] ?? 5);
const CLI = join(process.cwd(), 'dist/cli.mjs');
const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1]!;
const line = (what: string, values: readonly number[]): void => {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  process.stdout.write(
    `${what.padEnd(44)} median ${median(values).toFixed(1)} ms (${low.toFixed(1)}–${high.toFixed(1)})\n`,
  );
};

async function timed(act: () => unknown): Promise<number> {
  const start = performance.now();
  await act();
  return performance.now() - start;
}

const command = (...flags: string[]): void =>
  void spawnSync(process.execPath, [CLI, 'run', '-q', ...flags, '--exec', 'true'], { stdio: 'ignore' });
// The first run makes the snapshot.
command();
const warm: number[] = [];
const cold: number[] = [];
for (let i = 0; i < rounds; i++) {
  warm.push(await timed(() => command()));
  cold.push(await timed(() => command('--cold')));
}
line('hindsight run --exec true', warm);
line('hindsight run --cold --exec true', cold);

const start = performance.now();
await using box = await Machine.start();
await box.exec(['true']);
line('Machine.start to the first result', [performance.now() - start]);
const trips: number[] = [];
for (let i = 0; i < rounds * 20; i++) trips.push(await timed(() => box.exec(['true'])));
line("a command's round trip", trips);
const copies: number[] = [];
for (let i = 0; i < rounds; i++) copies.push(await timed(async () => (await box.fork()).close()));
line('fork, until its first answer', copies);

// What a process with a sandbox takes, and what copies that have run a command add to it.
const resident = (): number => process.memoryUsage.rss() / 2 ** 20;
const alone = resident();
const ten: Sandbox[] = [];
for (let i = 0; i < 10; i++) {
  const copy = await box.fork();
  await copy.exec(['true']);
  ten.push(copy);
}
process.stdout.write(
  `memory with one, and with ten copies${' '.repeat(10)}${alone.toFixed(0)} MB, ${resident().toFixed(0)} MB\n`,
);
for (const copy of ten) await copy.close();
const saves: number[] = [];
for (let i = 0; i < rounds; i++) saves.push(await timed(() => box.snapshot()));
line('snapshot() as bytes', saves);
