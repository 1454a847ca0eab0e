import { setTimeout as sleep } from 'node:timers/promises';
import { formatInstant } from '../../record/divergence.ts';
import type { Timeline } from '../../timeline/timeline.ts';
import { EXIT, UsageError } from '../exit.ts';
import { openRecording, parseDestination, type RecordingFlags } from '../recordings.ts';
import { formatCount, formatSeconds, parseChoice } from '../values.ts';

/** Flags of `hindsight replay`. */
export interface ReplayFlags extends RecordingFlags {
  readonly verify?: boolean;
  readonly until?: string;
  readonly speed?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

const SPEEDS = ['max', 'real'] as const;
/** Guest time between waits at real speed, in seconds. */
const PACE = 0.05;

/** Replays as fast as guest time went. */
async function paced(timeline: Timeline, signal: AbortSignal): Promise<void> {
  while (timeline.at.instructions < timeline.end.instructions && !signal.aborted) {
    const start = performance.now();
    const before = timeline.at.instructions;
    await timeline.seek({ guestTime: timeline.guestTime + PACE }, { signal });
    // Time in which nothing was executed is skipped.
    if (timeline.at.instructions > before) await sleep(Math.max(0, PACE * 1000 - (performance.now() - start)), undefined, { signal }).catch(() => undefined);
  }
}

/** `hindsight replay`. */
export async function replay(file: string, flags: ReplayFlags): Promise<number> {
  const speed = flags.speed === undefined ? 'max' : parseChoice('--speed', flags.speed, SPEEDS);
  const until = flags.until === undefined ? undefined : parseDestination('--until', flags.until);
  if (until !== undefined && flags.verify) throw new UsageError('--verify goes to the end; leave --until away');
  const { timeline, recording } = await openRecording(file, flags, {
    output: (port, bytes) => {
      if (!flags.json && /uart|console|sbi/.test(port)) process.stdout.write(bytes);
    },
  });
  const interrupt = new AbortController();
  const onSignal = (): void => interrupt.abort();
  process.once('SIGINT', onSignal);
  const start = performance.now();
  let compared: number | undefined;
  try {
    const { signal } = interrupt;
    if (flags.verify) compared = await timeline.verify({ signal });
    else if (until !== undefined) await timeline.seek(until, { signal });
    else if (speed === 'real') await paced(timeline, signal);
    else await timeline.seek(timeline.end, { signal });
  } finally {
    process.removeListener('SIGINT', onSignal);
  }
  const took = performance.now() - start;
  const { instructions } = timeline.at;
  const summary = {
    instant: formatInstant(timeline.at), instructions, guestSeconds: timeline.guestTime, wallSeconds: took / 1000,
    hash: timeline.hash(), complete: recording.complete, ...(compared !== undefined && { hashesCompared: compared }),
  };
  if (flags.json) process.stdout.write(`${JSON.stringify(summary)}\n`);
  else if (!flags.quiet) {
    const checked = compared === undefined ? '' : `; ${compared} state ${compared === 1 ? 'hash' : 'hashes'} compared, all equal`;
    process.stderr.write(`\nhindsight: replayed ${formatCount(instructions)} instructions in ${formatSeconds(took)}, state ${summary.hash}${checked}\n`);
  }
  return interrupt.signal.aborted ? EXIT.INTERRUPT : EXIT.OK;
}
