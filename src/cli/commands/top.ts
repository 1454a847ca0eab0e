import { usageBefore } from '../../history/top.ts';
import { formatInstant } from '../../record/divergence.ts';
import { EXIT } from '../exit.ts';
import { explained, interruptSignal, openRecording, parsePlace, type RecordingFlags } from '../recordings.ts';
import { RowWriter, rowFormat } from '../rows.ts';
import { parseDuration, parseInteger } from '../values.ts';
import { findKernel } from './history.ts';

/** Flags of `hindsight top`. */
export interface TopFlags extends RecordingFlags {
  readonly window?: string;
  readonly count?: string;
  readonly json?: boolean;
  readonly csv?: boolean;
}

/** `hindsight top REC@T`: what the guest's processes did in the time before an instant, as top(1) would have shown it. */
export async function top(place: string, flags: TopFlags): Promise<number> {
  const format = rowFormat(flags);
  const { file, at } = parsePlace(place);
  const window = parseDuration('--window', flags.window ?? '1s') * 1e6;
  const count = flags.count === undefined ? Infinity : parseInteger('--count', flags.count, 1, 1_000_000);
  const { timeline } = await openRecording(file, flags);
  const signal = interruptSignal();
  await explained(timeline, timeline.seek(at ?? timeline.end, { signal }));
  const here = timeline.at;
  const time = timeline.guestTime;
  const kernel = await findKernel(timeline, file, signal);
  const usage = await explained(timeline, usageBefore(timeline, kernel, window, { signal }));
  if (usage === undefined) {
    process.stderr.write('hindsight: interrupted: nothing was found so far\n');
    return EXIT.INTERRUPT;
  }
  const span = Math.min(window, (time - timeline.beginTime) * 1e9);
  const names = ['pid', 'comm', 'state', 'cpu_percent', 'resident_kib'];
  const rows = new RowWriter(names, format, (text) => void process.stdout.write(text));
  for (const { pid, comm, state, time: took, resident } of usage.slice(0, count))
    rows.row([pid, comm, state, Math.round((took / span) * 1000) / 10, resident / 1024]);
  rows.end();
  process.stderr.write(
    `hindsight: the ${(span / 1e9).toFixed(3)} s before instant ${formatInstant(here)}, ${time.toFixed(6)} s\n`,
  );
  return EXIT.OK;
}
