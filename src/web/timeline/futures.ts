import type { Mark } from '../focus/address-bar.ts';
import type { ConsoleHistory } from '../terminal/history.ts';
import type { LaneData } from './lane-data.ts';

/** A point on both axes. */
export interface PlaceInTime {
  readonly instructions: number;
  /** Guest time in nanoseconds. */
  readonly time: number;
}

/** What happened after an instant from which the machine went on another way: a branch of the tree that can be gone to. */
export interface Future {
  readonly name: string;
  /** Where the other way begins. */
  readonly from: PlaceInTime;
  readonly end: PlaceInTime;
  /** All of it, from the machine's start. */
  readonly recording: Blob;
  readonly history: ConsoleHistory;
  readonly lanes: LaneData;
  readonly marks: readonly Mark[];
}
