import { ERRNO } from '../../errno.ts';
import { argumentsText } from '../strace.ts';
import { traceSyscalls } from '../syscalls.ts';
import { BEGIN, beginCells, END, endCells, type HistoryTable, WHO } from '../table.ts';

/** System calls, as strace(1) has them. */
export const syscalls: HistoryTable = {
  name: 'syscalls',
  about: 'system calls with arguments and results',
  columns: [
    ...BEGIN,
    ...END,
    ...WHO,
    { name: 'name', type: 'text', about: 'openat, read …' },
    { name: 'args', type: 'text', about: 'its arguments, as strace prints them' },
    { name: 'result', type: 'integer', about: 'what it returned; null while it has not' },
    { name: 'error', type: 'text', about: 'ENOENT …; null when there was none' },
  ],
  fromBeginning: false,
  watch(tracer, emit, { pid }) {
    return traceSyscalls(
      tracer,
      (call) => {
        const { begin, end, beginTime, endTime, result } = call;
        const from = { at: begin, time: beginTime };
        const to = end === undefined ? undefined : { at: end, time: endTime! };
        const failed = result !== undefined && result < 0n && result >= -4095n;
        const error = failed ? (ERRNO.get(Number(-result))?.[0] ?? `E${-result}`) : null;
        emit([
          ...beginCells(from),
          ...endCells(from, to),
          call.pid,
          call.tid,
          call.comm,
          call.name,
          argumentsText(call),
          result === undefined ? null : Number(result),
          error,
        ]);
      },
      (call) => pid === undefined || call.pid === pid,
    );
  },
};
