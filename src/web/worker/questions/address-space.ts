import type { LinuxKernel } from '../../../linux/kernel.ts';
import { findTask, type Task } from '../../../linux/tasks.ts';
import type { Resolve } from '../../../machine/view/page-table.ts';
import { resolver } from '../../../machine/view/virtual-memory.ts';
import type { LookedAt } from './looked-at.ts';

/** The process that the focus is on, where it is alive here. */
export function processAt(
  { info }: LookedAt,
  process: number | undefined,
): { readonly kernel: LinuxKernel; readonly task: Task } | undefined {
  if (process === undefined) return undefined;
  const kernel = info.kernel();
  const task = kernel && findTask(kernel, process);
  return kernel && task && { kernel, task };
}

/** How addresses are read: as a process sees them, or without one as the hart does. */
export function addressSpace(lookedAt: LookedAt, hart: number, process: number | undefined): Resolve {
  const found = processAt(lookedAt, process);
  if (found === undefined) return resolver(lookedAt.view, hart);
  const { kernel, task } = found;
  const own = task.mm === 0n ? undefined : lookedAt.info.userAddresses(kernel, task);
  return (address) => (address >> 63n === 1n ? kernel.resolve(address) : own?.(address));
}
