import { pathOf, rootOf } from '../../linux/path.ts';
import { currentTask } from '../../linux/tasks.ts';
import { BEGIN, beginCells, END, endCells, type HistoryTable, missing, momentOf, WHO } from '../table.ts';

/** Of `enum fault_flag` (Linux include/linux/mm_types.h). */
const FLAG = { write: 1n, exec: 1n << 8n } as const;
/** Of the result (`enum vm_fault_reason`): it could not be handled. */
const FAILED = 0x0873n;
const MAJOR = 4n;

/** Page faults that memory of processes was got ready in. */
export const faults: HistoryTable = {
  name: 'faults',
  about: 'page faults in memory of processes',
  columns: [
    ...BEGIN,
    ...END,
    ...WHO,
    { name: 'address', type: 'text', about: 'the page, hexadecimal' },
    { name: 'access', type: 'text', about: 'read, write or execute' },
    { name: 'path', type: 'text', about: 'the file that is mapped there; null for memory of its own' },
    { name: 'kind', type: 'text', about: 'minor, major (waited for a disk) or failed' },
  ],
  fromBeginning: false,
  watch(tracer, emit, { pid }) {
    const { kernel, view } = tracer;
    const known = tracer.on('handle_mm_fault', (hart) => {
      const who = tracer.who(hart);
      if (pid !== undefined && who.pid !== pid) return;
      const vma = tracer.argument(hart, 0);
      const address = `0x${(tracer.argument(hart, 1) & ~0xfffn).toString(16)}`;
      const flags = tracer.argument(hart, 2);
      const file = kernel.get('vm_area_struct', vma, 'vm_file');
      const task = currentTask(view, hart);
      const path = file === 0n ? null : pathOf(kernel, kernel.at('file', file, 'f_path'), rootOf(kernel, task));
      const access = flags & FLAG.exec ? 'execute' : flags & FLAG.write ? 'write' : 'read';
      const begin = momentOf(tracer);
      tracer.returned(hart, (after) => {
        const result = tracer.argument(after, 0);
        const kind = result & FAILED ? 'failed' : result & MAJOR ? 'major' : 'minor';
        const end = endCells(begin, momentOf(tracer));
        emit([...beginCells(begin), ...end, who.pid, who.tid, who.comm, address, access, path, kind]);
      });
    });
    if (!known) throw missing('faults', 'handle_mm_fault');
    return () => {};
  },
};
