import { setTimeout as sleep } from 'node:timers/promises';
import { formatInstant } from '../../record/divergence.ts';
import type { Destination } from '../../timeline/mover.ts';
import type { GuestTime, Timeline } from '../../timeline/timeline.ts';
import { EXIT, UsageError } from '../exit.ts';
import { explained, openRecording, parseDestination, type RecordingFlags } from '../recordings.ts';
import { formatCount, formatSeconds } from '../values.ts';

/** Flags of `hindsight replay`. */
export interface ReplayFlags extends RecordingFlags {
  readonly verify?: boolean;
  readonly until?: string;
  readonly speed?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

/** Wall-clock seconds between waits at a given speed. */
const PACE = 0.05;

/** `max`, `real` or a factor. @returns guest seconds a second; Infinity for as fast as it goes */
function parseSpeed(text: string): number {
  const factor =
    { max: Infinity, real: 1 }[text] ?? (/^\d+(\.\d+)?x?$/.test(text) ? Number.parseFloat(text) : Number.NaN);
  if (!(factor > 0)) throw new UsageError(`--speed ${text}: expected max, real, or a factor such as 4 or 0.5`);
  return factor;
}

/** Replays at a speed. Time in which nothing was executed is skipped. */
async function paced(
  timeline: Timeline,
  until: Destination | GuestTime,
  speed: number,
  signal: AbortSignal,
): Promise<void> {
  const goal = typeof until === 'object' && 'guestTime' in until ? until : timeline.locate(until);
  const ahead = PACE * speed;
  // An instruction takes a nanosecond at least, so that a piece of time is never more than so many.
  const near = (): boolean =>
    'guestTime' in goal
      ? goal.guestTime - timeline.guestTime <= ahead
      : goal.instructions - timeline.at.instructions <= ahead * 1e9;
  while (!signal.aborted && !near()) {
    const start = performance.now();
    const { instructions } = timeline.at;
    await timeline.seek({ guestTime: timeline.guestTime + ahead }, { signal });
    if (timeline.at.instructions > instructions)
      await sleep(Math.max(0, PACE * 1000 - (performance.now() - start)), undefined, { signal }).catch(() => undefined);
    else if ('instructions' in goal) await timeline.step(1, { signal });
    else break;
  }
  await timeline.seek(goal, { signal });
}

/** `hindsight replay`. */
export async function replay(file: string, flags: ReplayFlags): Promise<number> {
  const speed = flags.speed === undefined ? Infinity : parseSpeed(flags.speed);
  const until = flags.until === undefined ? undefined : parseDestination('--until', flags.until);
  if (until !== undefined && flags.verify) throw new UsageError('--verify goes to the end; leave --until away');
  if (speed < Infinity && flags.verify) throw new UsageError('--verify goes as fast as it can; leave --speed away');
  const { timeline, recording } = await openRecording(file, flags, {
    // Nobody goes back: what checkpoints there are come with the file.
    spacing: Infinity,
    output: (port, bytes) => {
      if (!flags.json && /uart|console|sbi/.test(port)) process.stdout.write(bytes);
    },
  });
  return explained(timeline, show());

  async function show(): Promise<number> {
    const interrupt = new AbortController();
    const onSignal = (): void => interrupt.abort();
    process.once('SIGINT', onSignal);
    const start = performance.now();
    let compared: number | undefined;
    try {
      const { signal } = interrupt;
      if (flags.verify) compared = await timeline.verify({ signal });
      else if (speed < Infinity) await paced(timeline, until ?? timeline.end, speed, signal);
      else await timeline.seek(until ?? timeline.end, { signal });
    } finally {
      process.removeListener('SIGINT', onSignal);
    }
    const took = performance.now() - start;
    const { instructions } = timeline.at;
    const summary = {
      instant: formatInstant(timeline.at),
      instructions,
      guestSeconds: timeline.guestTime,
      wallSeconds: took / 1000,
      hash: timeline.hash(),
      complete: recording.complete,
      ...(compared !== undefined && { hashesCompared: compared }),
    };
    if (flags.json) process.stdout.write(`${JSON.stringify(summary)}\n`);
    else if (!flags.quiet) {
      const checked =
        compared === undefined ? '' : `; ${compared} state ${compared === 1 ? 'hash' : 'hashes'} compared, all equal`;
      process.stderr.write(
        `\nhindsight: replayed ${formatCount(instructions)} instructions in ${formatSeconds(took)}, state ${summary.hash}${checked}\n`,
      );
    }
    return interrupt.signal.aborted ? EXIT.INTERRUPT : EXIT.OK;
  }
}
