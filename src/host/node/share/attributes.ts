import type { BigIntStats } from 'node:fs';
import { type Attributes, SET_IDS, type Time } from '../../../fs/file-system.ts';
import { identity } from './descriptors.ts';

/** Who owns what belongs to nobody that the guest knows (Linux' overflowuid). */
const NOBODY = 65_534;

/** Attributes of the files of a share, as its guest sees them: those of the user who runs this belong to the guest's root. */
export class GuestAttributes {
  private readonly device: bigint;
  private readonly user = process.getuid?.() ?? 0;
  private readonly foreignInodes = new Map<string, number>();

  /** @param device of the folder's own file system */
  constructor(device: bigint) {
    this.device = device;
  }

  /** What a guest is shown of a file. */
  of(stat: BigIntStats): Attributes {
    return {
      inode: this.inodeNumber(stat),
      mode: Number(stat.mode) & ~SET_IDS,
      links: Number(stat.nlink),
      uid: this.guestOwner(Number(stat.uid)),
      gid: this.guestOwner(Number(stat.gid), process.getgid?.() ?? 0),
      device: 0,
      size: Number(stat.size),
      blocks: Number(stat.blocks),
      accessed: guestTime(stat.atimeNs),
      modified: guestTime(stat.mtimeNs),
      changed: guestTime(stat.ctimeNs),
    };
  }

  private guestOwner(owner: number, own: number = this.user): number {
    return owner === own ? 0 : owner === 0 ? NOBODY : owner;
  }

  /** Inode numbers of the folder's own file system as they are; those of others mounted in it, and very large ones, are made up. */
  private inodeNumber(stat: BigIntStats): number {
    const made = 2 ** 52;
    if (stat.dev === this.device && stat.ino < made) return Number(stat.ino);
    const id = identity(stat);
    let inode = this.foreignInodes.get(id);
    if (inode === undefined) this.foreignInodes.set(id, (inode = made + this.foreignInodes.size));
    return inode;
  }
}

function guestTime(nanoseconds: bigint): Time {
  const rest = ((nanoseconds % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
  return { seconds: Number((nanoseconds - rest) / 1_000_000_000n), nanoseconds: Number(rest) };
}

/** Seconds as Node takes them: it cuts off below a microsecond, so this is in the middle of one. */
export function hostTime(time: Time | 'now'): number {
  if (time === 'now') return Date.now() / 1000;
  return time.seconds + (Math.floor(time.nanoseconds / 1000) + 0.5) / 1e6;
}
