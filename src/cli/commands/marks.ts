import { markNumbered, marksText } from '../../debug/monitor/marks.ts';
import { DebugError } from '../../debug/target.ts';
import { openKeptCheckpoints } from '../../host/node/checkpoint-file.ts';
import { storeMarks } from '../../host/node/record-tail.ts';
import { formatInstant } from '../../record/divergence.ts';
import { type NotedInstant, RecordingError } from '../../record/format.ts';
import { withMark } from '../../record/marks.ts';
import { CliError, EXIT, UsageError } from '../exit.ts';
import { explained, loadRecording, openRecording, parsePlace, type RecordingFlags } from '../recordings.ts';

/** Flags of `hindsight marks list`. */
export interface MarksFlags {
  readonly json?: boolean;
}

function print(marks: readonly NotedInstant[], { json }: MarksFlags): number {
  const asJson = ({ at, time, note }: NotedInstant): unknown => ({
    instant: formatInstant(at),
    guestSeconds: time / 1e9,
    note,
  });
  process.stdout.write(json ? `${JSON.stringify(marks.map(asJson))}\n` : marks.length === 0 ? '' : marksText(marks));
  return EXIT.OK;
}

/** @throws CliError naming the recording that takes no marks */
async function store(file: string, marks: readonly NotedInstant[]): Promise<void> {
  try {
    await storeMarks(file, marks);
  } catch (error) {
    throw error instanceof RecordingError ? new CliError(`${file}: ${error.message}`) : error;
  }
}

/** `hindsight marks list`. */
export async function marksList(file: string, flags: MarksFlags): Promise<number> {
  return print((await loadRecording(file)).marks, flags);
}

/** `hindsight marks add`: the instant is gone to, so that the mark has its guest time. */
export async function marksAdd(place: string, note: string, flags: RecordingFlags & MarksFlags): Promise<number> {
  const { file, at } = parsePlace(place);
  if (at === undefined)
    throw new UsageError(
      `"${place}" names no instant of a recording: expected RECORDING@INSTANT, such as boot.hsr@50% or boot.hsr@2.5s`,
    );
  const { timeline, recording } = await openRecording(file, flags);
  await openKeptCheckpoints(timeline, file);
  await explained(timeline, timeline.seek(at));
  const marks = withMark(recording.marks, { at: timeline.at, time: timeline.engine.time, note });
  await store(file, marks);
  return print(marks, flags);
}

/** `hindsight marks rm`. */
export async function marksRemove(file: string, numbers: readonly string[], flags: MarksFlags): Promise<number> {
  const { marks } = await loadRecording(file);
  let gone: readonly NotedInstant[];
  try {
    gone = numbers.map((number) => markNumbered(marks, number));
  } catch (error) {
    throw error instanceof DebugError ? new CliError(`${file}: ${error.message}`) : error;
  }
  const left = marks.filter((mark) => !gone.includes(mark));
  await store(file, left);
  return print(left, flags);
}
