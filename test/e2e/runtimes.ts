import { execFile } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cacheDirectory } from '../../src/host/node/guest/index.ts';

const run = promisify(execFile);

/** A JavaScript runtime that can be started, or why not. */
export interface Runtime {
  readonly version?: string;
  /** Program and the arguments before the script's name. */
  readonly command?: readonly string[];
  readonly reason?: string;
}

/** npm packages that carry a runtime's program, and how a script is started with it. */
export const RUNTIMES = {
  node: [],
  bun: ['run'],
  deno: ['run', '--allow-read', '--no-lock'],
} as const satisfies { readonly [name: string]: readonly string[] };
export type RuntimeName = keyof typeof RUNTIMES;

/** Where npm puts them: besides the guests, outside of the clone. */
const folder = (name: RuntimeName): string => join(cacheDirectory(), 'test-runtimes', name);

async function tryVersion(program: string): Promise<string | undefined> {
  try {
    return (await run(program, ['--version'], { timeout: 60_000 })).stdout.trim().split('\n')[0];
  } catch {
    return undefined;
  }
}

/** Finds a runtime among those installed before, or installs its newest version from the npm registry. */
export async function findRuntime(name: RuntimeName): Promise<Runtime> {
  const directory = folder(name);
  const program = join(directory, 'node_modules/.bin', name);
  const command = [program, ...RUNTIMES[name]];
  const there = await tryVersion(program);
  if (there !== undefined) return { version: there, command };
  mkdirSync(directory, { recursive: true });
  const args = ['install', '--no-save', '--no-audit', '--no-fund', '--prefix', directory, `${name}@latest`];
  try {
    await run('npm', args, { timeout: 180_000 });
  } catch (error) {
    return { reason: `npm could not install ${name}: ${(error as Error).message.split('\n').slice(0, 3).join(' ')}` };
  }
  const version = await tryVersion(program);
  return version === undefined
    ? { reason: `the npm package ${name} brought no program that starts on this system` }
    : { version, command };
}
