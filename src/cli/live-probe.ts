import { readFile } from 'node:fs/promises';
import type { ControlProbe } from '../host/node/control.ts';
import type { Machine } from '../machine/session/machine.ts';
import { LiveProbes } from '../probe/live.ts';
import { MapLimitError } from '../probe/maps.ts';
import { jsonOutput, textOutput } from '../probe/output.ts';
import { ScriptError } from '../probe/script-error.ts';
import { CliError, UsageError } from './exit.ts';

/** A script that runs beside a machine's session. */
export interface SessionProbe {
  /** Ends it with what it prints at the end; says on standard error what went wrong. @returns whether all went well */
  finish(): Promise<boolean>;
}

/** What is wrong with a script or its run, for people; undefined for errors of another kind. */
export const scriptFailure = (error: unknown): CliError | undefined => {
  if (error instanceof ScriptError) return new UsageError(error.message);
  return error instanceof MapLimitError || error instanceof RangeError ? new CliError(error.message) : undefined;
};

/** Reads `--probe`: a script, or `@FILE` with one. */
async function scriptOf(text: string): Promise<string> {
  return /^@[\w./-]+$/.test(text) ? readScript(text.slice(1)) : text;
}

/** @throws UsageError */
export async function readScript(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new UsageError(`${file}: ${(error as Error).message}; expected a file with a script, or -e 'SCRIPT'`);
  }
}

/** Starts `run --probe` on a machine that is about to run; its output goes to standard error, beside the guest's on standard output. */
export async function probeSession(machine: Machine, text: string): Promise<SessionProbe> {
  const output = textOutput((piece) => void process.stderr.write(piece));
  try {
    const live = await LiveProbes.start(machine, await scriptOf(text), output);
    return {
      async finish() {
        live.end();
        try {
          const { warnings } = await live.ended;
          for (const warning of warnings) process.stderr.write(`hindsight: ${warning}\n`);
          return true;
        } catch (error) {
          process.stderr.write(`hindsight: the script ended early: ${(error as Error).message}\n`);
          return false;
        }
      },
    };
  } catch (error) {
    throw scriptFailure(error) ?? error;
  }
}

/** What `hindsight probe --live` asks of a machine that another process runs. */
export const controlProbe =
  (machine: Machine): ControlProbe =>
  async ({ script, parameters, json, mapLimit }, write) => {
    const options = {
      parameters,
      ...(mapLimit !== undefined && { mapLimit }),
    };
    const live = await LiveProbes.start(machine, script, json ? jsonOutput(write) : textOutput(write), options);
    return { end: () => live.end(), ended: live.ended };
  };
