import { CurrentTasks } from '../linux/current-tasks.ts';
import type { LinuxKernel } from '../linux/kernel.ts';
import { currentTask, findTask, readTask, type Task, tasks } from '../linux/tasks.ts';
import { savedRegistersAt } from '../linux/threads.ts';
import type { EngineView } from '../machine/view/engine-view.ts';
import { X } from '../machine/view/machine-view.ts';
import type { MoveOptions } from '../timeline/driver.ts';
import type { GuestInfo } from './guest-info.ts';
import { DebugError, type DebugTarget } from './target.ts';

/** Exception code of `ecall` from U-mode. */
const ECALL = 8n;

/**
 * Finds a process by number or name. One that is no more at this instant is gone to: to where its fault was made, or where it ended.
 * @returns its number @throws DebugError when there was none before this instant
 */
export async function findProcess(
  target: DebugTarget,
  guestInfo: GuestInfo,
  which: string,
  options: MoveOptions = {},
): Promise<number> {
  const kernel = guestInfo.kernel();
  if (!kernel)
    throw new DebugError('no Linux kernel with kallsyms and BTF is in memory at this instant: seek to a later one');
  const number = /^[0-9]+$/.test(which) ? Number(which) : undefined;
  const matches = (task: Task): boolean =>
    number === undefined ? task.name === which && task.pid === task.tgid : task.pid === number;
  const alive = number === undefined ? tasks(kernel).filter(matches) : [findTask(kernel, number)].filter((t) => !!t);
  const running = alive.filter((t) => t.mm !== 0n);
  if (running.length > 1)
    throw new DebugError(
      `${running.length} processes are called ${which}: give one of their numbers, ${running.map((t) => t.pid).join(', ')}`,
    );
  if (running.length === 1) return running[0].tgid;
  if (alive.length === 1 && alive[0].state !== 'Z')
    throw new DebugError(`${which} has no memory of its own: it is a kernel thread`);
  return goToEnd(target, kernel, which, matches, options);
}

/** Goes back to the end of a process. */
async function goToEnd(
  target: DebugTarget,
  kernel: LinuxKernel,
  which: string,
  matches: (task: Task) => boolean,
  { signal, onProgress }: MoveOptions,
): Promise<number> {
  const { mover } = target;
  const from = mover.at;
  const leader = (view: EngineView, hart: number): Task =>
    readTask(kernel, kernel.get('task_struct', currentTask(view, hart), 'group_leader'));
  const end = await mover.reverseContinue(
    { execute: kernel.address('do_group_exit'), when: (view, hart) => matches(leader(view, hart)) },
    { signal, onProgress },
  );
  if (!end.hit) {
    await mover.seek(from);
    throw new DebugError(
      end.reason === 'interrupted' ? 'interrupted' : `no process ${which} is there at this instant, nor was before`,
    );
  }
  const { tgid, address } = leader(target, end.hart);
  const code = target.readRegister(end.hart, X(10))! & 0x7fn;
  const cause = kernel.get('pt_regs', savedRegistersAt(kernel, currentTask(target, end.hart)), 'cause');
  if (code === 0n || cause === ECALL || cause >> 63n === 1n || address === 0n) return tgid;
  // It ended by a fault: its other threads are still whole where that was made.
  const current = new CurrentTasks(kernel);
  const there = mover.at;
  const fault = await mover.reverseContinue(
    { execute: kernel.address('force_sig_fault'), when: (view, hart) => current.tgid(view, hart) === tgid },
    { signal, near: true },
  );
  if (!fault.hit) await mover.seek(there);
  return tgid;
}
