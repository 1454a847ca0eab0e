import { readdirSync, readFileSync } from 'node:fs';

/**
 * What times are measured by: `wall` as one waits, `cpu` the time all threads of a process were on a processor, for machines that
 * are busy, `guest` that of the thread that executes the guest.
 */
export type ClockKind = 'wall' | 'cpu' | 'guest';

const onProcessor = (pid: number, task: string): number =>
  Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0]) / 1e6;

/** Milliseconds of CPU time of all threads of a process. Linux only. */
const cpuOf = (pid: number): number =>
  readdirSync(`/proc/${pid}/task`).reduce((sum, task) => sum + onProcessor(pid, task), 0);

/** That of the thread that executes the guest: the first here, the busiest in QEMU. */
const guestOf = (pid: number): number =>
  pid === process.pid
    ? onProcessor(pid, String(pid))
    : Math.max(...readdirSync(`/proc/${pid}/task`).map((task) => onProcessor(pid, task)));

/** A clock in milliseconds. @param pid the process it is for: this one unless given */
export const benchClock = (kind: ClockKind, pid = process.pid): (() => number) =>
  kind === 'wall' ? () => performance.now() : kind === 'cpu' ? () => cpuOf(pid) : () => guestOf(pid);
