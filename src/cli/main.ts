import { CommanderError } from 'commander';
import { CliError, describeError, EXIT, statusOf, type UsageError } from './exit.ts';
import { createProgram, usageError } from './program.ts';
import { VERSION } from './version.ts';

/** Errors of ours that a user can cause; anything else is a bug and says so. */
const EXPECTED = new Set([
  'NetworkOptionError',
  'ControlError',
  'ShareError',
  'LoadError',
  'ConfigError',
  'DiskFileError',
  'Qcow2Error',
  'HttpDiskError',
  'OverlayError',
  'MachineNameError',
  'StateError',
  'SnapshotStoreError',
  'DivergenceError',
  'RecordingError',
  'RecordFileError',
  'ImageMissingError',
  'GuestBuildError',
  'RangeError',
]);

const expected = (error: unknown): boolean =>
  error instanceof CliError ||
  (error instanceof Error && (EXPECTED.has(error.name) || ('code' in error && 'syscall' in error)));

/** Shows an error in one line on standard error. */
function complain(error: unknown): void {
  const line = expected(error)
    ? describeError(error)
    : `internal error: ${describeError(error)} (HINDSIGHT_DEBUG=1 shows where)`;
  process.stderr.write(`hindsight: ${line}\n`);
  if (process.env.HINDSIGHT_DEBUG === '1' && error instanceof Error) process.stderr.write(`${error.stack}\n`);
}

/** Runs one command line. @param args without node and script @returns the exit status */
async function main(args: readonly string[]): Promise<number> {
  let status: number = EXIT.OK;
  const program = createProgram(VERSION, (code) => {
    status = code;
  });
  try {
    await program.parseAsync(args, { from: 'user' });
    return status;
  } catch (error) {
    if (error instanceof CommanderError) {
      const usage: UsageError | undefined = usageError(error);
      // Help that was asked for is 0; help in place of a missing command is not.
      if (usage === undefined) return error.exitCode === 0 ? EXIT.OK : EXIT.USAGE;
      complain(usage);
      return usage.status;
    }
    complain(error);
    return statusOf(error);
  }
}

/** Lets what was written leave before the process ends: pipes take it asynchronously. */
async function flush(stream: NodeJS.WriteStream): Promise<void> {
  if (stream.writableLength === 0 || stream.destroyed) return;
  await new Promise<void>((done) => stream.write('', () => done()));
}

// Whoever reads us may stop reading (head, less): that is an end, not an error.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(EXIT.OK);
    throw error;
  });
}
process.on('uncaughtException', (error) => {
  complain(error);
  process.exit(EXIT.FAILURE);
});

void main(process.argv.slice(2)).then(async (status) => {
  await flush(process.stdout);
  await flush(process.stderr);
  process.exit(status);
});
