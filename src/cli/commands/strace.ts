import { GuestInfo } from '../../debug/guest-info.ts';
import { reachKernel } from '../../history/kernel-start.ts';
import { straceLine } from '../../history/strace.ts';
import { type SyscallRecord, syscallHistory } from '../../history/syscalls.ts';
import { formatInstant } from '../../record/divergence.ts';
import { CliError, EXIT, UsageError } from '../exit.ts';
import { explained, openRecording, parseDestination, type RecordingFlags } from '../recordings.ts';

/** Flags of `hindsight strace`. */
export interface StraceFlags extends RecordingFlags {
  readonly pid?: readonly string[];
  readonly trace?: string;
  readonly stringSize?: string;
  readonly instants?: boolean;
  readonly from?: string;
  readonly json?: boolean;
}

/** `hindsight strace`: the system calls of a recording, as strace(1) would have printed them. */
export async function strace(file: string, flags: StraceFlags): Promise<number> {
  const pids = (flags.pid ?? []).map((text) => {
    if (!/^\d+$/.test(text)) throw new UsageError(`--pid ${text}: expected the number of a process`);
    return Number(text);
  });
  const shown = Number(flags.stringSize ?? 32);
  if (!Number.isInteger(shown) || shown < 0)
    throw new UsageError(`--string-size ${flags.stringSize}: expected a number of bytes`);
  const from = flags.from === undefined ? undefined : parseDestination('--from', flags.from);
  const names = flags.trace === undefined ? undefined : new Set(flags.trace.split(','));
  const interrupt = new AbortController();
  process.once('SIGINT', () => interrupt.abort());
  const { signal } = interrupt;
  const { timeline } = await openRecording(file, flags);
  const kernel = new GuestInfo(timeline.view).kernel();
  if (kernel === undefined)
    throw new CliError(`${file}: no Linux kernel with symbols and type information is in the machine`);
  if (from !== undefined) await explained(timeline, timeline.seek(from, { signal }));
  await explained(timeline, reachKernel(timeline, kernel, { signal }));
  const wanted = (call: Pick<SyscallRecord, 'pid' | 'name'>): boolean =>
    (pids.length === 0 || pids.includes(call.pid)) && (names?.has(call.name) ?? true);
  const report = (call: SyscallRecord): void => {
    process.stdout.write(
      `${flags.json ? jsonLine(call) : textLine(call, shown, pids.length === 1, flags.instants ?? false)}\n`,
    );
  };
  const reason = await explained(timeline, syscallHistory(timeline, kernel, report, { wanted, signal }));
  if (reason !== 'interrupted') return EXIT.OK;
  process.stderr.write(
    `hindsight: interrupted at ${timeline.at.instructions} instructions: what is printed is partial\n`,
  );
  return EXIT.INTERRUPT;
}

function textLine(call: SyscallRecord, shown: number, one: boolean, instants: boolean): string {
  const who = one ? '' : `[pid ${String(call.tid).padStart(5)}] `;
  return `${instants ? `${formatInstant(call.begin)} ` : ''}${who}${straceLine(call, shown)}`;
}

function jsonLine(call: SyscallRecord): string {
  const { pid, tid, comm, name, args, result, begin, end, beginTime, endTime } = call;
  return JSON.stringify({
    instant: formatInstant(begin),
    ...(end !== undefined && { returned: formatInstant(end) }),
    time: beginTime / 1e9,
    ...(endTime !== undefined && { duration: (endTime - beginTime) / 1e9 }),
    pid,
    tid,
    comm,
    name,
    args: args.slice(0, call.parameters.length).map((arg) => `0x${arg.toString(16)}`),
    text: straceLine(call),
    ...(result !== undefined && { result: Number(result) }),
  });
}
