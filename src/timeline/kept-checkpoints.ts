import { compareInstants } from '../record/door.ts';
import { MACHINE_VERSION, type RecordSink } from '../record/format.ts';
import type { Recording } from '../record/recording.ts';
import { RecordingWriter } from '../record/writer.ts';
import type { Timeline } from './timeline.ts';

/*
 * Checkpoints of a recording in a file of their own: what was replayed once need not be replayed by the next who opens it. The file has the
 * recording's format (docs/recording-format.md) and header, no events, the instant of the recording's end, and checkpoints.
 */

/** Checkpoints written at most: the closer they are, the larger the file. */
const MOST = 96;

/** Writes what checkpoints a timeline holds. Once for each timeline: pages are numbered by the file they are written to first. */
export function keepCheckpoints(timeline: Timeline, sink: RecordSink): void {
  const { log, end, checkpoints } = timeline;
  const held = checkpoints.all.filter(({ contents }) => contents !== undefined);
  const step = Math.max(1, Math.ceil(held.length / MOST));
  const chosen = held.filter((_, i) => i > 0 && (held.length - 1 - i) % step === 0);
  const writer = new RecordingWriter(sink, log.header);
  writer.reached(end, timeline.engine.time);
  for (const checkpoint of chosen) writer.checkpoint(checkpoints.pack(checkpoint));
  writer.close();
}

/** Takes in checkpoints that were kept of a recording. @returns whether they are of this recording, as it is now, and of this program */
export function adoptCheckpoints(timeline: Timeline, kept: Recording): boolean {
  const { header } = kept;
  const same =
    header.id === timeline.log.header.id &&
    header.machine === MACHINE_VERSION &&
    kept.complete &&
    compareInstants(kept.end, timeline.end) === 0;
  if (same) timeline.checkpoints.add(kept.checkpoints);
  return same;
}
