import { compareInstants, type Instant } from './door.ts';
import type { NotedInstant } from './format.ts';
import { type EventLog, Recorder } from './recorder.ts';

/** What a copy of a recording has besides its events. */
export interface CopyParts {
  /** Where it ends; where the log does when left out. */
  readonly end?: { readonly at: Instant; readonly time: number };
  /** Places in time that are kept with it. */
  readonly marks: readonly NotedInstant[];
  /** Files that are put into it. */
  readonly files?: readonly { readonly hash: string; readonly bytes: Uint8Array }[];
}

/** A recording of what a log holds, whole, in pieces. */
export function copyRecording(log: EventLog, { end, marks, files = [] }: CopyParts): Uint8Array<ArrayBuffer>[] {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  const { at, time } = end ?? { at: log.end, time: log.endTime };
  const sink = { write: (bytes: Uint8Array): void => void parts.push(bytes.slice()) };
  const recorder = new Recorder({ ...log.header, marks }, sink);
  // In order: a reader takes an instant before the last one for damage.
  const notes = [...log.hashes, ...log.turns].sort((a, b) => compareInstants(a.at, b.at));
  let noted = 0;
  const notesUntil = (until: Instant): void => {
    for (; noted < notes.length && compareInstants(notes[noted].at, until) <= 0; noted++) {
      const note = notes[noted];
      if ('hash' in note) recorder.mark(note.at, recorder.endTime, note.hash);
      else recorder.turn(note.at, recorder.endTime, note.turn);
    }
  };
  for (const event of log.events) {
    notesUntil(event.at);
    recorder.keep(event);
  }
  notesUntil(at);
  for (const { hash, bytes } of files) recorder.embed(hash, bytes);
  recorder.close(at, time);
  return parts;
}
