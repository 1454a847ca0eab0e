/**
 * 9P2000.L (Linux, include/net/9p/9p.h; diod's protocol.md), little-endian: the messages that Linux' client sends. An answer's type is
 * its request's plus one, or {@link RLERROR}.
 */
export const T = {
  STATFS: 8,
  LOPEN: 12,
  LCREATE: 14,
  SYMLINK: 16,
  MKNOD: 18,
  READLINK: 22,
  GETATTR: 24,
  SETATTR: 26,
  XATTRWALK: 30,
  XATTRCREATE: 32,
  READDIR: 40,
  FSYNC: 50,
  LOCK: 52,
  GETLOCK: 54,
  LINK: 70,
  MKDIR: 72,
  RENAMEAT: 74,
  UNLINKAT: 76,
  VERSION: 100,
  ATTACH: 104,
  FLUSH: 108,
  WALK: 110,
  READ: 116,
  WRITE: 118,
  CLUNK: 120,
  REMOVE: 122,
} as const;
export const RLERROR = 7;

export const VERSION = '9P2000.L';
/** Bytes of size[4] type[1] tag[2]. */
export const HEADER = 7;
/** Bytes of a message before the data of a read: header and count[4]. */
export const READ_HEADER = HEADER + 4;
/** Bytes of type[1] version[4] path[8]. */
export const QID_SIZE = 13;
export const QID_TYPE = { directory: 0x80, symlink: 0x02, file: 0 } as const;
/** Most names of one walk (MAXWELEM). */
export const MAX_WALK = 16;

/** open(2) flags as the protocol has them (P9_DOTL_*). */
export const OPEN = { accessMode: 3, exclusive: 0o200, truncate: 0o1000, directory: 0o200000 } as const;
/** Flag of UNLINKAT: a directory. */
export const REMOVE_DIRECTORY = 0x200;
/** Of Rgetattr: all but birth time, generation and data version (P9_STATS_BASIC). */
export const ATTRIBUTES_VALID = 0x7ff;
/** What a Tsetattr changes. */
export const CHANGE = {
  mode: 1 << 0,
  uid: 1 << 1,
  gid: 1 << 2,
  size: 1 << 3,
  accessed: 1 << 4,
  modified: 1 << 5,
  accessedGiven: 1 << 7,
  modifiedGiven: 1 << 8,
} as const;
/** Answers to locks: with one guest, the one that asks has it already (Linux' client looks at its own locks first). */
export const LOCK = { success: 0, unlocked: 2 } as const;
/** f_type of statfs (V9FS_MAGIC). */
export const MAGIC = 0x0102_1997;
