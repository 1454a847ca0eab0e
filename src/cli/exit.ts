/** What the process's exit status says. `--exec` passes the guest command's own status on instead. */
export const EXIT = {
  OK: 0,
  FAILURE: 1,
  USAGE: 2,
  DIVERGENCE: 3,
  PANIC: 4,
  TIMEOUT: 124,
  INTERRUPT: 130,
} as const;

/** Something to tell the user in one line; never shown with a stack. */
export class CliError extends Error {
  override name = 'CliError';
  readonly status: number;

  constructor(message: string, status: number = EXIT.FAILURE) {
    super(message);
    this.status = status;
  }
}

/** The command was typed wrongly: the line names the flag, what was expected and what to do. */
export class UsageError extends CliError {
  override name = 'UsageError';

  constructor(message: string) {
    super(message, EXIT.USAGE);
  }
}

/** Fields of a Node system error. */
interface SystemError extends Error {
  readonly code: string;
  readonly path?: string;
}

const SYSTEM_TEXT: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'no permission to open it',
  EISDIR: 'a folder, where a file was expected',
  ENOTDIR: 'a part of the path is no folder',
  ENOSPC: 'the disk is full',
  EROFS: 'the file system is read-only',
  EMFILE: 'too many open files',
  EADDRINUSE: 'the address is in use; choose another port',
};

const isSystemError = (error: Error): error is SystemError =>
  typeof (error as SystemError).code === 'string' && 'syscall' in error;

/** The one line that stands for an error, without the program's name. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (isSystemError(error)) {
    const text = SYSTEM_TEXT[error.code] ?? error.message.replace(/^[A-Z]+: /, '').replace(/, \w+ '.*'$/, '');
    return error.path ? `${error.path}: ${text}` : text;
  }
  // What to bring instead of a guest is a list, and told as one.
  if (error.name === 'GuestBuildError') return error.message;
  return error.message
    .split('\n')
    .filter((line) => line.trim() !== '')
    .join(' ');
}

/** Errors of the library that are not plain failures. */
const STATUS_BY_NAME: Readonly<Record<string, number>> = {
  ConfigError: EXIT.USAGE,
  NetworkOptionError: EXIT.USAGE,
  DivergenceError: EXIT.DIVERGENCE,
};

/** The exit status an error leads to. */
export function statusOf(error: unknown): number {
  if (error instanceof CliError) return error.status;
  return (error instanceof Error && STATUS_BY_NAME[error.name]) || EXIT.FAILURE;
}
