import { FsError } from '../errno.ts';
import { type Attributes, type DirectoryEntry, nameBytes } from '../file-system.ts';
import { ATTR_SIZE, INIT, OPEN_KEEP_CACHE, UNKNOWN_INODE, VERSION } from './protocol.ts';
import { ReplyWriter, type RequestReader } from './wire.ts';

/** Most bytes of one read or write, and as pages. */
export const MAX_TRANSFER = 2 ** 20;
const MAX_PAGES = MAX_TRANSFER / 4096;
const WANTED =
  INIT.asyncRead |
  INIT.atomicTruncate |
  INIT.bigWrites |
  INIT.autoInvalidate |
  INIT.readdirPlus |
  INIT.readdirPlusAuto |
  INIT.parallelDirectories |
  INIT.maxPages |
  // Trivially so: no file of a share has any.
  INIT.killPrivileges;

/** The reply's body: bytes after fuse_out_header. */
export type Body = Uint8Array;
export const NOTHING: Body = new Uint8Array(0);
export const nothing = (): Body => NOTHING;

/** fuse_init_out. @throws FsError when the client speaks too old a version */
export function initialise(r: RequestReader): Body {
  const major = r.u32();
  const minor = r.u32();
  const readAhead = r.u32();
  const flags = r.u32();
  const w = new ReplyWriter(64);
  w.u32(VERSION.major);
  w.u32(VERSION.minor);
  // A newer client says again what it speaks, once it knows our version.
  if (major > VERSION.major) return w.bytes;
  if (major < VERSION.major || minor < VERSION.oldestMinor)
    throw new FsError('EPROTO', `FUSE ${major}.${minor}: expected ${VERSION.major}.${VERSION.oldestMinor} or later`);
  w.u32(Math.min(readAhead, MAX_TRANSFER));
  w.u32(flags & WANTED);
  w.u16(64); // max_background
  w.u16(48); // congestion_threshold
  w.u32(MAX_TRANSFER); // max_write
  w.u32(1); // time_gran, in ns
  w.u16(MAX_PAGES);
  return w.bytes;
}

/** fuse_attr_out. @param validSeconds how long the client may keep them */
export function attributesBody(a: Attributes, validSeconds: number): Body {
  const w = new ReplyWriter(16 + ATTR_SIZE);
  w.u64(validSeconds);
  w.skip(8);
  w.attributes(a);
  return w.bytes;
}

/** fuse_open_out. */
export function opened(handle: number, flags: number = OPEN_KEEP_CACHE): Body {
  const w = new ReplyWriter(16);
  w.u64(handle);
  w.u32(flags);
  return w.bytes;
}

/** Two u32, such as fuse_write_out. */
export function words(first: number, second: number): Body {
  const w = new ReplyWriter(8);
  w.u32(first);
  w.u32(second);
  return w.bytes;
}

export function joined(a: Body, b: Body): Body {
  const bytes = new Uint8Array(a.length + b.length);
  bytes.set(a);
  bytes.set(b, a.length);
  return bytes;
}

/** The value, or its size where the client asks how much room it needs. */
export function sized(value: Uint8Array, room: number): Body {
  if (room === 0) return words(value.length, 0);
  if (value.length > room) throw new FsError('ERANGE');
  return value;
}

/** fuse_dirent; `next` is where reading goes on after it. */
export function writeDirent(
  w: ReplyWriter,
  { name, type }: DirectoryEntry,
  inode: number,
  next: number,
  padding: number,
): void {
  w.u64(inode === 0 ? UNKNOWN_INODE : inode);
  w.u64(next);
  w.u32(name.length);
  w.u32(type >>> 12);
  w.put(nameBytes(name));
  w.skip(padding);
}
