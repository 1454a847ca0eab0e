import type { LinuxKernel } from '../../linux/kernel.ts';
import { pathOf, rootOf } from '../../linux/path.ts';
import { currentTask } from '../../linux/tasks.ts';
import { BEGIN, beginCells, END, endCells, type HistoryTable, type Moment, missing, momentOf, WHO } from '../table.ts';
import type { Who } from '../tracer.ts';

/** File types in i_mode (inode(7)). */
const TYPE = { mask: 0o170000n, socket: 0o140000n, pipe: 0o010000n } as const;
/** Bits of f_mode (Linux include/linux/fs.h). */
const READ = 1n;
const WRITE = 2n;

/** An open file description. */
interface OpenFile {
  readonly begin: Moment | undefined;
  readonly who: Who;
  readonly path: string;
  readonly mode: string;
  reads: number;
  bytesRead: number;
  writes: number;
  bytesWritten: number;
}

/** What a struct file is called: its path, or `pipe:[7]` and `socket:[7]` as /proc/PID/fd shows them. */
function fileName(kernel: LinuxKernel, file: bigint, task: bigint): string {
  const inode = kernel.get('file', file, 'f_inode');
  const type = kernel.get('inode', inode, 'i_mode') & TYPE.mask;
  if (type === TYPE.socket || type === TYPE.pipe)
    return `${type === TYPE.pipe ? 'pipe' : 'socket'}:[${kernel.get('inode', inode, 'i_ino')}]`;
  return pathOf(kernel, kernel.at('file', file, 'f_path'), rootOf(kernel, task));
}

/** Files that were opened, read and written. */
export const files: HistoryTable = {
  name: 'files',
  about: 'open files with their traffic: a row from open to the last close',
  columns: [
    ...BEGIN,
    ...END,
    ...WHO,
    { name: 'path', type: 'text', about: 'its path, or pipe:[7], socket:[7]' },
    { name: 'mode', type: 'text', about: 'r, w or rw' },
    { name: 'reads', type: 'integer', about: 'reads that gave something' },
    { name: 'bytes_read', type: 'integer', about: 'bytes that reads gave; mapped memory is not counted' },
    { name: 'writes', type: 'integer', about: 'writes that took something' },
    { name: 'bytes_written', type: 'integer', about: 'bytes that writes took' },
  ],
  fromBeginning: true,
  watch(tracer, emit, { pid }) {
    const { kernel, view } = tracer;
    const open = new Map<bigint, OpenFile>();
    const start = momentOf(tracer);

    const note = (file: bigint, hart: number, begin: Moment | undefined): OpenFile => {
      const mode = kernel.get('file', file, 'f_mode');
      const made: OpenFile = {
        begin,
        who: tracer.who(hart),
        path: fileName(kernel, file, currentTask(view, hart)),
        mode: (mode & READ ? 'r' : '') + (mode & WRITE ? 'w' : ''),
        reads: 0,
        bytesRead: 0,
        writes: 0,
        bytesWritten: 0,
      };
      open.set(file, made);
      return made;
    };
    const close = (file: bigint, end: Moment | undefined): void => {
      const made = open.get(file);
      open.delete(file);
      if (made === undefined || (pid !== undefined && made.who.pid !== pid)) return;
      const { who, path, mode, reads, bytesRead, writes, bytesWritten } = made;
      const begin = made.begin ?? start;
      emit([
        ...beginCells(begin),
        ...endCells(begin, end),
        who.pid,
        who.tid,
        who.comm,
        path,
        mode,
        reads,
        bytesRead,
        writes,
        bytesWritten,
      ]);
    };
    const transfer = (name: string, count: (file: OpenFile, bytes: number) => void): void => {
      const known = tracer.on(name, (hart) => {
        const file = tracer.argument(hart, 0);
        tracer.returned(hart, (after) => {
          const bytes = Number(BigInt.asIntN(64, tracer.argument(after, 0)));
          if (bytes > 0) count(open.get(file) ?? note(file, after, undefined), bytes);
        });
      });
      if (!known) throw missing('files', name);
    };
    const opened = tracer.on('vfs_open', (hart) => {
      const file = tracer.argument(hart, 1);
      const begin = momentOf(tracer);
      tracer.returned(hart, (after) => {
        if (tracer.argument(after, 0) === 0n) note(file, after, begin);
      });
    });
    if (!opened) throw missing('files', 'vfs_open');
    const read = (file: OpenFile, bytes: number): void => {
      file.reads++;
      file.bytesRead += bytes;
    };
    const written = (file: OpenFile, bytes: number): void => {
      file.writes++;
      file.bytesWritten += bytes;
    };
    transfer('vfs_read', read);
    transfer('vfs_write', written);
    transfer('vfs_readv', read);
    transfer('vfs_writev', written);
    // sendfile(2) and copy_file_range(2): from the first argument to the third.
    for (const name of ['do_splice_direct', 'vfs_copy_file_range'])
      tracer.on(name, (hart) => {
        const [from, to] = [tracer.argument(hart, 0), tracer.argument(hart, 2)];
        tracer.returned(hart, (after) => {
          const bytes = Number(BigInt.asIntN(64, tracer.argument(after, 0)));
          if (bytes <= 0) return;
          read(open.get(from) ?? note(from, after, undefined), bytes);
          written(open.get(to) ?? note(to, after, undefined), bytes);
        });
      });
    if (!tracer.on('__fput', (hart) => close(tracer.argument(hart, 0), momentOf(tracer))))
      throw missing('files', '__fput');
    return () => {
      for (const file of [...open.keys()]) close(file, undefined);
    };
  },
};
