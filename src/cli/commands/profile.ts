import { writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { GuestInfo } from '../../debug/guest-info.ts';
import { reachKernel } from '../../history/kernel-start.ts';
import { pprofFile } from '../../probe/pprof.ts';
import { foldedStacks, profile as profileOf, speedscopeFile } from '../../probe/profile.ts';
import { EXIT } from '../exit.ts';
import { explained, interruptSignal, openRecording, type RecordingFlags } from '../recordings.ts';
import { parseInteger } from '../values.ts';
import { findKernel, instantOf, parsePlaces } from './history.ts';

/** Flags of `hindsight profile`. */
export interface ProfileFlags extends RecordingFlags {
  readonly pid?: string;
  readonly every?: string;
  readonly from?: string;
  readonly until?: string;
  readonly speedscope?: string;
  readonly pprof?: string;
  readonly quiet?: boolean;
}

/** Instructions between looks: a prime, so that loops and turns of harts do not keep step with it. */
const EVERY = '100003';

/** `hindsight profile REC`: which functions the instructions of a recording were executed in. */
export async function profile(file: string, flags: ProfileFlags): Promise<number> {
  const every = parseInteger('--every', flags.every ?? EVERY, 1, 2 ** 40);
  const pid = flags.pid === undefined ? undefined : parseInteger('--pid', flags.pid, 0, 2 ** 31 - 1);
  const places = parsePlaces(flags);
  const { timeline } = await openRecording(file, flags);
  const signal = interruptSignal();
  const kernel = await findKernel(timeline, file, signal);
  const until = await instantOf(timeline, places.until, signal);
  const from = await instantOf(timeline, places.from, signal);
  await explained(timeline, timeline.seek(from ?? timeline.begin, { signal }));
  await explained(timeline, reachKernel(timeline, kernel, { signal }));
  const { stacks, interrupted } = await explained(
    timeline,
    profileOf(timeline, new GuestInfo(timeline.view), {
      every,
      signal,
      ...(until !== undefined && { until: until.instructions }),
      ...(pid !== undefined && { pid }),
    }),
  );
  if (flags.pprof !== undefined) writeFileSync(flags.pprof, pprofFile(stacks, every));
  if (flags.speedscope === undefined && flags.pprof === undefined) process.stdout.write(foldedStacks(stacks, every));
  if (flags.speedscope !== undefined)
    writeFileSync(flags.speedscope, JSON.stringify(speedscopeFile(stacks, every, basename(file))));
  const samples = stacks.reduce((sum, stack) => sum + stack.samples, 0);
  if (interrupted)
    process.stderr.write(
      `hindsight: interrupted at ${timeline.at.instructions} instructions: the profile is partial\n`,
    );
  else if (flags.quiet !== true)
    process.stderr.write(`hindsight: ${samples} stacks, one every ${every} instructions\n`);
  return interrupted ? EXIT.INTERRUPT : EXIT.OK;
}
