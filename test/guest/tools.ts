/** Programs of the machine that tests compare against, where they are installed. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';

const env = { ...process.env, LC_ALL: 'C', PATH: `${process.env.PATH}:/usr/sbin:/sbin` };

/** Whether a program can be run at all. */
export const has = (program: string): boolean => spawnSync('sh', ['-c', `command -v ${program}`], { env }).status === 0;

/** Runs a program; both outputs in one text. */
export function tool(
  program: string,
  args: readonly string[],
  input?: Uint8Array,
  cwd?: string,
): { status: number | null; output: string; stdout: Buffer } {
  const done = spawnSync(program, args, {
    env,
    maxBuffer: 1 << 28,
    ...(input === undefined ? {} : { input }),
    ...(cwd === undefined ? {} : { cwd }),
  });
  if (done.error !== undefined) throw done.error;
  return { status: done.status, stdout: done.stdout, output: done.stdout.toString() + done.stderr.toString() };
}

/** A directory that goes away after the file's tests. */
export function scratch(): string {
  const directory = mkdtempSync(join(tmpdir(), 'hindsight-guest-test-'));
  afterAll(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}
