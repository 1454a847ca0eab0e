import { offsetOf, timeOf } from '../arguments.ts';
import { FsError } from '../errno.ts';
import type { AttributeChange, OpenMode } from '../file-system.ts';
import { CHANGE, OPEN } from './protocol.ts';
import type { NinePReader } from './wire.ts';

/** Flags of Tlopen and Tlcreate. @throws FsError */
export function openMode(flags: number): OpenMode {
  const access = flags & OPEN.accessMode;
  if (access === OPEN.accessMode) throw new FsError('EINVAL');
  return { read: access !== 1, write: access !== 0, truncate: (flags & OPEN.truncate) !== 0 };
}

/** What a Tsetattr is to change, after its fid. */
export function readChange(r: NinePReader): AttributeChange {
  const valid = r.u32();
  const [mode, uid, gid, size] = [r.u32(), r.u32(), r.u32(), r.u64()];
  const [accessed, accessedNs, modified, modifiedNs] = [r.u64(), r.u64(), r.u64(), r.u64()];
  return {
    ...(valid & CHANGE.mode && { mode }),
    ...(valid & CHANGE.uid && { uid }),
    ...(valid & CHANGE.gid && { gid }),
    ...(valid & CHANGE.size && { size: offsetOf(size) }),
    ...(valid & CHANGE.accessed && { accessed: valid & CHANGE.accessedGiven ? timeOf(accessed, accessedNs) : 'now' }),
    ...(valid & CHANGE.modified && { modified: valid & CHANGE.modifiedGiven ? timeOf(modified, modifiedNs) : 'now' }),
  };
}
