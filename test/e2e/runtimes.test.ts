import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { commandLine } from '../../src/guest/cmdline.ts';
import { describeGuest, theGuest } from './guest.ts';
import { findRuntime, RUNTIMES, type RuntimeName } from './runtimes.ts';

const STEP = 5_000_000;
const END = 30_000_000;
/** The TypeScript core is followed for less: it is the one that leans on the runtime's own arithmetic. */
const TS_END = 10_000_000;

interface Told {
  readonly hashes: readonly string[];
  readonly seconds: number;
  readonly instructions: number;
}

const run = promisify(execFile);
const scratch = mkdtempSync(join(tmpdir(), 'hindsight-runtimes-'));
const script = join(scratch, 'main.mjs');

async function boot(command: readonly string[], core: string, end: number): Promise<Told> {
  const { found } = await theGuest();
  const [program, ...before] = command;
  const { stdout } = await run(
    program,
    [
      ...before,
      script,
      found!.kernel,
      found!.initrd,
      commandLine({ exec: 'true', stdin: 'none' }),
      core,
      `${STEP}`,
      `${end}`,
    ],
    { timeout: 240_000 },
  );
  return JSON.parse(stdout) as Told;
}

describeGuest('the first 30 million instructions of a boot', () => {
  let here: Told | undefined;

  beforeAll(async () => {
    const entryPoints = [new URL('runtime-main.ts', import.meta.url).pathname];
    await build({
      entryPoints,
      outfile: script,
      bundle: true,
      platform: 'node',
      format: 'esm',
      target: 'node20',
      logLevel: 'error',
    });
  });
  afterAll(() => rmSync(scratch, { recursive: true, force: true }));

  it('are the same on each core in this Node', async () => {
    here = await boot([process.execPath], 'jit', END);
    expect(here.instructions).toBe(END);
    expect(here.hashes.length).toBe(END / STEP);
    expect((await boot([process.execPath], 'ts', TS_END)).hashes).toEqual(here.hashes.slice(0, TS_END / STEP));
  });

  for (const name of Object.keys(RUNTIMES) as RuntimeName[]) {
    it(`are the same in the newest ${name}`, async (context) => {
      const { command, reason, version } = await findRuntime(name);
      if (command === undefined) return context.skip(reason);
      for (const [core, end] of [
        ['jit', END],
        ['wasm', END],
        ['ts', TS_END],
      ] as const) {
        expect((await boot(command, core, end)).hashes, `${name} ${version}, ${core}`).toEqual(
          here!.hashes.slice(0, end / STEP),
        );
      }
    });
  }
});
