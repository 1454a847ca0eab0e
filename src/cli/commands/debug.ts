import { once } from 'node:events';
import { Knowledge } from '../../debug/knowledge.ts';
import { timelineTarget } from '../../debug/timeline-target.ts';
import { loadSymbolFile, serveDap, startDapServer, startGdbServer } from '../../host/node/debug/index.ts';
import { createHostRoom } from '../../host/room.ts';
import { EXIT, UsageError } from '../exit.ts';
import { openRecording, type RecordingFlags } from '../recordings.ts';
import { parseListen } from '../values.ts';

/** Flags of `hindsight debug`. */
export interface DebugFlags extends RecordingFlags {
  readonly gdb?: string;
  readonly dap?: string | boolean;
  readonly symbols?: readonly string[];
  readonly autoBranch?: boolean;
  readonly quiet?: boolean;
}

/** `hindsight debug`: opens a recording for gdb, or for a client of the Debug Adapter Protocol. */
export async function debug(file: string, flags: DebugFlags): Promise<number> {
  if ((flags.gdb === undefined) === (flags.dap === undefined)) throw new UsageError('hindsight debug: expected one of --gdb :PORT and --dap');
  const gdb = flags.gdb === undefined ? undefined : parseListen('--gdb', flags.gdb);
  const dap = typeof flags.dap === 'string' ? parseListen('--dap', flags.dap) : undefined;
  const { timeline } = await openRecording(file, flags);
  const target = timelineTarget(timeline, createHostRoom(), file);
  const knowledge = new Knowledge(target);
  for (const where of flags.symbols ?? []) knowledge.addFile(await loadSymbolFile(where));
  const say = (line: string): void => {
    if (!flags.quiet) process.stderr.write(`hindsight: ${line}\n`);
  };
  if (flags.dap === true) {
    await serveDap(target, knowledge, process.stdin, process.stdout);
    return EXIT.OK;
  }
  const server = gdb
    ? await startGdbServer(target, knowledge, { ...gdb, autoBranch: flags.autoBranch ?? false, log: say })
    : await startDapServer(target, knowledge, dap!);
  const at = `${(gdb ?? dap)!.host}:${server.port}`;
  say(gdb ? `gdb: target remote ${at}   (gdb-multiarch -ex 'set architecture riscv:rv64' -ex 'target remote ${at}')` : `DAP server at ${at}`);
  await once(process, 'SIGINT');
  await server.close();
  return EXIT.INTERRUPT;
}
