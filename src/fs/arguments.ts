import { FsError } from './errno.ts';
import { PERMISSIONS, STICKY, type Time } from './file-system.ts';

/** The permission bits of a mode that a client may give. */
export const permissions = (mode: number): number => mode & (PERMISSIONS | STICKY);

/** An offset or size that a client gave. Beyond 2^53 they are not exact here, and no file is that long. @throws FsError */
export function offsetOf(value: number): number {
  if (value > Number.MAX_SAFE_INTEGER) throw new FsError('EFBIG');
  return value;
}

/** A time that a client gave: seconds before 1970 come as numbers near 2^64. */
export const timeOf = (seconds: number, nanoseconds: number): Time => ({
  seconds: seconds >= 2 ** 63 ? seconds - 2 ** 64 : seconds,
  nanoseconds,
});
