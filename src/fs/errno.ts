import { ERRNO_NUMBER, type Errno } from '../errno.ts';

/** An operation of a file system failed as a system call would. */
export class FsError extends Error {
  override name = 'FsError';
  readonly code: Errno;

  constructor(code: Errno, message: string = code) {
    super(message);
    this.code = code;
  }
}

/** The error's number for a reply; `EIO` for one that no system call would give. */
export function errnoOf(error: unknown): number {
  const { code } = error as { code?: unknown };
  return typeof code === 'string' && code in ERRNO_NUMBER ? ERRNO_NUMBER[code as Errno] : ERRNO_NUMBER.EIO;
}
