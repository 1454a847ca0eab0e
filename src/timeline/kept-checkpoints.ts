import { compareInstants } from '../record/door.ts';
import { CHUNK, MACHINE_VERSION } from '../record/format.ts';
import type { Recording } from '../record/recording.ts';
import type { RecordingTail } from '../record/recording-chunks.ts';
import type { RecordingWriter } from '../record/writer.ts';
import type { Checkpoint } from './checkpoints.ts';
import type { Timeline } from './timeline.ts';

/*
 * Checkpoints of a recording in a file of their own: what was replayed once need not be replayed by the next who opens it. The file has the
 * recording's format (docs/recording-format.md) and header, no events, the instant of the recording's end, and checkpoints.
 */

/** Checkpoints written for a recording at most, about: the closer they are, the larger the file. */
const MOST = 96;

/** Checkpoints that are worth keeping: far enough from each other, and from those that are kept; the last one in any case. */
export function worthKeeping({ begin, end, checkpoints }: Timeline): readonly Checkpoint[] {
  const distance = (end.instructions - begin.instructions) / MOST;
  const chosen: Checkpoint[] = [];
  let last = begin.instructions;
  let own: Checkpoint | undefined;
  for (const checkpoint of checkpoints.all) {
    const { at, source, contents } = checkpoint;
    if (source !== undefined) last = Math.max(last, at.instructions);
    if (source !== undefined || contents === undefined) continue;
    own = checkpoint;
    if (at.instructions - last < distance) continue;
    chosen.push(checkpoint);
    last = at.instructions;
  }
  // The end is where the recording is opened.
  if (own !== undefined && compareInstants(own.at, end) === 0 && !chosen.includes(own)) chosen.push(own);
  return chosen;
}

/**
 * Writes checkpoints, the latest first as far as there is room. All of a timeline go to one file: their pages are numbered by it.
 * @param tail of the file, if there is one @param limit bytes that the file may have
 */
export function keepCheckpoints(
  { log, end, checkpoints }: Timeline,
  chosen: readonly Checkpoint[],
  writer: RecordingWriter,
  limit: number,
  tail?: RecordingTail,
): void {
  if (tail === undefined) writer.reached(end, log.endTime);
  else checkpoints.numberFrom(nextNumber(tail, CHUNK.PAGES), nextNumber(tail, CHUNK.TABLES));
  for (const checkpoint of chosen.toReversed()) {
    if (writer.written > limit) break;
    writer.checkpoint(checkpoints.pack(checkpoint));
  }
}

/** The first number that no page, or table, of a file has; 0 when there are none. */
function nextNumber({ chunks }: RecordingTail, kind: number): number {
  let next = 0;
  for (const chunk of chunks)
    if (chunk.kind === kind && 'first' in chunk) next = Math.max(next, chunk.first + chunk.count);
  return next;
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
