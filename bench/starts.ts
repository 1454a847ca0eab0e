import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Machine, type Sandbox } from '../src/host/node/index.ts';
import { NamedMachine } from '../src/host/node/machines.ts';
import { median, print } from './figures.ts';

const HINDSIGHT = join(process.cwd(), 'build/hindsight.mjs');
/** Copies of one machine whose memory is looked at. */
const COPIES = 10;

const show = (what: string, values: readonly number[], aim?: number): void =>
  print(
    what,
    `p50 ${median(values).toFixed(1)} ms (${Math.min(...values).toFixed(1)}–${Math.max(...values).toFixed(1)})${aim === undefined ? '' : `, aim ${aim}`}`,
  );

async function timed(act: () => unknown): Promise<number> {
  const start = performance.now();
  await act();
  return performance.now() - start;
}

/** So many times, one after the other. @returns milliseconds */
async function times(rounds: number, act: () => unknown): Promise<number[]> {
  const values: number[] = [];
  for (let i = 0; i < rounds; i++) values.push(await timed(act));
  return values;
}

const command = (...flags: string[]): void =>
  void spawnSync(process.execPath, [HINDSIGHT, 'run', '-q', ...flags, '--exec', 'true'], { stdio: 'ignore' });

/** `npm start` on a terminal (script(1)), until the guest's prompt is there. */
function toPrompt(): Promise<void> {
  const child = spawn('script', ['-qfec', 'npm start', '/dev/null'], {
    stdio: ['pipe', 'pipe', 'inherit'],
    detached: true,
  });
  let text = '';
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`npm start shows no prompt: ${text}`)), 60_000);
    child.once('error', reject);
    child.once('close', () => reject(new Error(`npm start ended: ${text}`)));
    child.stdout.on('data', (bytes: Buffer) => {
      text += bytes.toString('latin1');
      if (!/:~# /.test(text)) return;
      child.removeAllListeners('close').once('close', () => undefined);
      clearTimeout(late);
      process.kill(-child.pid!, 'SIGKILL');
      resolve();
    });
  });
}

/** A process that has nothing loaded. @returns milliseconds from its start to its first result */
function library(): number {
  const module = pathToFileURL(join(process.cwd(), 'dist/node.mjs')).href;
  const program = `import { Machine } from '${module}'; const box = await Machine.start(); await box.exec(['true']);
process.stdout.write(String(performance.now())); await box.close(); process.exit(0)`;
  return Number(execFileSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' }));
}

/** What suspending takes, of a machine that was suspended before and has run on. */
async function suspending(box: Sandbox, rounds: number): Promise<number[]> {
  const folder = mkdtempSync(join(tmpdir(), 'hindsight-bench-'));
  process.env.XDG_DATA_HOME = folder;
  const copy = await box.fork();
  try {
    await copy.machine.pause();
    const { engine, hardware } = copy.machine.internals;
    const named = await NamedMachine.open('bench');
    const values: number[] = [];
    try {
      await named.make({});
      for (let i = 0; i <= rounds; i++) {
        await copy.machine.run({ guestTime: copy.machine.guestTime + 0.2 });
        const taken = await timed(() => named.suspend(engine, hardware.backends, copy.machine.guestTime));
        if (i > 0) values.push(taken);
      }
    } finally {
      named.release();
    }
    return values;
  } finally {
    await copy.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** `npm run bench -- --starts`: how soon a machine is there, on the command line and for programs; a copy, a suspension, memory. */
export async function starts(rounds: number): Promise<void> {
  // The first make the snapshots, and what is kept of them.
  command();
  command();
  show('run --exec true', await times(rounds, command), 300);
  show('run --cold --exec true', await times(Math.ceil(rounds / 3), () => command('--cold')));
  if (spawnSync('script', ['--version']).status === 0) {
    await toPrompt();
    show('npm start to the prompt', await times(rounds, toPrompt), 600);
  }
  library();
  show('Machine.start() to the first result, nothing loaded', Array.from({ length: rounds }, library), 250);
  await using box = await Machine.start();
  await box.exec(['true']);
  show('exec, a round trip', await times(rounds * 20, () => box.exec(['true'])), 5);
  show('fork() until its first answer', await times(rounds, async () => (await box.fork()).close()), 50);
  show('suspend, after the last one', await suspending(box, rounds), 300);
  show('snapshot() as bytes', await times(rounds, () => box.snapshot()));
  const resident = (): number => process.memoryUsage.rss() / 2 ** 20;
  const alone = resident();
  const copies: Sandbox[] = [];
  for (let i = 0; i < COPIES; i++) {
    const copy = await box.fork();
    await copy.exec(['true']);
    copies.push(copy);
  }
  print(
    `memory of the process with one, with ${COPIES} copies that ran a command each`,
    `${alone.toFixed(0)} MB, ${resident().toFixed(0)} MB`,
  );
  for (const copy of copies) await copy.close();
}
