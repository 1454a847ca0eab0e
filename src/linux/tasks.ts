import { CSR, type MachineView, X } from '../machine/view/machine-view.ts';
import type { LinuxKernel } from './kernel.ts';

/** A thread of the guest's Linux. */
export interface Task {
  /** Address of its task_struct. */
  readonly address: bigint;
  /** The thread's number, and that of its process. */
  readonly pid: number;
  readonly tgid: number;
  readonly parent: number;
  readonly name: string;
  /** As `ps` shows it: R S D T t I Z X. */
  readonly state: string;
  /** Address of its mm_struct; 0 for kernel threads. */
  readonly mm: bigint;
  readonly cpu: number;
}

const SSCRATCH = 0x140;
const TP = 4;

/** exit_state of a task that is no more. */
const EXIT_DEAD = 0x10;
/** __state of an idle kernel thread: uninterruptible, not counted as load. */
const IDLE = 0x402;

function stateLetter(state: number, exit: number): string {
  if (exit & 0x20) return 'Z';
  if (exit & EXIT_DEAD) return 'X';
  if ((state & IDLE) === IDLE) return 'I';
  if (state & 1) return 'S';
  if (state & 2) return 'D';
  if (state & 4) return 'T';
  if (state & 8) return 't';
  return 'R';
}

/** Reads one task_struct. */
export function readTask(kernel: LinuxKernel, address: bigint): Task {
  const number = (path: string): number => Number(BigInt.asIntN(32, kernel.get('task_struct', address, path)));
  const comm = kernel.field('task_struct', 'comm');
  const parent = kernel.get('task_struct', address, 'real_parent');
  return {
    address,
    pid: number('pid'),
    tgid: number('tgid'),
    parent: parent === 0n ? 0 : Number(kernel.get('task_struct', parent, 'tgid')),
    name: kernel.text(address + BigInt(comm.offset), comm.size),
    state: stateLetter(number('__state'), number('exit_state')),
    mm: kernel.get('task_struct', address, 'mm'),
    cpu: number('thread_info.cpu'),
  };
}

/** All processes' leaders, or all threads, in order of their numbers. Idle tasks are left out. */
export function tasks(kernel: LinuxKernel, threads = false): Task[] {
  const out: Task[] = [];
  const init = kernel.address('init_task');
  for (const leader of kernel.list(kernel.at('task_struct', init, 'tasks'), 'task_struct', 'tasks')) {
    if (!threads) {
      out.push(readTask(kernel, leader));
      continue;
    }
    out.push(...threadsOf(kernel, leader));
  }
  return out.sort((a, b) => a.pid - b.pid);
}

/** The threads of a process. @param leader address of the task_struct of any of them */
export function threadsOf(kernel: LinuxKernel, leader: bigint): Task[] {
  const signal = kernel.get('task_struct', leader, 'signal');
  if (signal === 0n) return [];
  const all = kernel.list(kernel.at('signal_struct', signal, 'thread_head'), 'task_struct', 'thread_node');
  return [...all].map((task) => readTask(kernel, task));
}

/** Whether a task_struct at an address is that of a living process's leader: what was there at another instant may be gone. */
export function isLeader(kernel: LinuxKernel, address: bigint, pid: number): boolean {
  const number = (path: string): number => Number(kernel.get('task_struct', address, path));
  return number('pid') === pid && number('tgid') === pid && (number('exit_state') & EXIT_DEAD) === 0;
}

/**
 * Address of the task a hart runs: while user code runs sscratch holds it, in the kernel it is 0 and tp does (Linux
 * arch/riscv/kernel/entry.S).
 */
export function currentTask(view: MachineView, hart: number): bigint {
  const scratch = view.readRegister(hart, CSR(SSCRATCH)) ?? 0n;
  return scratch !== 0n ? scratch : (view.readRegister(hart, X(TP)) ?? 0n);
}

/** Who tasks are, for those who ask very often. Task_structs lie where the kernel maps all of RAM, or in its image. */
export class TaskNames {
  private readonly kernel: LinuxKernel;
  private readonly tgidAt: bigint;
  private readonly pidAt: bigint;
  private readonly commAt: bigint;
  private readonly commSize: number;
  /** By their first eight bytes, then by the others. */
  private readonly names = new Map<bigint, Map<bigint, string>>();

  constructor(kernel: LinuxKernel) {
    this.kernel = kernel;
    const at = (path: string): bigint => BigInt(kernel.field('task_struct', path).offset);
    this.tgidAt = at('tgid');
    this.pidAt = at('pid');
    this.commAt = at('comm');
    this.commSize = kernel.field('task_struct', 'comm').size;
  }

  /** Number of the process. @param task address of the task_struct */
  tgid(task: bigint): number {
    return Number(BigInt.asIntN(32, this.kernel.value(task + this.tgidAt, 4)));
  }

  /** Number of the thread. */
  pid(task: bigint): number {
    return Number(BigInt.asIntN(32, this.kernel.value(task + this.pidAt, 4)));
  }

  comm(task: bigint): string {
    const { kernel, names } = this;
    const at = task + this.commAt;
    // TASK_COMM_LEN is 16 (Linux include/linux/sched.h).
    if (this.commSize !== 16) return kernel.text(at, this.commSize);
    const first = kernel.value(at, 8);
    const second = kernel.value(at + 8n, 8);
    let byFirst = names.get(first);
    if (byFirst === undefined) names.set(first, (byFirst = new Map()));
    let name = byFirst.get(second);
    if (name === undefined) byFirst.set(second, (name = kernel.text(at, this.commSize)));
    return name;
  }
}

/** The task a hart runs; undefined while the kernel has not set it up. */
export function currentOn(kernel: LinuxKernel, hart: number): Task | undefined {
  const address = currentTask(kernel.view, hart);
  if (address >> 63n === 0n || kernel.resolve(address) === undefined) return undefined;
  const task = readTask(kernel, address);
  return task.name !== '' && task.pid >= 0 ? task : undefined;
}

/** A thread by number. */
export const findTask = (kernel: LinuxKernel, pid: number): Task | undefined =>
  tasks(kernel, true).find((t) => t.pid === pid);
