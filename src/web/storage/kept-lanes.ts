import { ConsoleHistory } from '../terminal/history.ts';
import { LaneData } from '../timeline/lane-data.ts';
import { keepFile, readKept } from './kept-files.ts';
import { packArrays, unpackArrays } from './packed-arrays.ts';

/** What a replay of a recording told. */
export interface KeptLanes {
  readonly history: ConsoleHistory;
  readonly lanes: LaneData;
}

/** A recording that grew has other lanes. */
const nameOf = (id: string, size: number): string => `${id}-${size}`;

/** Keeps the lanes of a recording. Without room for them they are made again the next time. */
export async function keepLanes(id: string, size: number, history: ConsoleHistory, lanes: LaneData): Promise<void> {
  const packed = packArrays({ ...history.pack(), ...lanes.pack() });
  await keepFile('lanes', nameOf(id, size), packed).catch(() => undefined);
}

/** @returns undefined when none are kept, or an older page kept them */
export async function readLanes(id: string, size: number): Promise<KeptLanes | undefined> {
  const file = await readKept('lanes', nameOf(id, size)).catch(() => undefined);
  const arrays = file && unpackArrays(await file.arrayBuffer());
  if (arrays === undefined) return undefined;
  const [history, lanes] = [ConsoleHistory.unpack(arrays), LaneData.unpack(arrays)];
  return history && lanes && { history, lanes };
}
