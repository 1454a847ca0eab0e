import type { LinuxKernel } from '../linux/kernel.ts';
import { openFiles } from '../linux/open-files.ts';
import { tasks } from '../linux/tasks.ts';
import { residentBytes } from './top.ts';

/** A process at an instant. */
export interface ProcessState {
  readonly pid: number;
  readonly comm: string;
  readonly parent: number;
  /** As `ps` shows it. */
  readonly state: string;
  /** Bytes of RAM that it has mapped. */
  readonly resident: number;
  /** Names of its open files by their numbers. */
  readonly files: ReadonlyMap<number, string>;
}

/** What became of a process between two instants. */
export interface ProcessChange {
  /** `changed`: it is there at both, its name, state, memory or files are others. */
  readonly change: 'started' | 'ended' | 'changed';
  readonly before: ProcessState | undefined;
  readonly after: ProcessState | undefined;
  /** Files that are open at one of the two instants only: `3: /etc/hosts`. */
  readonly opened: readonly string[];
  readonly closed: readonly string[];
}

/** The guest's processes where the machine is, by their numbers. */
export function processStates(kernel: LinuxKernel): ReadonlyMap<number, ProcessState> {
  return new Map(
    tasks(kernel).map((task) => {
      const { pid, name: comm, parent, state, mm } = task;
      const files = new Map(openFiles(kernel, task).map(({ number, name }) => [number, name]));
      return [pid, { pid, comm, parent, state, resident: mm === 0n ? 0 : residentBytes(kernel, mm), files }];
    }),
  );
}

/** What differs between the processes at two instants, in the order of their numbers. */
export function compareProcesses(
  before: ReadonlyMap<number, ProcessState>,
  after: ReadonlyMap<number, ProcessState>,
): ProcessChange[] {
  const changes: ProcessChange[] = [];
  for (const pid of [...new Set([...before.keys(), ...after.keys()])].sort((a, b) => a - b)) {
    const [one, other] = [before.get(pid), after.get(pid)];
    const only = (a: ProcessState | undefined, b: ProcessState | undefined): string[] =>
      [...(a?.files ?? [])].filter(([n, name]) => b?.files.get(n) !== name).map(([n, name]) => `${n}: ${name}`);
    const [opened, closed] = [only(other, one), only(one, other)];
    const change = one === undefined ? 'started' : other === undefined ? 'ended' : 'changed';
    const same =
      one !== undefined &&
      other !== undefined &&
      (['comm', 'parent', 'state', 'resident'] as const).every((field) => one[field] === other[field]);
    if (!same || opened.length + closed.length > 0) changes.push({ change, before: one, after: other, opened, closed });
  }
  return changes;
}
