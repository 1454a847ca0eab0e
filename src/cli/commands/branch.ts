import { HostShares, parseShare } from '../../host/node/share/index.ts';
import { inputKind } from '../../host/node/standard-input.ts';
import { createHostRoom } from '../../host/room.ts';
import { imagesOf } from '../../machine/session/images.ts';
import { formatInstant } from '../../record/divergence.ts';
import { branchMachine } from '../../timeline/open.ts';
import { type NetFlags, openNetworkOf } from '../net-flags.ts';
import { checkRecorderFlags, keepPast, type RecorderFlags, recorderOptions } from '../recorder-flags.ts';
import { explained, openRecording, parseDestination, type RecordingFlags, refuseOverwriting } from '../recordings.ts';
import { TerminalSession } from '../session.ts';
import { parseDuration } from '../values.ts';

/** Flags of `hindsight branch`. */
export interface BranchFlags extends RecordingFlags, RecorderFlags, NetFlags {
  readonly at: string;
  readonly share?: readonly string[];
  readonly timeout?: string;
  readonly quiet?: boolean;
}

/** `hindsight branch`: goes on live from a past instant; the recording stays as it is. */
export async function branch(file: string, flags: BranchFlags): Promise<number> {
  const at = parseDestination('--at', flags.at);
  const recorder = checkRecorderFlags(flags);
  if (recorder.file !== undefined) refuseOverwriting(recorder.file, file);
  const timeout = flags.timeout === undefined ? undefined : parseDuration('--timeout', flags.timeout);
  await using shares = new HostShares((flags.share ?? []).map(parseShare));
  const { timeline, hardware } = await openRecording(file, flags);
  const quiet = flags.quiet ?? false;
  using network = await openNetworkOf(hardware.config, flags, quiet);
  await explained(timeline, timeline.seek(at));
  const images = recorder.embed ? { images: await imagesOf(hardware) } : {};
  const kind = await inputKind();
  const room = createHostRoom();
  await using machine = branchMachine(
    timeline,
    { ...hardware, ...images },
    { clock: kind === 'terminal' ? 'host' : 'virtual', ...recorderOptions(recorder) },
    room,
  );
  shares.attach(machine, room);
  network?.attach(machine);
  if (!quiet)
    process.stderr.write(
      `hindsight: live again from ${formatInstant(timeline.at)}, ${timeline.guestTime.toFixed(2)} s of guest time\n`,
    );
  const input = kind === 'terminal' ? 'keys' : kind === 'nothing' ? 'none' : 'plain';
  const past = keepPast(machine, room, recorder);
  const session = new TerminalSession(machine, {
    input,
    quiet,
    ...(past && { past }),
    ...(timeout !== undefined && { timeout }),
  });
  const end = await session.run();
  if (recorder.checkpoints) past?.capture();
  if (end.message !== undefined) process.stderr.write(`hindsight: ${end.message}\n`);
  return end.status;
}
