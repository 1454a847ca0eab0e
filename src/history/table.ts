import type { Instant } from '../record/door.ts';
import type { Tracer } from './tracer.ts';

/** What a column holds: `instant` is text as `1234` or `1234:5`, by which rows are in order of time as the column before it tells. */
export type ColumnType = 'integer' | 'real' | 'text';

export interface Column {
  readonly name: string;
  readonly type: ColumnType;
  /** What it says, with its unit; for help and documents. */
  readonly about: string;
}

export type Cell = number | string | null;
/** Cells in the order of the table's columns. */
export type HistoryRow = readonly Cell[];

/** What is asked of a table. */
export interface RowFilter {
  /** Only rows of this process. */
  readonly pid?: number;
}

/** A history: a kind of things that happened, each a row with the instant it began at. Stated once; command, SQL and page derive from it. */
export interface HistoryTable {
  readonly name: string;
  readonly about: string;
  readonly columns: readonly Column[];
  /** Rows also tell of what had begun before the replay did: a replay that begins later has other rows, not only fewer. */
  readonly fromBeginning: boolean;
  /**
   * Begins to watch. Rows are complete when they are given: when what they are about has ended.
   * @returns what gives the rows that have not ended when the replay does
   * @throws RangeError when the kernel does not have what is watched
   */
  watch(tracer: Tracer, emit: (row: HistoryRow) => void, filter: RowFilter): () => void;
}

/** Columns that every table begins with. */
export const BEGIN: readonly Column[] = [
  { name: 'instant', type: 'integer', about: 'instructions executed before it: where to seek to' },
  { name: 'time', type: 'real', about: 'guest time, seconds' },
];
/** Columns of things that take time. */
export const END: readonly Column[] = [
  { name: 'end_instant', type: 'integer', about: 'where it ended; null if it had not where the replay ended' },
  { name: 'duration', type: 'real', about: 'guest time it took, seconds' },
];
/** Columns that say whose it is. */
export const WHO: readonly Column[] = [
  { name: 'pid', type: 'integer', about: 'the process' },
  { name: 'tid', type: 'integer', about: 'the thread' },
  { name: 'comm', type: 'text', about: 'the name of the thread' },
];

/** Where and when something was. */
export interface Moment {
  readonly at: Instant;
  /** Nanoseconds of guest time. */
  readonly time: number;
}

export const momentOf = ({ at, time }: Tracer): Moment => ({ at, time });
export const beginCells = ({ at, time }: Moment): Cell[] => [at.instructions, time / 1e9];
export const endCells = (begin: Moment, end: Moment | undefined): Cell[] =>
  end === undefined ? [null, null] : [end.at.instructions, (end.time - begin.time) / 1e9];

/** Says that a table cannot be made of this kernel. */
export function missing(table: string, name: string): RangeError {
  return new RangeError(`the kernel has no function ${name}, which the table ${table} is made from`);
}
