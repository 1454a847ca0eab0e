import { openRecordFile } from '../host/node/record-file.ts';
import type { HostRoom } from '../machine/session/host-room.ts';
import type { Machine, RunOptions } from '../machine/session/machine.ts';
import { LivePast } from '../timeline/live.ts';
import { UsageError } from './exit.ts';
import { parseSize } from './values.ts';

/** Flags that say what is kept of a machine that runs. */
export interface RecorderFlags {
  readonly record?: string;
  readonly embed?: boolean;
  readonly checkpoints?: boolean;
  readonly past: string;
}

/** Values of {@link RecorderFlags}. */
export interface CheckedRecorder {
  readonly file?: string;
  readonly embed: boolean;
  readonly checkpoints: boolean;
  /** Bytes for checkpoints in memory; 0 for none. */
  readonly budget: number;
}

/** Least memory that makes sense: a checkpoint or two. */
const LEAST_PAST = 16 * 2 ** 20;
const MOST_PAST = 64 * 2 ** 30;

/** @throws UsageError naming the flag and what was expected */
export function checkRecorderFlags(flags: RecorderFlags): CheckedRecorder {
  const { record, embed = false, checkpoints = false } = flags;
  if (record === undefined && embed)
    throw new UsageError('--embed puts the images into the recording; name its file with --record FILE');
  if (record === undefined && checkpoints)
    throw new UsageError('--checkpoints go into the recording; name its file with --record FILE');
  const budget = flags.past === '0' ? 0 : parseSize('--past', flags.past, LEAST_PAST, MOST_PAST);
  if (checkpoints && budget === 0)
    throw new UsageError('--checkpoints are taken of the past that --past 0 switches off; leave one of them away');
  return { ...(record !== undefined && { file: record }), embed, checkpoints, budget };
}

/** What a machine is to be told. Opens the file. @throws RecordFileError */
export function recorderOptions({ file, embed }: CheckedRecorder): Pick<RunOptions, 'record' | 'embed'> {
  return file === undefined ? {} : { record: openRecordFile(file), ...(embed && { embed }) };
}

/** Keeps the past of a machine that is about to run, unless that is switched off. */
export function keepPast(
  machine: Machine,
  room: HostRoom,
  { budget, checkpoints }: CheckedRecorder,
): LivePast | undefined {
  return budget === 0 ? undefined : new LivePast(machine, room, { budget, store: checkpoints });
}
