import type { MachineView } from '../machine/view/machine-view.ts';
import type { LinuxKernel } from './kernel.ts';
import { currentTask } from './tasks.ts';

/**
 * Which thread a hart runs, for conditions that are asked often. Tasks lie in the kernel's linear mapping, which never changes: each is translated
 * once.
 */
export class CurrentTasks {
  private readonly kernel: LinuxKernel;
  private readonly pidOffset: bigint;
  private readonly tgidOffset: bigint;
  private readonly physical = new Map<bigint, bigint>();

  constructor(kernel: LinuxKernel) {
    this.kernel = kernel;
    this.pidOffset = BigInt(kernel.field('task_struct', 'pid').offset);
    this.tgidOffset = BigInt(kernel.field('task_struct', 'tgid').offset);
  }

  /** Number of the thread; undefined while the kernel has not set up tasks. */
  pid(view: MachineView, hart: number): number | undefined {
    return this.read(view, hart, this.pidOffset);
  }

  /** Number of its process. */
  tgid(view: MachineView, hart: number): number | undefined {
    return this.read(view, hart, this.tgidOffset);
  }

  private read(view: MachineView, hart: number, offset: bigint): number | undefined {
    const task = currentTask(view, hart);
    if (task >> 63n === 0n) return undefined;
    let at = this.physical.get(task);
    if (at === undefined) {
      at = this.kernel.resolve(task);
      if (at === undefined) return undefined;
      this.physical.set(task, at);
    }
    const value = view.readNumber(at + offset, 4);
    return value === undefined ? undefined : Number(value);
  }
}
