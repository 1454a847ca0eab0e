import type { GuestInfo } from '../../debug/guest-info.ts';
import { X } from '../../machine/view/machine-view.ts';
import { readNumber } from '../../machine/view/virtual-memory.ts';
import type { Breakpoint } from '../../timeline/breakpoints.ts';
import type { MoveOptions } from '../../timeline/driver.ts';
import type { MoveResult, Mover } from '../../timeline/mover.ts';
import type { StepKind } from './protocol.ts';

/** Where Linux handles a system call, before it looks at which. */
export const SYSCALL_ENTRY = 'do_trap_ecall_u';
const SP = 2;

/** A step cannot be made, and why. */
class NoSuchStepError extends Error {
  override readonly name = 'NoSuchStepError';
}

/** Moves by instructions, by functions and by system calls, both ways. */
export function step(
  mover: Mover,
  info: GuestInfo,
  kind: StepKind,
  direction: 1 | -1,
  hart: number,
  options: MoveOptions,
): Promise<MoveResult> {
  switch (kind) {
    case 'instruction':
      return direction > 0 ? mover.step(1, { ...options, hart }) : mover.reverseStep(1, { ...options, hart });
    case 'function':
      return direction > 0 ? finish(mover, info, hart, options) : toCall(mover, info, hart, options);
    case 'syscall':
      return toSyscall(mover, info, direction, options);
  }
}

/** Out of the function, to where it returns to. */
function finish(mover: Mover, info: GuestInfo, hart: number, options: MoveOptions): Promise<MoveResult> {
  const caller = callerOf(info, hart);
  return mover.continue([pointAt(caller.pc, hart, caller.sp)], options);
}

/** Back to where the function was called. */
async function toCall(mover: Mover, info: GuestInfo, hart: number, options: MoveOptions): Promise<MoveResult> {
  const caller = callerOf(info, hart);
  return mover.reverseContinue([pointAt(caller.at, hart, caller.sp)], { ...options, near: true });
}

function callerOf(info: GuestInfo, hart: number): { readonly pc: bigint; readonly at: bigint; readonly sp: bigint } {
  const caller = info.backtrace(hart, 2)[1];
  if (caller === undefined) throw new NoSuchStepError('there is no caller to be found from here: the call stack ends');
  return { pc: caller.pc, at: callBefore(caller.pc, info, hart), sp: caller.sp };
}

/** The call before a return address: of 4 bytes, or of 2 where that is a compressed one (c.jalr: 1001 rs1 00000 10). */
function callBefore(returnTo: bigint, info: GuestInfo, hart: number): bigint {
  const half = readNumber(info.view, hart, returnTo - 2n, 2) ?? 0n;
  return (half & 0xf07fn) === 0x9002n ? returnTo - 2n : returnTo - 4n;
}

/** An instruction, with the stack of the frame it is of. */
const pointAt = (address: bigint, hart: number, sp: bigint): Breakpoint => ({
  kind: 'execute',
  start: address,
  end: address + 1n,
  hart,
  when: (view, h) => view.readRegister(h, X(SP)) === sp,
});

function toSyscall(mover: Mover, info: GuestInfo, direction: 1 | -1, options: MoveOptions): Promise<MoveResult> {
  const entry = info.address(SYSCALL_ENTRY);
  if (entry === undefined)
    throw new NoSuchStepError(`the guest's kernel is not one whose system calls are found: it has no ${SYSCALL_ENTRY}`);
  const what = { execute: entry };
  return direction > 0 ? mover.continue(what, options) : mover.reverseContinue(what, options);
}
