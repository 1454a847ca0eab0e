import { parsePlace, serveDebuggers } from '../../host/node/debug/index.ts';
import { createHostRoom } from '../../host/room.ts';
import { EXIT, UsageError } from '../exit.ts';
import { openRecording, type RecordingFlags } from '../recordings.ts';

/** Flags of `hindsight debug`. */
export interface DebugFlags extends RecordingFlags {
  readonly gdb?: string;
  readonly dap?: string | boolean;
  readonly symbols?: readonly string[];
  readonly autoBranch?: boolean;
  readonly quiet?: boolean;
}

const place = (flag: string, text: string): ReturnType<typeof parsePlace> => {
  try {
    return parsePlace(text);
  } catch {
    throw new UsageError(`${flag} ${text}: expected a port such as :1234, or HOST:PORT`);
  }
};

/** `hindsight debug`: opens a recording, standing at its end, for gdb and for clients of the Debug Adapter Protocol. */
export async function debug(file: string, flags: DebugFlags): Promise<number> {
  if (flags.gdb === undefined && flags.dap === undefined) throw new UsageError('hindsight debug: expected --gdb :PORT or --dap');
  const gdb = flags.gdb === undefined ? undefined : place('--gdb', flags.gdb);
  const dap = typeof flags.dap === 'string' ? place('--dap', flags.dap) : flags.dap ? 'stdio' : undefined;
  const { timeline } = await openRecording(file, flags);
  const interrupt = new AbortController();
  process.once('SIGINT', () => interrupt.abort());
  process.once('SIGTERM', () => interrupt.abort());
  await serveDebuggers(timeline, createHostRoom(), file, {
    ...(gdb && { gdb }),
    ...(dap && { dap }),
    input: process.stdin,
    output: process.stdout,
    symbols: flags.symbols ?? [],
    autoBranch: flags.autoBranch ?? false,
    log: (line) => {
      if (!flags.quiet) process.stderr.write(`hindsight: ${line}\n`);
    },
    signal: interrupt.signal,
  });
  return interrupt.signal.aborted ? EXIT.INTERRUPT : EXIT.OK;
}
