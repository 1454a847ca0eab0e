import type { LinuxKernel } from '../linux/kernel.ts';
import { compareInstants, type HostEvent, type Instant } from '../record/door.ts';
import { Interrupted, type MoveOptions } from '../timeline/driver.ts';
import type { Timeline } from '../timeline/timeline.ts';
import { readHistory } from './read.ts';
import type { HistoryRow } from './table.ts';
import { processes } from './tables/processes.ts';
import { syscalls } from './tables/syscalls.ts';

/** Where two recordings part. */
export interface Parting {
  /** The last instant at which the machines were the same; undefined when they began as different ones. */
  readonly same: Instant | undefined;
  /** The shorter recording is the beginning of the other. */
  readonly contained: boolean;
  /** The inputs that came next, in each. */
  readonly events: readonly [HostEvent | undefined, HostEvent | undefined];
}

/**
 * The last instruction before which two recordings' machines had the same state, by halving: a machine is a function of what entered it, so
 * what has parted stays apart. Moves both timelines, to the instant found. @throws Interrupted
 */
export async function findParting(a: Timeline, b: Timeline, options: MoveOptions = {}): Promise<Parting> {
  const sameAt = async (instructions: number): Promise<boolean> => {
    for (const timeline of [a, b])
      if ((await timeline.seek(instructions, options)).reason === 'interrupted') throw new Interrupted();
    return compareInstants(a.at, b.at) === 0 && a.hash() === b.hash();
  };
  let low = Math.max(a.begin.instructions, b.begin.instructions);
  let high = Math.min(a.end.instructions, b.end.instructions);
  const next = (): Parting['events'] => [a.events[a.nextEvent], b.events[b.nextEvent]];
  if (a.begin.instructions !== b.begin.instructions || !(await sameAt(low)))
    return { same: undefined, contained: false, events: next() };
  if (await sameAt(high)) return { same: { ...a.at }, contained: true, events: next() };
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (await sameAt(middle)) low = middle;
    else high = middle;
  }
  await sameAt(low);
  return { same: { instructions: low, sequence: 0 }, contained: false, events: next() };
}

/** The first rows that differ; undefined where a recording has no more. */
export interface FirstDifference {
  readonly table: 'processes' | 'syscalls';
  readonly rows: readonly [HistoryRow | undefined, HistoryRow | undefined];
}

/** Columns that say what happened, not when: addresses in them differ between runs that do the same. */
const COMPARED: Readonly<Record<FirstDifference['table'], readonly string[]>> = {
  processes: ['pid', 'parent', 'command', 'began', 'ended', 'status'],
  syscalls: ['tid', 'name', 'args', 'result'],
};

const meaning = (row: HistoryRow | undefined, columns: readonly number[]): string =>
  JSON.stringify(columns.map((i) => (typeof row?.[i] === 'string' ? row[i].replace(/0x[0-9a-f]+/g, '0x') : row?.[i])));

/**
 * The first program and the first system call in which two recordings differ, in order of their beginnings, from an instant on. Moves both.
 * @throws Interrupted
 */
export async function firstDifferences(
  sides: readonly (readonly [Timeline, LinuxKernel])[],
  from: Instant | undefined,
  options: MoveOptions = {},
): Promise<FirstDifference[]> {
  const tables = [processes, syscalls];
  const read = await Promise.all(
    sides.map(async ([timeline, kernel]) => {
      const rows = new Map(tables.map((table) => [table, [] as HistoryRow[]]));
      const start = from ?? timeline.begin;
      const emit = (table: (typeof tables)[number], row: HistoryRow): void => void rows.get(table)!.push(row);
      const end = await readHistory(timeline, kernel, tables, emit, { ...options, from: start });
      if (end === 'interrupted') throw new Interrupted();
      for (const list of rows.values()) list.sort((one, other) => Number(one[0]) - Number(other[0]));
      return rows;
    }),
  );
  const found: FirstDifference[] = [];
  for (const table of tables) {
    const name = table.name as FirstDifference['table'];
    const columns = COMPARED[name].map((column) => table.columns.findIndex((c) => c.name === column));
    const [a, b] = read.map((rows) => rows.get(table)!);
    for (let i = 0; i < Math.max(a.length, b.length); i++) {
      if (meaning(a[i], columns) === meaning(b[i], columns)) continue;
      found.push({ table: name, rows: [a[i], b[i]] });
      break;
    }
  }
  return found;
}
