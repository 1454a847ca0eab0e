/**
 * A file system as a server of shares, a copier or a test uses it.
 *
 * It is made of nodes (inodes), not of paths: a caller got each node from its directory by one name, and a name has no slash and is
 * neither `.` nor `..`. So there is no path to leave the root by. Symbolic links are text that nobody here follows.
 */

/** A value now, or later. */
export type Awaitable<T> = T | Promise<T>;

/** Applies `next` to a value that may come later, at once if it is there. */
export function after<T, U>(value: Awaitable<T>, next: (value: T) => Awaitable<U>): Awaitable<U> {
  return value instanceof Promise ? value.then(next) : next(value);
}

/**
 * A file's name: bytes, one in each character (code 0 to 255), as Linux has names of any bytes but NUL and slash.
 * {@link nameOf} makes one from text.
 */
export type Name = string;

/** The name that is this text in UTF-8. */
export function nameOf(text: string): Name {
  return bytesName(new TextEncoder().encode(text));
}

/** The name that these bytes are. */
export function bytesName(bytes: Uint8Array): Name {
  let name = '';
  for (let at = 0; at < bytes.length; at += 4096) name += String.fromCharCode(...bytes.subarray(at, at + 4096));
  return name;
}

/** The bytes of a name. */
export function nameBytes(name: Name): Uint8Array {
  return Uint8Array.from(name, (c) => c.charCodeAt(0));
}

/** Longest name in bytes (NAME_MAX). */
export const NAME_MAX = 255;

/** File types: the bits of a mode that say so (S_IFMT). */
export const FILE_TYPE = {
  fifo: 0o010000,
  character: 0o020000,
  directory: 0o040000,
  block: 0o060000,
  file: 0o100000,
  symlink: 0o120000,
  socket: 0o140000,
} as const;
export const TYPE_MASK = 0o170000;
/** Permission bits without set-user-ID, set-group-ID and sticky. */
export const PERMISSIONS = 0o777;
export const STICKY = 0o1000;
export const SET_IDS = 0o6000;

/** Seconds since 1970 and nanoseconds within the second. */
export interface Time {
  readonly seconds: number;
  readonly nanoseconds: number;
}

export interface Attributes {
  /** Inode number: the same for all names of one file. */
  readonly inode: number;
  /** Type and permissions. */
  readonly mode: number;
  readonly links: number;
  readonly uid: number;
  readonly gid: number;
  /** Device number of a device node as Linux' `new_encode_dev`; 0 for others. */
  readonly device: number;
  /** Bytes. */
  readonly size: number;
  /** Units of 512 bytes that are allocated. */
  readonly blocks: number;
  readonly accessed: Time;
  readonly modified: Time;
  readonly changed: Time;
}

/** What {@link FileSystem.setAttributes} changes; what is left out stays. */
export interface AttributeChange {
  /** Permissions; type bits are ignored. */
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly size?: number;
  /** `now`: the file system's own clock. */
  readonly accessed?: Time | 'now';
  readonly modified?: Time | 'now';
}

/** How a file is opened. Who appends says where the end is. */
export interface OpenMode {
  readonly read: boolean;
  readonly write: boolean;
  readonly truncate: boolean;
}

export interface DirectoryEntry {
  readonly name: Name;
  /** 0 if it is not known before the name is looked up. */
  readonly inode: number;
  /** One of {@link FILE_TYPE}; 0 if it is not known. */
  readonly type: number;
}

/** Counts of a file system (statvfs). */
export interface Statistics {
  readonly blockSize: number;
  readonly blocks: number;
  readonly freeBlocks: number;
  readonly availableBlocks: number;
  readonly files: number;
  readonly freeFiles: number;
}

/** Flags of {@link FileSystem.rename} (renameat2). */
export const RENAME = { noReplace: 1, exchange: 2 } as const;
/** Modes of {@link FileSystem.allocate} (fallocate). */
export const ALLOCATE = { keepSize: 1, punchHole: 2, zeroRange: 16 } as const;
/** Where {@link FileSystem.seek} goes (lseek). */
export const SEEK = { data: 3, hole: 4 } as const;

/**
 * @typeParam N a node; equal nodes are the same object as long as somebody holds them
 * @typeParam H an open file
 *
 * Every operation throws (or rejects with) {@link FsError}. Names were checked by {@link checkName}.
 */
export interface FileSystem<N extends object = object, H extends object = object> {
  readonly root: N;
  /** @param handle an open file of the node, which may have no name any more */
  attributes(node: N, handle?: H): Awaitable<Attributes>;
  setAttributes(node: N, change: AttributeChange, handle?: H): Awaitable<Attributes>;
  lookup(directory: N, name: Name): Awaitable<N>;
  readLink(node: N): Awaitable<Uint8Array>;
  /** A snapshot of a directory without `.` and `..`, in any order. */
  list(directory: N): Awaitable<readonly DirectoryEntry[]>;
  /** Creates a regular file and opens it. @throws EEXIST */
  create(
    directory: N,
    name: Name,
    permissions: number,
    mode: OpenMode,
  ): Awaitable<{ readonly node: N; readonly handle: H }>;
  makeDirectory(directory: N, name: Name, permissions: number): Awaitable<N>;
  makeSymlink(directory: N, name: Name, target: Uint8Array): Awaitable<N>;
  link(node: N, directory: N, name: Name): Awaitable<void>;
  unlink(directory: N, name: Name): Awaitable<void>;
  removeDirectory(directory: N, name: Name): Awaitable<void>;
  /** @param flags of {@link RENAME} */
  rename(from: N, name: Name, to: N, newName: Name, flags: number): Awaitable<void>;
  open(node: N, mode: OpenMode): Awaitable<H>;
  /** @returns how many bytes there were; less than asked for only at the end of the file */
  read(handle: H, offset: number, into: Uint8Array): Awaitable<number>;
  write(handle: H, offset: number, data: Uint8Array): Awaitable<void>;
  /** What was written is on stable storage when this returns. */
  sync(handle: H, dataOnly: boolean): Awaitable<void>;
  close(handle: H): Awaitable<void>;
  statistics(): Awaitable<Statistics>;
  /** Nobody holds the node any more. */
  forget(node: N): void;
  /** @param mode of {@link ALLOCATE}; 0 extends the file */
  allocate?(handle: H, mode: number, offset: number, length: number): Awaitable<void>;
  /** @param whence of {@link SEEK} @throws ENXIO beyond the end */
  seek?(handle: H, offset: number, whence: number): Awaitable<number>;
  getExtended?(node: N, name: Name): Awaitable<Uint8Array>;
  /** @param flags 1: must not exist, 2: must exist (XATTR_CREATE, XATTR_REPLACE) */
  setExtended?(node: N, name: Name, value: Uint8Array, flags: number): Awaitable<void>;
  listExtended?(node: N): Awaitable<readonly Name[]>;
  removeExtended?(node: N, name: Name): Awaitable<void>;
}
