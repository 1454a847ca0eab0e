import { renameSync, rmSync, statSync } from 'node:fs';
import { readRecording } from '../../record/reader.ts';
import { RecordingWriter } from '../../record/writer.ts';
import { adoptCheckpoints, keepCheckpoints, worthKeeping } from '../../timeline/kept-checkpoints.ts';
import type { Timeline } from '../../timeline/timeline.ts';
import { openSource } from './file-source.ts';
import { openRecordFile } from './record-file.ts';
import { appendToRecording } from './record-tail.ts';

/** Where the checkpoints of a recording are kept: `boot.hsr` has `boot.hsc` beside it. It may be removed at any time. */
const checkpointFile = (recording: string): string => `${recording.replace(/\.hsr$/, '')}.hsc`;

/** Takes in what was kept beside a recording. What is damaged, or of another recording, is as if it were not there. @returns whether there was something */
export async function openKeptCheckpoints(timeline: Timeline, recording: string): Promise<boolean> {
  const path = checkpointFile(recording);
  if (statSync(path, { throwIfNoEntry: false }) === undefined) return false;
  try {
    return adoptCheckpoints(timeline, await readRecording(openSource(path)));
  } catch {
    return false;
  }
}

/**
 * Keeps beside its recording what checkpoints a timeline found.
 * @param more there is a file that {@link openKeptCheckpoints} took in: what is new goes on it @param limit bytes that the file may have
 * @returns the file's name; undefined where nothing was worth it, or the folder cannot be written to
 */
export async function writeKeptCheckpoints(
  timeline: Timeline,
  recording: string,
  more: boolean,
  limit: number,
): Promise<string | undefined> {
  const chosen = worthKeeping(timeline);
  if (chosen.length === 0) return undefined;
  const path = checkpointFile(recording);
  const unfinished = `${path}.${process.pid}`;
  try {
    if (more) {
      await appendToRecording(path, (writer, tail) => keepCheckpoints(timeline, chosen, writer, limit, tail));
      return path;
    }
    const writer = new RecordingWriter(openRecordFile(unfinished), timeline.log.header);
    keepCheckpoints(timeline, chosen, writer, limit);
    writer.close();
    renameSync(unfinished, path);
    return path;
  } catch (error) {
    rmSync(unfinished, { force: true });
    if ((error as NodeJS.ErrnoException).code === undefined) throw error;
    return undefined;
  }
}
