import type { LinuxKernel } from '../linux/kernel.ts';
import { currentTask, TaskNames } from '../linux/tasks.ts';
import { savedRegistersAt } from '../linux/threads.ts';
import type { EngineView } from '../machine/view/engine-view.ts';
import { X } from '../machine/view/machine-view.ts';
import type { Instant } from '../record/door.ts';
import type { Breakpoint, Hit } from '../timeline/breakpoints.ts';
import type { MoveOptions } from '../timeline/driver.ts';
import type { MoveResult, Mover } from '../timeline/mover.ts';
import type { SearchEnd } from '../timeline/search.ts';

const RA = 1;
const SP = 2;
const A0 = 10;

/** Called where a function begins or has returned; the machine is before the instruction. */
type Handler = (hart: number) => void;

/** Who runs on a hart. */
export interface Who {
  readonly pid: number;
  readonly tid: number;
  readonly comm: string;
}

/** Replays once for many who want to hear of the kernel's functions. */
export class Tracer {
  readonly mover: Mover;
  readonly kernel: LinuxKernel;
  readonly view: EngineView;
  private readonly names: TaskNames;
  private readonly entries = new Map<bigint, Handler[]>();
  /** Calls under way by the address they return to. An address stays when its calls are over: they come again. */
  private readonly returns = new Map<bigint, { readonly sp: bigint; readonly then: Handler }[]>();

  constructor(mover: Mover, kernel: LinuxKernel) {
    this.mover = mover;
    this.kernel = kernel;
    this.view = mover.view;
    this.names = new TaskNames(kernel);
    // What a thread that ends was in never returns, and its stack is another one's soon.
    this.on('do_task_dead', (hart) => this.dropCalls(currentTask(this.view, hart)));
  }

  /** Hears of each call of a function. @returns false when the kernel has no such function */
  on(name: string, handler: Handler): boolean {
    const address = this.kernel.symbols.find(name)?.address;
    if (address === undefined) return false;
    const list = this.entries.get(address);
    if (list === undefined) this.entries.set(address, [handler]);
    else list.push(handler);
    return true;
  }

  /** In a handler at a function's beginning: hears of the return of this call. */
  returned(hart: number, then: Handler): void {
    const to = this.register(hart, RA);
    const call = { sp: this.register(hart, SP), then };
    const list = this.returns.get(to);
    if (list === undefined) this.returns.set(to, [call]);
    else list.push(call);
  }

  /** An argument of the function that begins, from 0; the result of one that has returned is 0. */
  argument(hart: number, n: number): bigint {
    return this.register(hart, A0 + n);
  }

  get at(): Instant {
    return this.view.instant;
  }

  /** Guest time in nanoseconds. */
  get time(): number {
    return this.view.engine.time;
  }

  /** The task that a hart runs, and of which process it is. */
  who(hart: number): Who {
    return this.whoIs(currentTask(this.view, hart));
  }

  /** Who a task is. @param task address of its task_struct */
  whoIs(task: bigint): Who {
    const { names } = this;
    return { pid: names.tgid(task), tid: names.pid(task), comm: names.comm(task) };
  }

  /** Runs forward to an instant or the end. */
  async run(until: SearchEnd, options: MoveOptions = {}): Promise<MoveResult['reason']> {
    let pass = false;
    for (;;) {
      const addresses = new Set([...this.entries.keys(), ...this.returns.keys()]);
      const points = [...addresses].map((start): Breakpoint => ({ kind: 'execute', start, end: start + 1n }));
      const { reason } = await this.mover.scan(points, until, (hit) => this.met(hit), { ...options, pass });
      if (reason !== 'hit') return reason;
      pass = true;
    }
  }

  /** @returns whether to go on without looking at the points again */
  private met({ pc, hart }: Hit): boolean {
    const known = this.returns.size;
    const calls = this.returns.get(pc);
    if (calls !== undefined && calls.length > 0) {
      // A task may have moved to another hart; its kernel stack has not moved.
      const sp = this.register(hart, SP);
      for (let i = calls.length - 1; i >= 0; i--) {
        if (calls[i].sp !== sp) continue;
        const [{ then }] = calls.splice(i, 1);
        then(hart);
      }
    }
    for (const handler of this.entries.get(pc) ?? []) handler(hart);
    return this.returns.size === known;
  }

  private dropCalls(task: bigint): void {
    const from = this.kernel.get('task_struct', task, 'stack');
    const to = savedRegistersAt(this.kernel, task);
    for (const [address, calls] of this.returns)
      this.returns.set(
        address,
        calls.filter(({ sp }) => sp < from || sp > to),
      );
  }

  private register(hart: number, number: number): bigint {
    return this.view.readRegister(hart, X(number)) ?? 0n;
  }
}
