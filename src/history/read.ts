import type { LinuxKernel } from '../linux/kernel.ts';
import type { MoveOptions } from '../timeline/driver.ts';
import type { Destination, Mover } from '../timeline/mover.ts';
import type { SearchEnd } from '../timeline/search.ts';
import { reachKernel } from './kernel-start.ts';
import type { HistoryRow, HistoryTable, RowFilter } from './table.ts';
import { Tracer } from './tracer.ts';

/** What is read, and of what part of the past. */
export interface HistoryOptions extends MoveOptions, RowFilter {
  /** Where the replay begins; the recording's beginning, if not said. */
  readonly from?: Destination;
  /** Where it ends: what has not ended there has no end. */
  readonly until?: SearchEnd;
}

/**
 * Replays a part of the past once and gives the rows of some tables, each when what it is about has ended; at the end those of what has not.
 * @returns `interrupted` when the signal ended it: the rows given so far are right @throws RangeError when the kernel lacks what a table needs
 */
export async function readHistory(
  mover: Mover,
  kernel: LinuxKernel,
  tables: readonly HistoryTable[],
  emit: (table: HistoryTable, row: HistoryRow) => void,
  options: HistoryOptions = {},
): Promise<'end' | 'interrupted'> {
  const { from, until = {}, pid, ...moving } = options;
  if ((await mover.seek(from ?? mover.begin, moving)).reason === 'interrupted') return 'interrupted';
  await reachKernel(mover, kernel, moving);
  const tracer = new Tracer(mover, kernel);
  const filter = { ...(pid !== undefined && { pid }) };
  const rests = tables.map((table) => table.watch(tracer, (row) => emit(table, row), filter));
  const begun = mover.at.instructions < (until.instructions ?? Infinity);
  const reason = begun ? await tracer.run(until, moving) : 'there';
  for (const rest of rests) rest();
  return reason === 'interrupted' ? 'interrupted' : 'end';
}
