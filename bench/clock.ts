import { readdirSync, readFileSync } from 'node:fs';

/** What times are measured by: `wall` as one waits, `cpu` the time all threads of a process were on a processor, for machines that are busy. */
export type ClockKind = 'wall' | 'cpu';

/** Milliseconds of CPU time of all threads of a process. Linux only. */
function cpuOf(pid: number): number {
  const tasks = `/proc/${pid}/task`;
  return (
    readdirSync(tasks).reduce(
      (sum, task) => sum + Number(readFileSync(`${tasks}/${task}/schedstat`, 'utf8').split(' ')[0]),
      0,
    ) / 1e6
  );
}

/** A clock in milliseconds. @param pid the process it is for: this one unless given */
export const benchClock = (kind: ClockKind, pid = process.pid): (() => number) =>
  kind === 'wall' ? () => performance.now() : () => cpuOf(pid);
