import { CSR, PC, PRV, type RegisterId } from '../machine/view/machine-view.ts';
import type { LinuxKernel } from './kernel.ts';
import { currentTask, type Task } from './tasks.ts';

/** Bytes of a kernel stack where the kernel does not say (Linux arch/riscv/include/asm/thread_info.h). */
const THREAD_SIZE = 16_384n;
const STACK_ALIGN = 16n;
const SEPC = 0x141;
const FCSR = 3;
const FRM = 2;
const FFLAGS = 1;

/** Registers by what they are called; undefined for those that are not kept. */
export type Registers = (id: RegisterId) => bigint | undefined;

/** The hart that runs a task; undefined while it waits for one, or sleeps. */
export function hartOf(kernel: LinuxKernel, task: bigint): number | undefined {
  for (let hart = 0; hart < kernel.view.harts; hart++) if (currentTask(kernel.view, hart) === task) return hart;
  return undefined;
}

/** Address of the registers that a task entered the kernel with: `task_pt_regs` (Linux arch/riscv/include/asm/processor.h). */
export function savedRegistersAt(kernel: LinuxKernel, task: bigint): bigint {
  const size = BigInt(kernel.btf.sizeOf(kernel.btf.struct('pt_regs')));
  const stack = kernel.get('task_struct', task, 'stack');
  return stack + stackSize(kernel) - ((size + STACK_ALIGN - 1n) & ~(STACK_ALIGN - 1n));
}

function stackSize(kernel: LinuxKernel): bigint {
  const from = kernel.symbols.find('__start_init_stack')?.address;
  const to = kernel.symbols.find('__end_init_stack')?.address;
  return from !== undefined && to !== undefined && to > from ? to - from : THREAD_SIZE;
}

/**
 * A task's user-space registers: the hart's while it executes the task's code, otherwise as the kernel saved them when it was entered and when it gave the
 * hart to another task. CSRs beyond those of floating point are not kept.
 */
export function userRegisters(kernel: LinuxKernel, { address: task }: Task): Registers {
  const { view } = kernel;
  const hart = hartOf(kernel, task);
  if (hart !== undefined) {
    if (view.readRegister(hart, PRV) === 0n) return (id) => view.readRegister(hart, id);
    // At the kernel's entry nothing is saved yet.
    if (view.readRegister(hart, PC) === kernel.address('handle_exception')) {
      const registers: Registers = (id) =>
        id.kind === 'prv' ? 0n : view.readRegister(hart, id.kind === 'pc' ? CSR(SEPC) : id);
      return registers;
    }
  }
  const at = savedRegistersAt(kernel, task);
  const saved = (index: number): bigint => kernel.pointer(at + BigInt(8 * index));
  const float = (path: string): bigint => kernel.at('task_struct', task, `thread.fstate.${path}`);
  return (id) => {
    switch (id.kind) {
      case 'pc':
        return saved(0);
      case 'x':
        return id.number === 0 ? 0n : saved(id.number);
      case 'prv':
        return 0n;
      case 'f':
        // The kernel does not touch these: they stay in the hart until another task runs on it.
        return hart === undefined ? kernel.pointer(float('f') + BigInt(8 * id.number)) : view.readRegister(hart, id);
      default: {
        if (id.number > FCSR || id.number < FFLAGS) return undefined;
        if (hart !== undefined) return view.readRegister(hart, id);
        const fcsr = kernel.value(float('fcsr'), 4);
        return id.number === FRM ? (fcsr >> 5n) & 7n : id.number === FFLAGS ? fcsr & 31n : fcsr & 255n;
      }
    }
  };
}

/** Where to put a new value of a user-space register of a task that does not execute its own code; undefined for those that are not kept. */
export function savedRegisterAt(kernel: LinuxKernel, { address: task }: Task, id: RegisterId): bigint | undefined {
  const at = savedRegistersAt(kernel, task);
  if (id.kind === 'pc') return at;
  if (id.kind === 'x' && id.number > 0) return at + BigInt(8 * id.number);
  if (id.kind === 'f' && hartOf(kernel, task) === undefined)
    return kernel.at('task_struct', task, 'thread.fstate.f') + BigInt(8 * id.number);
  return undefined;
}

/** What a backtrace through the kernel begins with; undefined while the task executes its own code. */
export function kernelContext(kernel: LinuxKernel, { address: task }: Task): Registers | undefined {
  const { view } = kernel;
  const hart = hartOf(kernel, task);
  if (hart !== undefined) {
    if (view.readRegister(hart, PRV) === 0n) return undefined;
    const registers: Registers = (id) => view.readRegister(hart, id);
    return registers;
  }
  // As __switch_to left it (Linux arch/riscv/kernel/entry.S).
  const ra = kernel.get('task_struct', task, 'thread.ra');
  const sp = kernel.get('task_struct', task, 'thread.sp');
  const kept = kernel.at('task_struct', task, 'thread.s');
  return (id) => {
    if (id.kind === 'pc') return ra;
    if (id.kind !== 'x') return undefined;
    const { number: n } = id;
    if (n === 1) return ra;
    if (n === 2) return sp;
    if (n === 4) return task;
    const saved = n === 8 || n === 9 ? n - 8 : n >= 18 && n <= 27 ? n - 16 : -1;
    return saved < 0 ? undefined : kernel.pointer(kept + BigInt(8 * saved));
  };
}
