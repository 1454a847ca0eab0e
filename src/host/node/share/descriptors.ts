import type { BigIntStats } from 'node:fs';
import { closeSync, constants, fstatSync, linkSync, lstatSync, openSync, renameSync, unlinkSync } from 'node:fs';
import { FsError } from '../../../fs/errno.ts';
import { type Name, nameBytes, type OpenMode } from '../../../fs/file-system.ts';

/**
 * openat(2) and its like for Node, which has none: a path below `/proc/self/fd/N` begins at the directory that descriptor N holds open,
 * whatever became of its name (proc(5)). Each path here has one component below a descriptor, none follows a symbolic link there,
 * and so nothing that anybody renames or links meanwhile leads elsewhere.
 */

/** Linux' O_PATH: a descriptor that only names a file, without opening it. Node has no constant for it. */
const O_PATH = 0o10000000;
const { O_DIRECTORY, O_NONBLOCK } = constants;
const { O_RDONLY, O_RDWR, O_TRUNC } = constants;
export const { O_NOFOLLOW, O_CREAT, O_EXCL, O_WRONLY, O_NOCTTY } = constants;

const prefix = (fd: number): string => `/proc/self/fd/${fd}`;

/** The file that a descriptor holds. */
export const held = (fd: number): string => prefix(fd);

/** A name in the directory that a descriptor holds. */
export function below(fd: number, name: Name): Buffer {
  return Buffer.concat([Buffer.from(`${prefix(fd)}/`, 'latin1'), nameBytes(name)]);
}

/** Names a file without opening it; symbolic links are not followed. */
export function openPath(directory: number, name: Name): number {
  return openSync(below(directory, name), O_PATH | O_NOFOLLOW);
}

/** Holds a directory by its path; symbolic links on the way are followed. */
export function holdDirectory(path: string): number {
  return openSync(path, O_PATH | O_DIRECTORY);
}

/** Opens the very file that a descriptor holds. */
export function reopen(fd: number, flags: number): number {
  return openSync(held(fd), flags | O_NOCTTY | O_NONBLOCK);
}

/** Another descriptor of the very file, which only names it. */
export function reopenPath(fd: number): number {
  return openSync(held(fd), O_PATH);
}

/** Does something with a descriptor and closes it. */
export function using<T>(fd: number, action: (fd: number) => T): T {
  try {
    return action(fd);
  } finally {
    closeSync(fd);
  }
}

/** Device, inode and type (an inode's number is used again): what a file is, whatever its names. */
export const identity = ({ dev, ino, mode }: BigIntStats): string => `${dev}:${ino}:${mode >> 12n}`;

/** @throws ESTALE, closing the descriptor, unless it holds the file of that identity */
export function mustBe(fd: number, expected: string): BigIntStats {
  const stat = fstatSync(fd, { bigint: true });
  if (identity(stat) === expected) return stat;
  closeSync(fd);
  throw new FsError('ESTALE', 'the name is of another file now');
}

/** open(2)'s flags. */
export function hostFlags(mode: OpenMode): number {
  const access = mode.write ? (mode.read ? O_RDWR : O_WRONLY) : O_RDONLY;
  return mode.truncate ? access | O_TRUNC : access;
}

/** Renames where nothing is: of a file at once, by a second name; of a directory, which can replace but an empty one, after a look. */
export function moveWithoutReplacing(old: Buffer, target: Buffer): void {
  if (lstatSync(old).isDirectory()) {
    if (lstatSync(target, { throwIfNoEntry: false }) !== undefined) throw new FsError('EEXIST');
    renameSync(old, target);
    return;
  }
  linkSync(old, target);
  unlinkSync(old);
}
