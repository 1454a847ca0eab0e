/**
 * Numbers and on-disk records of ext4 (Linux, Documentation/filesystems/ext4), as far as the image writer uses them.
 *
 * Blocks are 4096 bytes, inodes 256; no metadata checksums and no directory written with an index, so that an image is easy to write and
 * quick to mount; a journal, extents and sparse superblock copies.
 */

export const BLOCK_SIZE = 4096;
export const INODE_SIZE = 256;
export const BLOCKS_PER_GROUP = 32768;
export const DESCRIPTOR_SIZE = 32;
export const SUPERBLOCK_OFFSET = 1024;

export const INODE = { ROOT: 2, JOURNAL: 8, LOST_FOUND: 11 } as const;
export const FIRST_FREE_INODE = 12;

const COMPAT = { HAS_JOURNAL: 0x4, DIR_INDEX: 0x20 };
const INCOMPAT = { FILETYPE: 0x2, EXTENTS: 0x40, FLEX_BG: 0x200 };
const RO_COMPAT = { SPARSE_SUPER: 0x1, LARGE_FILE: 0x2, DIR_NLINK: 0x20, EXTRA_ISIZE: 0x40 };
/** log2 of groups whose tables lie together: all of them. */
const LOG_GROUPS_PER_FLEX = 31;

/** File types of directory entries. */
export const ENTRY_TYPE = { file: 1, dir: 2, char: 3, symlink: 7 } as const;
/** File types of i_mode. */
export const FORMAT_BITS = { file: 0x8000, dir: 0x4000, char: 0x2000, symlink: 0xa000 } as const;

const EXTENTS_FLAG = 0x80000;
const EXTENT_MAGIC = 0xf30a;
/** Longest initialised extent, in blocks. */
export const MAX_EXTENT = 32768;
/** Extents that fit in an inode. */
export const INLINE_EXTENTS = 4;

/** A run of blocks of a file. */
export interface Extent {
  readonly logical: number;
  readonly start: number;
  readonly length: number;
}

/** What a superblock says; counts in blocks or inodes, times in seconds since 1970. */
export interface SuperblockFacts {
  readonly blocks: number;
  readonly freeBlocks: number;
  readonly inodes: number;
  readonly freeInodes: number;
  readonly inodesPerGroup: number;
  readonly time: number;
  readonly uuid: Uint8Array;
  readonly label: string;
  /** i_block of the journal, kept as its backup. */
  readonly journal: { readonly block: Uint8Array; readonly size: number };
}

const view = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** The 1024 bytes of a superblock; `group` is that of the copy. */
export function superblock(facts: SuperblockFacts, group: number): Uint8Array {
  const out = new Uint8Array(1024);
  const v = view(out);
  v.setUint32(0x00, facts.inodes, true);
  v.setUint32(0x04, facts.blocks, true);
  v.setUint32(0x0c, facts.freeBlocks, true);
  v.setUint32(0x10, facts.freeInodes, true);
  v.setUint32(0x18, 2, true); // s_log_block_size: 1024 << 2
  v.setUint32(0x1c, 2, true); // s_log_cluster_size
  v.setUint32(0x20, BLOCKS_PER_GROUP, true);
  v.setUint32(0x24, BLOCKS_PER_GROUP, true);
  v.setUint32(0x28, facts.inodesPerGroup, true);
  v.setUint32(0x30, facts.time, true); // s_wtime
  v.setUint16(0x36, 0xffff, true); // s_max_mnt_count: never checked for its age
  v.setUint16(0x38, 0xef53, true); // s_magic
  v.setUint16(0x3a, 1, true); // s_state: clean
  v.setUint16(0x3c, 1, true); // s_errors: continue
  v.setUint32(0x40, facts.time, true); // s_lastcheck
  v.setUint32(0x4c, 1, true); // s_rev_level: dynamic
  v.setUint32(0x54, INODE.LOST_FOUND, true); // s_first_ino
  v.setUint16(0x58, INODE_SIZE, true);
  v.setUint16(0x5a, group, true);
  // Directories are written without an index; those that the guest fills get one.
  v.setUint32(0x5c, COMPAT.HAS_JOURNAL | COMPAT.DIR_INDEX, true);
  v.setUint32(0x60, INCOMPAT.FILETYPE | INCOMPAT.EXTENTS | INCOMPAT.FLEX_BG, true);
  v.setUint32(0x64, RO_COMPAT.SPARSE_SUPER | RO_COMPAT.LARGE_FILE | RO_COMPAT.DIR_NLINK | RO_COMPAT.EXTRA_ISIZE, true);
  out.set(facts.uuid, 0x68);
  out.set(new TextEncoder().encode(facts.label).subarray(0, 16), 0x78);
  v.setUint32(0xe0, INODE.JOURNAL, true);
  out.set(facts.uuid, 0xec); // s_hash_seed
  out[0xfc] = 1; // s_def_hash_version: half MD4
  out[0xfd] = 1; // s_jnl_backup_type: i_block and size follow
  v.setUint32(0x100, 0xc, true); // s_default_mount_opts: user xattr, ACL
  v.setUint32(0x108, facts.time, true); // s_mkfs_time
  out.set(facts.journal.block, 0x10c);
  v.setUint32(0x10c + 64, facts.journal.size, true);
  v.setUint16(0x15c, 32, true); // s_min_extra_isize
  v.setUint16(0x15e, 32, true); // s_want_extra_isize
  v.setUint32(0x160, 2, true); // s_flags: hashes of unsigned characters
  out[0x174] = LOG_GROUPS_PER_FLEX;
  return out;
}

