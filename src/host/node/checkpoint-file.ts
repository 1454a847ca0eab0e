import { renameSync, rmSync, statSync } from 'node:fs';
import { readRecording } from '../../record/reader.ts';
import { adoptCheckpoints, keepCheckpoints } from '../../timeline/kept-checkpoints.ts';
import type { Timeline } from '../../timeline/timeline.ts';
import { openSource } from './file-source.ts';
import { openRecordFile } from './record-file.ts';

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

/** Keeps a timeline's checkpoints beside its recording. @returns the file's name; undefined where the folder cannot be written to */
export function writeKeptCheckpoints(timeline: Timeline, recording: string): string | undefined {
  const path = checkpointFile(recording);
  const unfinished = `${path}.${process.pid}`;
  try {
    keepCheckpoints(timeline, openRecordFile(unfinished));
    renameSync(unfinished, path);
    return path;
  } catch (error) {
    rmSync(unfinished, { force: true });
    if ((error as NodeJS.ErrnoException).code === undefined) throw error;
    return undefined;
  }
}
