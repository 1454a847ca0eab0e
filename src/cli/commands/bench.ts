import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { CliError, EXIT } from '../exit.ts';

/** Runs the benchmarks, which are part of a clone and not of the installed package. */
export async function bench(args: readonly string[]): Promise<number> {
  const root = fileURLToPath(new URL('..', import.meta.url));
  const [runner, script] = [`${root}build/run.mjs`, `${root}bench/main.ts`];
  if (!existsSync(script))
    throw new CliError(
      'the benchmarks come with the source, not with the installed package: run npm run bench in a clone',
    );
  return spawnSync(process.execPath, [runner, script, ...args], { stdio: 'inherit', cwd: root }).status ?? EXIT.FAILURE;
}