/** What an inode says. */
export interface InodeFacts {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes. */
  readonly size: number;
  readonly links: number;
  readonly mtime: number;
  /** Blocks it owns. */
  readonly blocks: number;
  readonly extents?: readonly Extent[];
  /** Instead of extents: the text of a short link, or a device number. */
  readonly inline?: Uint8Array;
}

/** The 60 bytes of i_block that hold an extent tree of depth 0. */
export function extentRoot(extents: readonly Extent[]): Uint8Array {
  const out = new Uint8Array(60);
  const v = view(out);
  v.setUint16(0, EXTENT_MAGIC, true);
  v.setUint16(2, extents.length, true);
  v.setUint16(4, INLINE_EXTENTS, true);
  extents.forEach((extent, i) => {
    v.setUint32(12 + i * 12, extent.logical, true);
    v.setUint16(16 + i * 12, extent.length, true);
    v.setUint32(20 + i * 12, extent.start, true);
  });
  return out;
}

/** The 256 bytes of an inode. */
export function inode(facts: InodeFacts): Uint8Array {
  const out = new Uint8Array(INODE_SIZE);
  const v = view(out);
  v.setUint16(0x00, facts.mode, true);
  v.setUint16(0x02, facts.uid & 0xffff, true);
  v.setUint32(0x04, facts.size >>> 0, true);
  for (const at of [0x08, 0x0c, 0x10, 0x90]) v.setUint32(at, facts.mtime, true); // atime, ctime, mtime, crtime
  v.setUint16(0x18, facts.gid & 0xffff, true);
  v.setUint16(0x1a, facts.links, true);
  v.setUint32(0x1c, facts.blocks * (BLOCK_SIZE / 512), true);
  if (facts.extents !== undefined) {
    v.setUint32(0x20, EXTENTS_FLAG, true);
    out.set(extentRoot(facts.extents), 0x28);
  } else if (facts.inline !== undefined) out.set(facts.inline, 0x28);
  v.setUint32(0x6c, Math.floor(facts.size / 2 ** 32), true);
  v.setUint16(0x78, facts.uid >>> 16, true);
  v.setUint16(0x7a, facts.gid >>> 16, true);
  v.setUint16(0x80, 32, true); // i_extra_isize
  return out;
}

/** A group descriptor of 32 bytes. */
export function groupDescriptor(g: {
  blockBitmap: number;
  inodeBitmap: number;
  inodeTable: number;
  freeBlocks: number;
  freeInodes: number;
  directories: number;
}): Uint8Array {
  const out = new Uint8Array(DESCRIPTOR_SIZE);
  const v = view(out);
  v.setUint32(0, g.blockBitmap, true);
  v.setUint32(4, g.inodeBitmap, true);
  v.setUint32(8, g.inodeTable, true);
  v.setUint16(12, g.freeBlocks, true);
  v.setUint16(14, g.freeInodes, true);
  v.setUint16(16, g.directories, true);
  return out;
}

/** The first block of an empty jbd2 journal of `blocks` blocks; its fields are big-endian. */
export function journalSuperblock(blocks: number, uuid: Uint8Array): Uint8Array {
  const out = new Uint8Array(1024);
  const v = view(out);
  v.setUint32(0x00, 0xc03b3998); // h_magic
  v.setUint32(0x04, 4); // h_blocktype: superblock, version 2
  v.setUint32(0x0c, BLOCK_SIZE);
  v.setUint32(0x10, blocks);
  v.setUint32(0x14, 1); // s_first
  v.setUint32(0x18, 1); // s_sequence
  out.set(uuid, 0x30);
  v.setUint32(0x40, 1); // s_nr_users
  return out;
}

/** A directory's blocks: entries in the order given, each block filled up by its last entry's length. */
export function directoryBlocks(entries: readonly { name: Uint8Array; inode: number; type: number }[]): Uint8Array {
  const blocks: Uint8Array[] = [];
  let block = new Uint8Array(BLOCK_SIZE);
  let at = 0;
  let last = 0;
  const close = (): void => view(block).setUint16(last + 4, BLOCK_SIZE - last, true);
  for (const entry of entries) {
    const need = (8 + entry.name.length + 3) & ~3;
    if (at + need > BLOCK_SIZE) {
      close();
      blocks.push(block);
      block = new Uint8Array(BLOCK_SIZE);
      at = 0;
    }
    const v = view(block);
    v.setUint32(at, entry.inode, true);
    v.setUint16(at + 4, need, true);
    block[at + 6] = entry.name.length;
    block[at + 7] = entry.type;
    block.set(entry.name, at + 8);
    last = at;
    at += need;
  }
  close();
  blocks.push(block);
  const out = new Uint8Array(blocks.length * BLOCK_SIZE);
  blocks.forEach((b, i) => out.set(b, i * BLOCK_SIZE));
  return out;
}

/** Whether a group carries a copy of the superblock: 0, 1 and powers of 3, 5 and 7. */
export function hasSuperblock(group: number): boolean {
  if (group <= 1) return true;
  return [3, 5, 7].some((base) => {
    let power = base;
    while (power < group) power *= base;
    return power === group;
  });
}
