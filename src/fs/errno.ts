/** Error numbers of Linux (include/uapi/asm-generic/errno-base.h, errno.h): what a FUSE reply carries. */
export const ERRNO = {
  EPERM: 1,
  ENOENT: 2,
  EIO: 5,
  ENXIO: 6,
  EBADF: 9,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EBUSY: 16,
  EEXIST: 17,
  EXDEV: 18,
  ENODEV: 19,
  ENOTDIR: 20,
  EISDIR: 21,
  EINVAL: 22,
  ENFILE: 23,
  EMFILE: 24,
  ETXTBSY: 26,
  EFBIG: 27,
  ENOSPC: 28,
  ESPIPE: 29,
  EROFS: 30,
  EMLINK: 31,
  ERANGE: 34,
  ENAMETOOLONG: 36,
  ENOSYS: 38,
  ENOTEMPTY: 39,
  ELOOP: 40,
  ENODATA: 61,
  EPROTO: 71,
  EOVERFLOW: 75,
  EOPNOTSUPP: 95,
  ESTALE: 116,
  EDQUOT: 122,
} as const;
export type Errno = keyof typeof ERRNO;

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
  return typeof code === 'string' && code in ERRNO ? ERRNO[code as Errno] : ERRNO.EIO;
}
