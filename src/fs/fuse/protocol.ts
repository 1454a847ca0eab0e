/**
 * The FUSE protocol (Linux, include/uapi/linux/fuse.h) as virtiofs speaks it (virtio 1.2, 5.11): version 7.31 and later, little-endian.
 */

/** Version this server speaks; it does without what a client of 7.31 has not. */
export const VERSION = { major: 7, minor: 38, oldestMinor: 31 } as const;

export const OPCODE = {
  LOOKUP: 1,
  FORGET: 2,
  GETATTR: 3,
  SETATTR: 4,
  READLINK: 5,
  SYMLINK: 6,
  MKNOD: 8,
  MKDIR: 9,
  UNLINK: 10,
  RMDIR: 11,
  RENAME: 12,
  LINK: 13,
  OPEN: 14,
  READ: 15,
  WRITE: 16,
  STATFS: 17,
  RELEASE: 18,
  FSYNC: 20,
  SETXATTR: 21,
  GETXATTR: 22,
  LISTXATTR: 23,
  REMOVEXATTR: 24,
  INIT: 26,
  OPENDIR: 27,
  READDIR: 28,
  RELEASEDIR: 29,
  FSYNCDIR: 30,
  CREATE: 35,
  INTERRUPT: 36,
  DESTROY: 38,
  BATCH_FORGET: 42,
  FALLOCATE: 43,
  READDIRPLUS: 44,
  RENAME2: 45,
  LSEEK: 46,
  COPY_FILE_RANGE: 47,
} as const;

/** Flags of INIT that this server asks for. */
export const INIT = {
  asyncRead: 1 << 0,
  atomicTruncate: 1 << 3,
  bigWrites: 1 << 5,
  autoInvalidate: 1 << 12,
  readdirPlus: 1 << 13,
  readdirPlusAuto: 1 << 14,
  parallelDirectories: 1 << 18,
  maxPages: 1 << 22,
  /** Of 7.33: the server takes set-IDs and capabilities away; so the client need not ask for `security.capability` at every write. */
  killPrivileges: 1 << 28,
} as const;

/** What a SETATTR changes (fuse_setattr_in.valid). */
export const CHANGE = {
  mode: 1 << 0,
  uid: 1 << 1,
  gid: 1 << 2,
  size: 1 << 3,
  accessed: 1 << 4,
  modified: 1 << 5,
  handle: 1 << 6,
  accessedNow: 1 << 7,
  modifiedNow: 1 << 8,
} as const;

/** Of fuse_open_out: cached pages stay; AUTO_INVAL_DATA drops them when the file changed. */
export const OPEN_KEEP_CACHE = 1 << 1;
/** Of fuse_getattr_in: the handle is valid. */
export const GETATTR_HANDLE = 1;
/** Of fuse_fsync_in. */
export const FSYNC_DATA_ONLY = 1;

/** open(2) flags of Linux on RISC-V (asm-generic/fcntl.h). */
export const OPEN = { accessMode: 3, writeOnly: 1, exclusive: 0o200, truncate: 0o1000 } as const;

/** Bytes of fuse_in_header and fuse_out_header. */
export const IN_HEADER = 40;
export const OUT_HEADER = 16;
/** nodeid of a mount's root. */
export const ROOT_ID = 1;
/** Inode number of a directory entry that is not known before it is looked up (as libfuse has it). */
export const UNKNOWN_INODE = 0xffff_ffff;
/** Bytes of fuse_attr, fuse_entry_out and fuse_dirent without its name. */
export const ATTR_SIZE = 88;
export const ENTRY_SIZE = 40 + ATTR_SIZE;
export const DIRENT_SIZE = 24;
