import { offsetOf, timeOf } from '../arguments.ts';
import { FsError } from '../errno.ts';
import type { AttributeChange, OpenMode } from '../file-system.ts';
import { CHANGE, OPEN } from './protocol.ts';
import type { RequestReader } from './wire.ts';

/** Flags of open(2). @throws FsError */
export function openMode(flags: number): OpenMode {
  const access = flags & OPEN.accessMode;
  if (access === OPEN.accessMode) throw new FsError('EINVAL');
  return {
    read: access !== OPEN.writeOnly,
    write: access !== 0,
    truncate: (flags & OPEN.truncate) !== 0,
  };
}

/** fuse_setattr_in: what is to change, and the open file that the client has, if it names one. */
export function readChange(r: RequestReader): { readonly change: AttributeChange; readonly file: number | undefined } {
  const valid = r.u32();
  r.skip(4);
  const fh = r.u64();
  const size = r.u64();
  r.skip(8);
  const accessed = r.u64();
  const modified = r.u64();
  r.skip(8);
  const accessedNs = r.u32();
  const modifiedNs = r.u32();
  r.skip(4);
  const mode = r.u32();
  r.skip(4);
  const uid = r.u32();
  const gid = r.u32();
  const change: AttributeChange = {
    ...(valid & CHANGE.mode && { mode }),
    ...(valid & CHANGE.uid && { uid }),
    ...(valid & CHANGE.gid && { gid }),
    ...(valid & CHANGE.size && { size: offsetOf(size) }),
    ...time('accessed', valid & CHANGE.accessed, valid & CHANGE.accessedNow, accessed, accessedNs),
    ...time('modified', valid & CHANGE.modified, valid & CHANGE.modifiedNow, modified, modifiedNs),
  };
  return { change, file: valid & CHANGE.handle ? fh : undefined };
}

function time(
  key: 'accessed' | 'modified',
  given: number,
  now: number,
  seconds: number,
  nanoseconds: number,
): AttributeChange {
  if (now !== 0) return { [key]: 'now' };
  if (given === 0) return {};
  return { [key]: timeOf(seconds, nanoseconds) };
}
