import type { LinuxKernel } from '../linux/kernel.ts';
import { tasks } from '../linux/tasks.ts';
import type { MoveOptions } from '../timeline/driver.ts';
import type { Timeline } from '../timeline/timeline.ts';
import { readHistory } from './read.ts';
import { scheduling } from './tables/scheduling.ts';

/** What a process did in a stretch of time. */
export interface Usage {
  readonly pid: number;
  readonly comm: string;
  /** As `ps` shows it, at the end of the stretch; X for one that has ended. */
  readonly state: string;
  /** Nanoseconds of guest time that its threads had harts. */
  readonly time: number;
  /** Bytes of RAM that it has mapped, at the end of the stretch. */
  readonly resident: number;
}

const PAGE = 4096;
/** Counters of struct mm_struct's rss_stat: pages of files, anonymous and shared memory (Linux include/linux/mm_types_task.h). */
const RESIDENT = [0, 1, 3];
/** What each of them is. */
const COUNTER = 'percpu_counter';

/**
 * What processes did in the time before where the timeline is, the busiest first; all that are there, and those that ended in it. Moves, and goes back.
 * @param nanoseconds how long before @returns undefined when the signal ended it
 */
export async function usageBefore(
  timeline: Timeline,
  kernel: LinuxKernel,
  nanoseconds: number,
  options: MoveOptions = {},
): Promise<readonly Usage[] | undefined> {
  const end = { ...timeline.at };
  const { time } = timeline.engine;
  const state = new Map<number, Usage>();
  for (const { pid, name, state: letter, mm } of tasks(kernel))
    state.set(pid, { pid, comm: name, state: letter, time: 0, resident: mm === 0n ? 0 : residentBytes(kernel, mm) });
  const from = (await timeline.seek({ guestTime: Math.max(timeline.beginTime, (time - nanoseconds) / 1e9) }, options))
    .at;
  const add = (pid: number, comm: string, took: number): void => {
    const known = state.get(pid) ?? { pid, comm, state: 'X', time: 0, resident: 0 };
    state.set(pid, { ...known, time: known.time + took });
  };
  const column = (name: string): number => scheduling.columns.findIndex((c) => c.name === name);
  const [began, took, pid, comm] = ['time', 'duration', 'pid', 'comm'].map(column);
  const reason = await readHistory(
    timeline,
    kernel,
    [scheduling],
    (_, row) => {
      const duration = row[took] === null ? time - Number(row[began]) * 1e9 : Number(row[took]) * 1e9;
      // Idle tasks are nobody's.
      if (row[pid] !== 0) add(Number(row[pid]), String(row[comm]), duration);
    },
    { ...options, from, until: end },
  );
  await timeline.seek(end);
  if (reason === 'interrupted') return undefined;
  return [...state.values()].sort((a, b) => b.time - a.time || a.pid - b.pid);
}

/** Memory of a process that lies in RAM. What a hart has not yet added to the sum is left out. */
export function residentBytes(kernel: LinuxKernel, mm: bigint): number {
  const size = BigInt(kernel.btf.sizeOf(kernel.btf.struct(COUNTER)));
  const first = kernel.at('mm_struct', mm, 'rss_stat');
  const pages = RESIDENT.map((i) => BigInt.asIntN(64, kernel.get(COUNTER, first + size * BigInt(i), 'count')));
  return Math.max(0, Number(pages.reduce((sum, count) => sum + count, 0n))) * PAGE;
}
