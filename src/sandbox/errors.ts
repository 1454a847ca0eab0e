/** Error numbers of Linux (include/uapi/asm-generic/errno-base.h, errno.h) that file operations and starting programs meet. */
const ERRORS: Readonly<Record<number, readonly [code: string, text: string]>> = {
  1: ['EPERM', 'operation not permitted'],
  2: ['ENOENT', 'no such file or directory'],
  5: ['EIO', 'input/output error'],
  7: ['E2BIG', 'argument list too long'],
  8: ['ENOEXEC', 'not an executable format'],
  11: ['EAGAIN', 'too many commands at once'],
  12: ['ENOMEM', 'out of memory'],
  13: ['EACCES', 'permission denied'],
  16: ['EBUSY', 'busy'],
  17: ['EEXIST', 'exists already'],
  18: ['EXDEV', 'on another file system'],
  20: ['ENOTDIR', 'not a directory'],
  21: ['EISDIR', 'is a directory'],
  22: ['EINVAL', 'invalid argument'],
  24: ['EMFILE', 'too many open files'],
  26: ['ETXTBSY', 'the program is being executed'],
  27: ['EFBIG', 'file too large'],
  28: ['ENOSPC', 'no space left'],
  30: ['EROFS', 'read-only file system'],
  36: ['ENAMETOOLONG', 'name too long'],
  39: ['ENOTEMPTY', 'directory not empty'],
  40: ['ELOOP', 'too many symbolic links'],
};

/** The guest's kernel refused something: a program that is not there, a file that cannot be opened. */
export class GuestError extends Error {
  override name = 'GuestError';
  /** `ENOENT` and the like. */
  readonly code: string;
  /** Linux's number of it. */
  readonly errno: number;

  /** @param what was tried, e.g. `read /etc/shadow` */
  constructor(errno: number, what: string) {
    const [code, text] = ERRORS[errno] ?? [`E${errno}`, `error ${errno}`];
    super(`${what}: ${text} (${code})`);
    this.code = code;
    this.errno = errno;
  }
}

/** A command took longer than it was given; it was killed with all its process group. */
export class CommandTimeoutError extends Error {
  override name = 'CommandTimeoutError';
  /** What it had printed. */
  readonly stdout: string;
  readonly stderr: string;

  constructor(command: string, milliseconds: number, stdout: string, stderr: string) {
    super(`${command}: not over after ${milliseconds} ms, so it was killed`);
    this.stdout = stdout;
    this.stderr = stderr;
  }
}

/** The machine ended, or the session was closed, while something was under way. */
export class SessionEndedError extends Error {
  override name = 'SessionEndedError';
}
