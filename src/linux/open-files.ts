import type { LinuxKernel } from './kernel.ts';
import { pathOf, rootOf } from './path.ts';
import type { Task } from './tasks.ts';

/** An open file of a process. */
export interface OpenFile {
  /** Its descriptor. */
  readonly number: number;
  /** Address of its struct file. */
  readonly file: bigint;
  /** Where it leads to, as /proc/PID/fd shows it. */
  readonly name: string;
  /** As open(2) was given them. */
  readonly flags: number;
  /** Bytes from the file's beginning. */
  readonly position: bigint;
}

const MOST = 65_536;
/** O_CLOEXEC, which is the descriptor's rather than the file's. */
const CLOEXEC = 0x80000;
/** Magic numbers of file systems whose files have no path (Linux include/uapi/linux/magic.h). */
const MAGIC = { pipe: 0x50495045n, socket: 0x534f434bn, anonymous: 0x09041934n, pid: 0x50494446n } as const;

/** The open files of a process by their descriptors; empty for one that has ended. */
export function openFiles(kernel: LinuxKernel, task: Task): OpenFile[] {
  const files = kernel.get('task_struct', task.address, 'files');
  if (files === 0n) return [];
  const table = kernel.get('files_struct', files, 'fdt');
  const most = Number(kernel.get('fdtable', table, 'max_fds'));
  const first = kernel.get('fdtable', table, 'fd');
  const closing = kernel.get('fdtable', table, 'close_on_exec');
  const closesOnExec = (number: number): boolean =>
    ((kernel.pointer(closing + BigInt(8 * Math.floor(number / 64))) >> BigInt(number % 64)) & 1n) !== 0n;
  const found: OpenFile[] = [];
  for (let number = 0; number < Math.min(most, MOST); number++) {
    const file = kernel.pointer(first + BigInt(8 * number));
    if (file === 0n) continue;
    found.push({
      number,
      file,
      name: fileName(kernel, file, task),
      flags: Number(kernel.get('file', file, 'f_flags')) | (closesOnExec(number) ? CLOEXEC : 0),
      position: kernel.get('file', file, 'f_pos'),
    });
  }
  return found;
}

function fileName(kernel: LinuxKernel, file: bigint, task: Task): string {
  const inode = kernel.get('file', file, 'f_inode');
  const dentry = kernel.get('path', kernel.at('file', file, 'f_path'), 'dentry');
  const last = kernel.text(kernel.get('dentry', dentry, 'd_name.name'), 256);
  const number = kernel.get('inode', inode, 'i_ino');
  switch (kernel.get('super_block', kernel.get('inode', inode, 'i_sb'), 's_magic')) {
    case MAGIC.pipe:
      return `pipe:[${number}]`;
    case MAGIC.socket:
      return `socket:[${number}]`;
    case MAGIC.anonymous:
      return `anon_inode:${last}`;
    case MAGIC.pid:
      return 'anon_inode:[pidfd]';
    default: {
      const parent = kernel.get('dentry', dentry, 'd_parent');
      const mount = kernel.get('path', kernel.at('file', file, 'f_path'), 'mnt');
      // Memory that was never in a directory (Linux fs/d_path.c, simple_dname()).
      if (parent === dentry && kernel.get('vfsmount', mount, 'mnt_root') !== dentry) return `/${last} (deleted)`;
      const removed = parent !== dentry && kernel.get('dentry', dentry, 'd_hash.pprev') === 0n;
      return (
        pathOf(kernel, kernel.at('file', file, 'f_path'), rootOf(kernel, task.address)) + (removed ? ' (deleted)' : '')
      );
    }
  }
}
