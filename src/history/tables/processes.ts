import type { LinuxKernel } from '../../linux/kernel.ts';
import { currentTask, tasks } from '../../linux/tasks.ts';
import { readThrough } from '../../machine/view/page-table.ts';
import { BEGIN, beginCells, END, endCells, type HistoryTable, type Moment, missing, momentOf } from '../table.ts';
import type { Tracer } from '../tracer.ts';

const LONGEST_COMMAND = 65_536;

/** A program that a process executes. */
interface Program {
  readonly begin: Moment;
  /** `before`: it ran when the replay began. */
  readonly began: 'before' | 'fork' | 'exec';
  readonly pid: number;
  readonly parent: number;
  comm: string;
  command: string | null;
}

/** The command line of a process as /proc/PID/cmdline has it, its words quoted where they need it; null where it has none. */
function commandLine(kernel: LinuxKernel, task: bigint): string | null {
  const mm = kernel.get('task_struct', task, 'mm');
  if (mm === 0n) return null;
  const from = kernel.get('mm_struct', mm, 'arg_start');
  const to = kernel.get('mm_struct', mm, 'arg_end');
  if (to <= from) return null;
  const pgd = kernel.get('mm_struct', mm, 'pgd');
  const resolve = (address: bigint): bigint | undefined => kernel.resolveUser(pgd, address)?.physical;
  const bytes = readThrough(kernel.view, resolve, from, Math.min(Number(to - from), LONGEST_COMMAND));
  const words = new TextDecoder().decode(bytes).split('\0');
  if (words.at(-1) === '') words.pop();
  return words.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)).join(' ');
}

/** What processes executed: a row for each program, from where it was forked or executed to where it ended or executed another one. */
export const processes: HistoryTable = {
  name: 'processes',
  about: 'programs that processes executed: a row from fork or exec to exit or the next exec',
  columns: [
    ...BEGIN,
    ...END,
    { name: 'pid', type: 'integer', about: 'the process' },
    { name: 'parent', type: 'integer', about: 'its parent' },
    { name: 'comm', type: 'text', about: 'its name' },
    { name: 'command', type: 'text', about: 'its command line; null for kernel threads' },
    { name: 'began', type: 'text', about: 'fork or exec; before: it ran when the replay began' },
    { name: 'ended', type: 'text', about: 'exit, signal or exec; null while it runs' },
    { name: 'status', type: 'integer', about: 'its exit status, or the number of the signal' },
  ],
  fromBeginning: true,
  watch(tracer, emit, { pid: only }) {
    const { kernel } = tracer;
    const open = new Map<number, Program>();
    const start = momentOf(tracer);
    for (const { pid, parent, name, address, state } of tasks(kernel))
      if (state !== 'X' && state !== 'Z')
        open.set(pid, {
          begin: start,
          began: 'before',
          pid,
          parent,
          comm: name,
          command: commandLine(kernel, address),
        });

    const close = (pid: number, end: Moment | undefined, ended: string | null, status: number | null): void => {
      const program = open.get(pid);
      open.delete(pid);
      if (program === undefined || (only !== undefined && pid !== only)) return;
      const { begin, began, parent, comm, command } = program;
      emit([...beginCells(begin), ...endCells(begin, end), pid, parent, comm, command, began, ended, status]);
    };
    const begun = (task: bigint, began: 'fork' | 'exec'): void => {
      const { pid, tid, comm } = tracer.whoIs(task);
      if (pid !== tid) return;
      const parent = Number(kernel.get('task_struct', kernel.get('task_struct', task, 'real_parent'), 'tgid'));
      open.set(pid, { begin: momentOf(tracer), began, pid, parent, comm, command: commandLine(kernel, task) });
    };
    watchOrThrow(tracer, 'wake_up_new_task', (hart) => begun(tracer.argument(hart, 0), 'fork'));
    // The new program's arguments are on its stack, nothing of it was executed (Linux fs/exec.c).
    watchOrThrow(tracer, 'finalize_exec', (hart) => {
      const task = currentTask(tracer.view, hart);
      close(tracer.whoIs(task).pid, momentOf(tracer), 'exec', null);
      begun(task, 'exec');
    });
    watchOrThrow(tracer, 'do_exit', (hart) => {
      const task = currentTask(tracer.view, hart);
      const { pid, tid, comm } = tracer.whoIs(task);
      if (pid !== tid) return;
      const program = open.get(pid);
      if (program !== undefined) program.comm = comm;
      const code = Number(tracer.argument(hart, 0) & 0xffffn);
      const signal = code & 0x7f;
      close(pid, momentOf(tracer), signal === 0 ? 'exit' : 'signal', signal === 0 ? code >> 8 : signal);
    });
    return () => {
      for (const pid of [...open.keys()]) close(pid, undefined, null, null);
    };
  },
};

function watchOrThrow(tracer: Tracer, name: string, handler: (hart: number) => void): void {
  if (!tracer.on(name, handler)) throw missing(processes.name, name);
}
