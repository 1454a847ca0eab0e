import { ERRNO } from '../errno.ts';

/** The guest's kernel refused something: a program that is not there, a file that cannot be opened. */
export class GuestError extends Error {
  override name = 'GuestError';
  /** `ENOENT` and the like. */
  readonly code: string;
  /** Linux's number of it. */
  readonly errno: number;

  /** @param what was tried, e.g. `read /etc/shadow` */
  constructor(errno: number, what: string) {
    const [code, text] = ERRNO.get(errno) ?? [`E${errno}`, `error ${errno}`];
    super(`${what}: ${text.toLowerCase()} (${code})`);
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
