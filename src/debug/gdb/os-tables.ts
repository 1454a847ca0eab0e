import { openFlags } from '../../linux/flags.ts';
import type { LinuxKernel } from '../../linux/kernel.ts';
import { modules } from '../../linux/modules.ts';
import { openFiles } from '../../linux/open-files.ts';
import { signalState } from '../../linux/signals.ts';
import { type Task, tasks } from '../../linux/tasks.ts';
import { hartOf } from '../../linux/threads.ts';
import type { GuestInfo } from '../guest-info.ts';
import { waitingFor } from '../monitor/waiting.ts';
import { osDataXml } from './xml.ts';

type Row = Readonly<Record<string, string>>;

interface Table {
  readonly description: string;
  readonly title: string;
  readonly rows: (kernel: LinuxKernel, guest: GuestInfo) => readonly Row[];
}

const command = (task: Task): string => (task.mm === 0n ? `[${task.name}]` : task.name);
const cores = (kernel: LinuxKernel, task: Task): string => String(hartOf(kernel, task.address) ?? '');
const set = (signals: bigint): string => signals.toString(16).padStart(16, '0');

/** What `info os` lists ("Debugging with GDB", "Operating System Information"). gdb itself looks for pid, command and cores in `processes`. */
const TABLES: Readonly<Record<string, Table>> = {
  processes: {
    description: 'Processes of the guest',
    title: 'Processes',
    rows: (kernel) =>
      tasks(kernel).map((task) => ({
        pid: String(task.tgid),
        command: command(task),
        state: task.state,
        cores: cores(kernel, task),
      })),
  },
  threads: {
    description: 'Threads, and what they wait for',
    title: 'Threads',
    rows: (kernel, guest) =>
      tasks(kernel, true).map((task) => {
        const { channel = '', call = '' } = waitingFor(guest, kernel, task);
        return {
          pid: String(task.tgid),
          tid: String(task.pid),
          command: command(task),
          state: task.state,
          cores: cores(kernel, task),
          'waits in': channel,
          'system call': call,
        };
      }),
  },
  files: {
    description: 'Open files of all processes',
    title: 'Files',
    rows: (kernel) =>
      tasks(kernel).flatMap((task) =>
        openFiles(kernel, task).map(({ number, name, flags, position }) => ({
          pid: String(task.tgid),
          command: command(task),
          descriptor: String(number),
          name,
          flags: openFlags(flags),
          position: String(position),
        })),
      ),
  },
  signals: {
    description: 'Signals of all processes: pending, blocked, ignored, caught',
    title: 'Signals',
    rows: (kernel) =>
      tasks(kernel)
        .filter(({ mm }) => mm !== 0n)
        .map((task) => {
          const { pending, sharedPending, blocked, handlers } = signalState(kernel, task);
          const of = (ignored: boolean): bigint =>
            handlers.reduce(
              (all, { number, handler }) =>
                (handler === 'ignored') === ignored ? all | (1n << BigInt(number - 1)) : all,
              0n,
            );
          return {
            pid: String(task.tgid),
            command: command(task),
            pending: set(pending | sharedPending),
            blocked: set(blocked),
            ignored: set(of(true)),
            caught: set(of(false)),
          };
        }),
  },
  modules: {
    description: 'Kernel modules that are loaded',
    title: 'Modules',
    rows: (kernel) =>
      modules(kernel).map(({ name, parts }) => ({
        name,
        address: `0x${(parts[0]?.base ?? 0n).toString(16)}`,
        size: String(parts.reduce((sum, { size }) => sum + size, 0)),
      })),
  },
};

/** A table of the guest's operating system at this instant; the list of them where none is named. @returns undefined for one that is not there */
export function osTable(name: string, guest: GuestInfo): string | undefined {
  if (name === '')
    return osDataXml(
      'types',
      Object.entries(TABLES).map(([Type, { description, title }]) => ({
        Type,
        Description: description,
        Title: title,
      })),
    );
  const kernel = guest.kernel();
  const table = Object.hasOwn(TABLES, name) ? TABLES[name] : undefined;
  return kernel && table && osDataXml(name, table.rows(kernel, guest));
}
