import { ConsoleHistory } from '../terminal/history.ts';
import { LaneData } from '../timeline/lane-data.ts';
import { keepFile, readKept } from './kept-files.ts';
import { packArrays, unpackArrays } from './packed-arrays.ts';

/** What a replay of a recording told. */
export interface KeptLanes {
  readonly history: ConsoleHistory;
  readonly lanes: LaneData;
  /** States on its way, to go on from. */
  readonly checkpoints: Blob | undefined;
}

/** A recording that grew has other lanes. */
const nameOf = (id: string, size: number): string => `${id}-${size}`;

const checkpointsOf = (id: string, size: number): string => `${nameOf(id, size)}.hsc`;

/** Keeps the lanes of a recording. Without room for them they are made again the next time. */
export async function keepLanes(id: string, size: number, { history, lanes, checkpoints }: KeptLanes): Promise<void> {
  const packed = packArrays({ ...history.pack(), ...lanes.pack() });
  try {
    // Lanes come last: where they are, everything is.
    if (checkpoints !== undefined) await keepFile('lanes', checkpointsOf(id, size), checkpoints);
    await keepFile('lanes', nameOf(id, size), packed);
  } catch {
    // There is no room, or no storage.
  }
}

/** @returns undefined when none are kept, or an older page kept them */
export async function readLanes(id: string, size: number): Promise<KeptLanes | undefined> {
  const read = (name: string): Promise<File | undefined> => readKept('lanes', name).catch(() => undefined);
  const file = await read(nameOf(id, size));
  const arrays = file && unpackArrays(await file.arrayBuffer());
  if (arrays === undefined) return undefined;
  const [history, lanes] = [ConsoleHistory.unpack(arrays), LaneData.unpack(arrays)];
  return history && lanes && { history, lanes, checkpoints: await read(checkpointsOf(id, size)) };
}
