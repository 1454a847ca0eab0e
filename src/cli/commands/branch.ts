import { createHostRoom } from '../../host/room.ts';
import { openRecordFile } from '../../host/node/record-file.ts';
import { inputKind } from '../../host/node/standard-input.ts';
import { formatInstant } from '../../record/divergence.ts';
import { LivePast } from '../../timeline/live.ts';
import { branchMachine } from '../../timeline/open.ts';
import { openRecording, parseDestination, type RecordingFlags } from '../recordings.ts';
import { Session } from '../session.ts';
import { parseDuration } from '../values.ts';

/** Flags of `hindsight branch`. */
export interface BranchFlags extends RecordingFlags {
  readonly at: string;
  readonly record?: string;
  readonly timeout?: string;
  readonly quiet?: boolean;
}

/** `hindsight branch`: goes on live from a past instant; the recording stays as it is. */
export async function branch(file: string, flags: BranchFlags): Promise<number> {
  const at = parseDestination('--at', flags.at);
  const timeout = flags.timeout === undefined ? undefined : parseDuration('--timeout', flags.timeout);
  const { timeline, hardware } = await openRecording(file, flags);
  await timeline.seek(at);
  const sink = flags.record === undefined ? undefined : openRecordFile(flags.record);
  const kind = await inputKind();
  const room = createHostRoom();
  await using machine = branchMachine(timeline, hardware, { clock: kind === 'terminal' ? 'host' : 'virtual', ...(sink && { record: sink }) }, room);
  const quiet = flags.quiet ?? false;
  if (!quiet) process.stderr.write(`hindsight: live again from ${formatInstant(timeline.at)}, ${timeline.guestTime.toFixed(2)} s of guest time\n`);
  const input = kind === 'terminal' ? 'keys' : kind === 'nothing' ? 'none' : 'plain';
  const past = input === 'keys' ? new LivePast(machine, room) : undefined;
  const session = new Session(machine, { input, quiet, ...(past && { past }), ...(timeout !== undefined && { timeout }) });
  const end = await session.run();
  if (end.message !== undefined) process.stderr.write(`hindsight: ${end.message}\n`);
  return end.status;
}
