import { GDB_SCRIPT } from '../../debug/gdb/script.ts';
import { LiveBase, liveTarget } from '../../debug/live-target.ts';
import { DebugError } from '../../debug/target.ts';
import { timelineTarget } from '../../debug/timeline-target.ts';
import { EXEC_STDIN } from '../../guest/cmdline.ts';
import { ExecOutput } from '../../guest/exec-stream.ts';
import { openKeptCheckpoints, writeKeptCheckpoints } from '../../host/node/checkpoint-file.ts';
import { parseListenAddress, type ServeOptions, serveDebuggers } from '../../host/node/debug/index.ts';
import { openRecordFile } from '../../host/node/record-file.ts';
import { storeMarks } from '../../host/node/record-tail.ts';
import { createHostRoom } from '../../host/room.ts';
import { Machine } from '../../machine/session/machine.ts';
import { type NotedInstant, RecordingError } from '../../record/format.ts';
import type { MoveOptions } from '../../timeline/driver.ts';
import { LivePast } from '../../timeline/live.ts';
import { EXIT, UsageError } from '../exit.ts';
import { GuestInput } from '../guest-input.ts';
import { checkMachineFlags, type MachineFlags, openHardware } from '../machine-flags.ts';
import { ProgressLine } from '../progress.ts';
import { checkRecorderFlags, type RecorderFlags, recorderOptions } from '../recorder-flags.ts';
import { openRecording, type RecordingFlags, refuseOverwriting } from '../recordings.ts';

/** Flags of `hindsight debug`. */
export interface DebugFlags extends RecordingFlags, MachineFlags, RecorderFlags {
  readonly core?: string;
  readonly live?: boolean;
  readonly wait?: boolean;
  readonly exec?: string;
  readonly gdb?: string;
  readonly dap?: string | boolean;
  readonly symbols?: readonly string[];
  readonly autoBranch?: boolean;
  readonly process?: string;
  readonly printGdbinit?: boolean;
}

const place = (flag: string, text: string): ReturnType<typeof parseListenAddress> => {
  try {
    return parseListenAddress(text);
  } catch {
    throw new UsageError(`${flag} ${text}: expected a port such as :1234, or HOST:PORT`);
  }
};

/** Who may connect, and what they are told, whatever is debugged. */
function serving(flags: DebugFlags): ServeOptions & { readonly signal: AbortSignal } {
  if (flags.gdb === undefined && flags.dap === undefined)
    throw new UsageError('hindsight debug: expected --gdb :PORT or --dap');
  const gdb = flags.gdb === undefined ? undefined : place('--gdb', flags.gdb);
  const dap = typeof flags.dap === 'string' ? place('--dap', flags.dap) : flags.dap ? 'stdio' : undefined;
  const interrupt = new AbortController();
  process.once('SIGINT', () => interrupt.abort());
  process.once('SIGTERM', () => interrupt.abort());
  return {
    ...(gdb && { gdb }),
    ...(dap && { dap }),
    input: process.stdin,
    output: process.stdout,
    symbols: flags.symbols ?? [],
    autoBranch: flags.autoBranch ?? false,
    ...(flags.process !== undefined && { process: flags.process }),
    log: (line) => {
      if (!flags.quiet) process.stderr.write(`hindsight: ${line}\n`);
    },
    signal: interrupt.signal,
  };
}

/** `hindsight debug`: opens a recording, standing at its end, or a live machine, for gdb and for clients of the Debug Adapter Protocol. */
export async function debug(file: string | undefined, flags: DebugFlags): Promise<number> {
  if (flags.printGdbinit) {
    process.stdout.write(GDB_SCRIPT);
    return EXIT.OK;
  }
  if ((file === undefined) === !flags.live)
    throw new UsageError('hindsight debug: expected a recording, or --live for a machine that runs');
  return flags.live ? live(flags) : recorded(file!, flags);
}

