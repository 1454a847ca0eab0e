import { readSyscalls } from '../../linux/syscalls.ts';
import { currentTask, readTask } from '../../linux/tasks.ts';
import { savedRegistersAt } from '../../linux/threads.ts';
import { BEGIN, beginCells, END, endCells, type HistoryTable, type Moment, missing, momentOf, WHO } from '../table.ts';

/** Exception code of `ecall` from U-mode. */
const ECALL = 8n;

/** Who ran when: a row for each time a thread had a hart. */
export const scheduling: HistoryTable = {
  name: 'scheduling',
  about: 'who ran when: a row for each stretch that a thread had a hart',
  columns: [
    ...BEGIN,
    ...END,
    ...WHO,
    { name: 'hart', type: 'integer', about: 'the hart' },
    { name: 'left', type: 'text', about: 'R it had to make room, S and D it waited, X it ended; null while it runs' },
    { name: 'waits_in', type: 'text', about: 'the system call that it waited in; null for none' },
    { name: 'next_tid', type: 'integer', about: 'the thread that came next' },
  ],
  fromBeginning: true,
  watch(tracer, emit, { pid }) {
    const { kernel, view } = tracer;
    const names = new Map(readSyscalls(kernel).map(({ number, name }) => [number, name]));
    const since = new Map<number, Moment>();
    const start = momentOf(tracer);
    for (let hart = 0; hart < view.harts; hart++) since.set(hart, start);

    const waitsIn = (task: bigint): string | null => {
      const registers = savedRegistersAt(kernel, task);
      if (kernel.get('pt_regs', registers, 'cause') !== ECALL) return null;
      return names.get(Number(BigInt.asIntN(64, kernel.get('pt_regs', registers, 'a7')))) ?? null;
    };
    const known = tracer.on('__switch_to', (hart) => {
      const begin = since.get(hart)!;
      const end = momentOf(tracer);
      since.set(hart, end);
      const task = tracer.argument(hart, 0);
      const { pid: tid, tgid, name, state, mm } = readTask(kernel, task);
      if (pid !== undefined && tgid !== pid) return;
      const waits = mm !== 0n && (state === 'S' || state === 'D') ? waitsIn(task) : null;
      const next = tracer.whoIs(tracer.argument(hart, 1)).tid;
      emit([...beginCells(begin), ...endCells(begin, end), tgid, tid, name, hart, state, waits, next]);
    });
    if (!known) throw missing('scheduling', '__switch_to');
    return () => {
      for (const [hart, begin] of since) {
        const task = currentTask(view, hart);
        if (task >> 63n === 0n) continue;
        const { pid: process, tid, comm } = tracer.whoIs(task);
        if (pid !== undefined && process !== pid) continue;
        emit([...beginCells(begin), ...endCells(begin, undefined), process, tid, comm, hart, null, null, null]);
      }
    };
  },
};
