import type { Task } from '../../../linux/tasks.ts';
import type { LookedAt } from './looked-at.ts';

/** A process of the guest. */
export interface ProcessInTree {
  readonly pid: number;
  readonly parent: number;
  readonly name: string;
  /** As `ps` shows it: R S D T t I Z X. */
  readonly state: string;
  /** A thread of the kernel itself. */
  readonly ofKernel: boolean;
  /** The hart that runs it here. */
  readonly hart?: number;
  /** How many ancestors it has. */
  readonly depth: number;
}

/** The processes of the guest's Linux as a tree: each follows its parent. Undefined before the kernel is up. */
export function processes({ view, info }: LookedAt): readonly ProcessInTree[] | undefined {
  if (info.kernel() === undefined) return undefined;
  const all = info.processes().filter(({ pid }) => pid !== 0);
  const running = new Map(Array.from({ length: view.harts }, (_, hart) => [info.current(hart)?.tgid, hart]));
  const known = new Set(all.map(({ pid }) => pid));
  const children = new Map<number, Task[]>();
  for (const task of all) {
    const parent = known.has(task.parent) ? task.parent : 0;
    children.set(parent, [...(children.get(parent) ?? []), task]);
  }
  const tree: ProcessInTree[] = [];
  const add = (parent: number, depth: number): void => {
    for (const { pid, parent: of, name, state, mm } of children.get(parent) ?? []) {
      const hart = running.get(pid);
      tree.push({ pid, parent: of, name, state, ofKernel: mm === 0n, depth, ...(hart !== undefined && { hart }) });
      add(pid, depth + 1);
    }
  };
  add(0, 0);
  return tree;
}
