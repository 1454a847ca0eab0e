import type { StackFrame } from '../../../debug/backtrace.ts';
import type { GuestInfo } from '../../../debug/guest-info.ts';
import { guestOfTask, guestOnHart } from '../../../debug/process-symbols.ts';
import { processAt } from './address-space.ts';
import type { LookedAt } from './looked-at.ts';

/** A function that was called and has not returned. */
export interface Frame {
  readonly pc: bigint;
  readonly sp: bigint;
  /** `name+0x10 [module]`. */
  readonly name?: string;
  /** `file:line`. */
  readonly line?: string;
}

/** The call stack of a hart or of a process. */
export interface CallStack {
  /** Whose it is. */
  readonly of: string;
  /** Innermost first. A process in the kernel has both. */
  readonly parts: readonly { readonly title: string; readonly frames: readonly Frame[] }[];
}

const LONGEST = 64;

/** @param process whose stack it is, wherever that process is; without one it is that of the hart */
export async function callStack(lookedAt: LookedAt, hart: number, process: number | undefined): Promise<CallStack> {
  const { info } = lookedAt;
  const running = info.current(hart);
  const found = running?.tgid === process ? undefined : processAt(lookedAt, process);
  if (found === undefined) {
    const here = await guestOnHart(info, hart);
    const who = info.hartNote(hart);
    return {
      of: `hart ${hart}${who === '' ? '' : `, which runs ${who}`}`,
      parts: [{ title: '', frames: here.backtrace(hart, LONGEST).map((frame) => described(here, frame)) }],
    };
  }
  const { task } = found;
  const here = await guestOfTask(info, task);
  const stacks = here.taskBacktrace(task);
  return {
    of: `${task.name} (${task.pid}), which is not running`,
    parts: [
      { title: 'In the kernel', frames: stacks.kernel.map((frame) => described(here, frame)) },
      { title: 'In the program', frames: stacks.user.map((frame) => described(here, frame)) },
    ].filter(({ frames }) => frames.length > 0),
  };
}

function described(info: GuestInfo, frame: StackFrame): Frame {
  const name = info.frameName(frame);
  const line = info.line(frame.at);
  return {
    pc: frame.pc,
    sp: frame.sp,
    ...(name !== undefined && { name }),
    ...(line && { line: `${line.file}:${line.line}` }),
  };
}
