import { openFlags, signalName } from '../../linux/flags.ts';
import type { LinuxKernel } from '../../linux/kernel.ts';
import { memoryAreas } from '../../linux/maps.ts';
import { openFiles } from '../../linux/open-files.ts';
import { signalNumbers, signalState } from '../../linux/signals.ts';
import { findTask, type Task, tasks, threadsOf } from '../../linux/tasks.ts';
import { hartOf } from '../../linux/threads.ts';
import type { StackFrame } from '../backtrace.ts';
import type { GuestInfo } from '../guest-info.ts';
import { guestOfTask } from '../process-symbols.ts';
import { DebugError } from '../target.ts';
import type { CommandScene, MonitorCommand } from './monitor.ts';
import { waitingFor } from './waiting.ts';

const hex = (v: bigint): string => `0x${v.toString(16)}`;
const lines = (list: readonly string[], none: string): string => `${list.length === 0 ? none : list.join('\n')}\n`;

/** The guest's Linux. @throws DebugError when there is none */
export function kernelOf({ guestInfo }: Pick<CommandScene, 'guestInfo'>): LinuxKernel {
  const kernel = guestInfo.kernel();
  if (!kernel)
    throw new DebugError('no Linux kernel with kallsyms and BTF is in memory at this instant: seek to a later one');
  return kernel;
}

/** A thread of the guest by its number; without one, the process that is attached to or that the hart runs. @throws DebugError when there is none */
export function taskOf(scene: CommandScene, pid: string | undefined): Task {
  const kernel = kernelOf(scene);
  if (pid === undefined) {
    const task = scene.settings.attached?.tasks()[0] ?? scene.guestInfo.current(scene.hart);
    if (!task) throw new DebugError('no process runs on this hart: monitor ps lists them');
    return task;
  }
  const task = /^[0-9]+$/.test(pid) ? findTask(kernel, Number(pid)) : undefined;
  if (!task) throw new DebugError(`there is no process ${pid} at this instant: monitor ps lists them`);
  return task;
}

async function backtraceText(scene: CommandScene, [pid]: readonly string[]): Promise<string> {
  const { guestInfo, hart } = scene;
  const list = (guest: GuestInfo, frames: readonly StackFrame[], from = 0): string[] =>
    frames.map((f, i) => `#${from + i}  ${guest.describeFrame(f)}`);
  if (pid === undefined) return lines(list(guestInfo, guestInfo.backtrace(hart)), 'no frames');
  const task = taskOf(scene, pid);
  const guest = await guestOfTask(guestInfo, task);
  const { kernel, user } = guest.taskBacktrace(task);
  return lines([...list(guest, kernel), ...list(guest, user, kernel.length)], 'no frames');
}

function mapsText(scene: CommandScene, [pid]: readonly string[]): string {
  const task = taskOf(scene, pid);
  if (task.mm === 0n) return `${task.name} is a kernel thread: it has no memory of its own\n`;
  const areas = memoryAreas(kernelOf(scene), task).map((a) =>
    `${hex(a.start)}-${hex(a.end)} ${a.permissions} ${hex(a.offset)} ${a.name}`.trimEnd(),
  );
  return lines([...areas, ...scene.guestInfo.addSymbolAdvice(task.pid)], '');
}

function filesText(scene: CommandScene, [pid]: readonly string[]): string {
  const files = openFiles(kernelOf(scene), taskOf(scene, pid));
  return lines(
    files.map(
      ({ number, name, flags, position }) =>
        `${String(number).padStart(4)}  ${name}  ${openFlags(flags)} at ${position}`,
    ),
    'no open files',
  );
}

function waitText(scene: CommandScene, [pid]: readonly string[]): string {
  const kernel = kernelOf(scene);
  const of = taskOf(scene, pid);
  const threads = of.pid === of.tgid ? threadsOf(kernel, of.address) : [of];
  return lines(
    threads.map((task) => {
      const hart = hartOf(kernel, task.address);
      const { channel, call } = waitingFor(scene.guestInfo, kernel, task);
      const where =
        hart !== undefined
          ? `runs on hart ${hart}`
          : channel === undefined
            ? 'waits for a hart'
            : `sleeps in ${channel}`;
      return `${String(task.pid).padStart(6)} ${task.state} ${task.name}: ${where}${call === undefined ? '' : `, called ${call}`}`;
    }),
    'no threads',
  );
}

async function signalsText(scene: CommandScene, [pid]: readonly string[]): Promise<string> {
  const task = taskOf(scene, pid);
  const guest = await guestOfTask(scene.guestInfo, task);
  const { pending, sharedPending, blocked, handlers } = signalState(kernelOf(scene), task);
  const names = (set: bigint): string => signalNumbers(set).map(signalName).join(' ') || 'none';
  return lines(
    [
      `pending for this thread: ${names(pending)}`,
      `pending for the process: ${names(sharedPending)}`,
      `blocked: ${names(blocked)}`,
      ...handlers.map(
        ({ number, handler }) =>
          `${signalName(number)}: ${handler === 'ignored' ? 'ignored' : `handled by ${guest.describe(handler)}`}`,
      ),
    ],
    '',
  );
}

/** Commands about the guest's processes, at work or at rest. */
export const PROCESS_COMMANDS: readonly MonitorCommand[] = [
  { name: 'bt', usage: '[PID]', help: 'call stack of this hart, or of any thread of the guest', run: backtraceText },
  {
    name: 'ps',
    usage: '[threads]',
    help: 'processes of the guest',
    run: (scene, [what]) =>
      lines(
        tasks(kernelOf(scene), what === 'threads').map(
          (t) =>
            `${String(t.pid).padStart(6)} ${String(t.parent).padStart(6)} ${t.state} cpu${t.cpu} ${t.mm === 0n ? `[${t.name}]` : t.name}`,
        ),
        'no processes yet',
      ),
  },
  { name: 'maps', usage: '[PID]', help: 'memory map of a process', run: mapsText },
  { name: 'files', usage: '[PID]', help: 'open files of a process', run: filesText },
  {
    name: 'wait',
    usage: '[PID]',
    help: 'what the threads of a process wait for, and their system calls',
    run: waitText,
  },
  { name: 'signals', usage: '[PID]', help: 'signals of a thread: pending, blocked, handlers', run: signalsText },
];
