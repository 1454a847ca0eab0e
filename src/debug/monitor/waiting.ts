import { ARGUMENT_TEXT } from '../../linux/flags.ts';
import type { LinuxKernel } from '../../linux/kernel.ts';
import { openFiles } from '../../linux/open-files.ts';
import { readSyscalls, type SyscallType } from '../../linux/syscalls.ts';
import type { Task } from '../../linux/tasks.ts';
import { hartOf, savedRegistersAt } from '../../linux/threads.ts';
import type { GuestInfo } from '../guest-info.ts';

/** What a thread waits for. */
export interface Waiting {
  /** The kernel's function that it sleeps in, as /proc/PID/wchan shows it; undefined for one that could run. */
  readonly channel?: string;
  /** The system call that it is in. */
  readonly call?: string;
}

const ECALL = 8n;
/** State letters of threads that sleep. */
const ASLEEP = /^[SDTtI]$/;
const LONGEST_TEXT = 64;
const calls = new WeakMap<LinuxKernel, ReadonlyMap<number, SyscallType>>();

/** @param task a thread */
export function waitingFor(guest: GuestInfo, kernel: LinuxKernel, task: Task): Waiting {
  const channel = channelOf(guest, kernel, task);
  const call = callOf(guest, kernel, task);
  return { ...(channel !== undefined && { channel }), ...(call !== undefined && { call }) };
}

/** The first function on its stack that is not the scheduler's own (Linux kernel/sched/core.c, get_wchan()). */
function channelOf(guest: GuestInfo, kernel: LinuxKernel, task: Task): string | undefined {
  if (hartOf(kernel, task.address) !== undefined || !ASLEEP.test(task.state)) return undefined;
  const scheduler = [kernel.symbols.find('__sched_text_start'), kernel.symbols.find('__sched_text_end')];
  const frames = guest.taskBacktrace(task).kernel;
  const outside = frames.find(({ at }) => {
    if (guest.near(at)?.name === '__switch_to') return false;
    const [from, to] = scheduler;
    return from === undefined || to === undefined || at < from.address || at >= to.address;
  });
  return outside && guest.near(outside.at)?.name;
}

function callOf(guest: GuestInfo, kernel: LinuxKernel, task: Task): string | undefined {
  if (task.mm === 0n) return undefined;
  const hart = hartOf(kernel, task.address);
  // One that executes its own code has registers of an earlier call.
  if (hart !== undefined && kernel.view.readRegister(hart, { kind: 'prv' }) === 0n) return undefined;
  const at = savedRegistersAt(kernel, task.address);
  const get = (path: string): bigint => kernel.get('pt_regs', at, path);
  if (get('cause') !== ECALL) return undefined;
  const number = Number(BigInt.asIntN(32, get('a7')));
  const type = callTypes(kernel).get(number);
  if (type === undefined) return `system call ${number}`;
  const values = [get('orig_a0'), ...['a1', 'a2', 'a3', 'a4', 'a5'].map(get)];
  const text = type.parameters.map(({ name, type: of }, i) => {
    const value = values[i];
    const named = ARGUMENT_TEXT[`${type.name}.${name}`];
    if (named !== undefined) return named(Number(BigInt.asIntN(32, value)));
    if (/^const char\b/.test(of) && value !== 0n) return textAt(guest, kernel, task, value);
    if (of.includes('*')) return value === 0n ? 'NULL' : `0x${value.toString(16)}`;
    if (/^(?:upid|pid|fd|dfd|epfd|unsigned int fd)$/.test(name)) return descriptor(kernel, task, name, value);
    return String(/unsigned|size_t/.test(of) ? value : BigInt.asIntN(/int|pid_t|clockid_t/.test(of) ? 32 : 64, value));
  });
  return `${type.name}(${text.join(', ')})`;
}

/** A descriptor with what it leads to. */
function descriptor(kernel: LinuxKernel, task: Task, name: string, value: bigint): string {
  const number = Number(BigInt.asIntN(32, value));
  const file = name.includes('pid') ? undefined : openFiles(kernel, task).find((open) => open.number === number);
  return file === undefined ? String(number) : `${number}<${file.name}>`;
}

function textAt(guest: GuestInfo, kernel: LinuxKernel, task: Task, address: bigint): string {
  const bytes = guest.readTask(kernel, task, address, LONGEST_TEXT);
  const end = bytes.indexOf(0);
  if (bytes.length === 0) return `0x${address.toString(16)}`;
  return `${JSON.stringify(new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end)))}${end < 0 ? '…' : ''}`;
}

function callTypes(kernel: LinuxKernel): ReadonlyMap<number, SyscallType> {
  let known = calls.get(kernel);
  if (known === undefined) calls.set(kernel, (known = new Map(readSyscalls(kernel).map((c) => [c.number, c]))));
  return known;
}