async function recorded(file: string, flags: DebugFlags): Promise<number> {
  const options = serving(flags);
  const { record } = flags;
  if (record !== undefined) refuseOverwriting(record, file);
  const { budget } = checkRecorderFlags({ ...flags, record: undefined });
  const { timeline } = await openRecording(file, flags, budget === 0 ? {} : { budget });
  const own = timeline.checkpoints.all.length > 1;
  const keeps = budget > 0 && !own;
  let kept = keeps && (await openKeptCheckpoints(timeline, file));
  /** What was found of the recording, not of a branch, is there the next time. */
  const keep = async (): Promise<void> => {
    if (!keeps || timeline.session.state !== 'past' || timeline.session.hasPresent) return;
    const path = await writeKeptCheckpoints(timeline, file, kept, budget);
    if (path !== undefined && !kept) options.log(`checkpoints are kept in ${path}: the next time opens sooner`);
    kept ||= path !== undefined;
  };
  const open = async (o: MoveOptions): Promise<void> => {
    let part = 0;
    const line = new ProgressLine(!flags.quiet, () => `replaying to the end … ${Math.floor(part * 100)} %`);
    const onProgress = (done: number): void => {
      part = done;
      o.onProgress?.(done);
    };
    await timeline.seek(timeline.end, { ...o, onProgress }).finally(() => line.end());
    if (keeps) timeline.mark();
    await keep();
  };
  const store = async (bytes: Uint8Array): Promise<string> => {
    const sink = openRecordFile(record!);
    sink.write(bytes);
    sink.close?.();
    return `the branch is in ${record}`;
  };
  const keepMarks = async (marks: readonly NotedInstant[]): Promise<void> => {
    try {
      await storeMarks(file, marks);
    } catch (error) {
      if (!(error instanceof RecordingError) && (error as NodeJS.ErrnoException).code === undefined) throw error;
      throw new DebugError(`${file}: ${(error as Error).message}`);
    }
  };
  await serveDebuggers(timelineTarget(timeline, file, keepMarks), {
    ...options,
    open,
    ...(record !== undefined && { store }),
  });
  await keep();
  return options.signal.aborted ? EXIT.INTERRUPT : EXIT.OK;
}

async function live(flags: DebugFlags): Promise<number> {
  const checked = checkMachineFlags(flags);
  const recorder = checkRecorderFlags(flags);
  if (recorder.budget === 0)
    throw new UsageError('--past 0: a debugger goes back in the past; leave --past away, or name a size');
  const options = serving(flags);
  const { exec } = flags;
  const hardware = await openHardware(flags, checked, exec === undefined ? {} : { exec, stdin: EXEC_STDIN.none });
  const room = createHostRoom();
  await using machine = await Machine.create(
    {
      ...hardware,
      ...(checked.core && { core: checked.core }),
      clock: exec === undefined ? 'host' : 'virtual',
      ...recorderOptions(recorder),
    },
    room,
  );
  const past = new LivePast(machine, room, { budget: recorder.budget, store: recorder.checkpoints });
  // The streams are the client's where it speaks on them.
  const stdio = options.dap === 'stdio';
  const output = exec === undefined ? undefined : new ExecOutput();
  machine.on('console', (bytes) =>
    (stdio ? process.stderr : process.stdout).write(output ? output.push(bytes) : bytes),
  );
  const input = stdio || exec !== undefined ? undefined : new GuestInput(machine, process.stdin, false);
  input?.start();
  const base = new LiveBase(machine, past, room, 'the live machine');
  base.onHalt = () => options.log('the guest has powered off; its past stays open to debuggers, Ctrl-C ends');
  const target = liveTarget(base);
  if (!flags.wait) target.release();
  await serveDebuggers(target, options);
  input?.stop();
  if (input !== undefined) process.stdin.destroy();
  await target.hold();
  if (recorder.checkpoints) past.capture();
  return options.signal.aborted ? EXIT.INTERRUPT : EXIT.OK;
}
