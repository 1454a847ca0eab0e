/** Running the programs of the Debian tool box. */
import { spawn } from 'node:child_process';

/** How a program is run. */
export interface ProcessOptions {
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  readonly signal?: AbortSignal;
  /** Takes standard output as it comes; otherwise it is collected. */
  readonly onOutput?: (chunk: Uint8Array) => void;
  /** Takes the lines written to file descriptor 3. */
  readonly onStatus?: (line: string) => void;
  /** Written to standard input. */
  readonly input?: Uint8Array;
}

/** A program ended with a status other than 0. */
export class ProgramError extends Error {
  override readonly name = 'ProgramError';
  /** What it wrote to standard error, at most the last 16 KiB. */
  readonly errors: string;

  constructor(program: string, status: number | null, errors: string) {
    super(`${program} ${status === null ? 'was ended by a signal' : `ended with status ${status}`}:\n${errors.trim()}`);
    this.errors = errors;
  }
}

/**
 * Runs a program to its end and returns what it printed.
 *
 * @throws ProgramError when it fails; an error with code ENOENT when there is no such program.
 */
export function run(program: string, args: readonly string[], options: ProcessOptions = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      env: options.env ?? process.env,
      cwd: options.cwd,
      signal: options.signal,
      stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe', 'pipe'],
    });
    const output: Uint8Array[] = [];
    let errors = '';
    let status = '';
    let failure: unknown;
    child.stdout!.on('data', (chunk: Buffer) => {
      try {
        if (options.onOutput === undefined) output.push(chunk);
        else if (failure === undefined) options.onOutput(chunk);
      } catch (error) {
        failure = error;
        child.kill();
      }
    });
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      errors = (errors + text).slice(-16384);
    });
    child.stdio[3]!.on('data', (chunk: Buffer) => {
      const lines = (status + chunk.toString('utf8')).split('\n');
      status = lines.pop()!;
      for (const line of lines) options.onStatus?.(line);
    });
    child.stdin?.on('error', () => {
      /* the program's own status tells why it stopped reading */
    });
    child.stdin?.end(options.input);
    child.on('error', reject);
    child.on('close', (code) => {
      if (failure !== undefined) reject(failure);
      else if (code !== 0) reject(new ProgramError(`${program} ${args[0] ?? ''}`.trim(), code, errors));
      else resolve(Buffer.concat(output).toString('utf8'));
    });
  });
}

/** Whether an error says that a program does not exist. */
export const isMissing = (error: unknown): boolean => (error as NodeJS.ErrnoException | undefined)?.code === 'ENOENT';
