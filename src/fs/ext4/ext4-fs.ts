import { FsError } from '../errno.ts';
import {
  type Attributes,
  bytesName,
  type DirectoryEntry,
  FILE_TYPE,
  type Name,
  type Statistics,
  type Time,
  TYPE_MASK,
} from '../file-system.ts';
import { ReadOnlyFs } from '../read-only-fs.ts';
import { BlockReader, type DiskContents, Ext4Error } from './blocks.ts';
import { recoverJournal } from './journal.ts';

/** Reader of ext2, ext3 and ext4 (Linux, Documentation/filesystems/ext4), for looking at a disk as it is at one instant. */

const SUPERBLOCK_AT = 1024;
const MAGIC = 0xef53;
const ROOT_INODE = 2;
const INCOMPAT = {
  fileType: 0x2,
  recover: 0x4,
  extents: 0x40,
  wide: 0x80,
  mountProtection: 0x100,
  flexGroups: 0x200,
  extendedInodes: 0x400,
  checksumSeed: 0x2000,
  largeDirectories: 0x4000,
  caseFolding: 0x20000,
} as const;
const KNOWN = Object.values(INCOMPAT).reduce((a, b) => a | b, 0);
/** What is known of features that are not read, by their bits. */
const UNREAD: Readonly<Record<number, string>> = {
  1: 'compression',
  8: 'a separate journal device',
  16: 'meta block groups',
  4096: 'data in directories',
  32768: 'inline data',
  65536: 'encryption',
};

const EXTENTS_FLAG = 0x80000;
const EXTENT_MAGIC = 0xf30a;
const EXTENT_SIZE = 12;
/** An extent with more blocks than this is allocated but reads as zeros; it has as many fewer. */
const MAX_WRITTEN = 32768;
const DIRECT = 12;
const MAX_DEPTH = 5;
const MAX_LINK = 4096;
/** File types of directory entries. */
const TYPES = [
  0,
  FILE_TYPE.file,
  FILE_TYPE.directory,
  FILE_TYPE.character,
  FILE_TYPE.block,
  FILE_TYPE.fifo,
  FILE_TYPE.socket,
  FILE_TYPE.symlink,
];

/** An inode as it was read. */
export class Ext4Node {
  readonly number: number;
  readonly raw: DataView;

  constructor(number: number, raw: DataView) {
    this.number = number;
    this.raw = raw;
  }

  get mode(): number {
    return this.raw.getUint16(0, true);
  }

  get type(): number {
    return this.mode & TYPE_MASK;
  }

  get size(): number {
    return this.raw.getUint32(0x6c, true) * 2 ** 32 + this.raw.getUint32(4, true);
  }

  get flags(): number {
    return this.raw.getUint32(0x20, true);
  }

  /** The 60 bytes of i_block. */
  get block(): DataView {
    return new DataView(this.raw.buffer, this.raw.byteOffset + 0x28, 60);
  }
}

export class Ext4Fs extends ReadOnlyFs<Ext4Node> {
  readonly root: Ext4Node;
  private readonly blocks: BlockReader;
  private readonly superblock: DataView;

  private constructor(blocks: BlockReader, superblock: DataView, root: Ext4Node) {
    super();
    this.blocks = blocks;
    this.superblock = superblock;
    this.root = root;
  }

  /**
   * Opens the file system that fills a disk. What its journal holds counts as written.
   * @throws Ext4Error saying what is wrong and where
   */
  static async open(disk: DiskContents): Promise<Ext4Fs> {
    if (disk.size < SUPERBLOCK_AT + 1024) throw new Ext4Error(`${disk.size} bytes are too few for a file system`);
    const sector = new Uint8Array(1024);
    await disk.read(SUPERBLOCK_AT, sector);
    let superblock = new DataView(sector.buffer);
    if (superblock.getUint16(0x38, true) !== MAGIC)
      throw new Ext4Error('there is no ext4 superblock at offset 1024: expected a disk that one file system fills');
    const logSize = superblock.getUint32(0x18, true);
    if (logSize > 6) throw new Ext4Error(`offset ${SUPERBLOCK_AT + 0x18} says blocks of 2^${10 + logSize} bytes`);
    const unknown = superblock.getUint32(0x60, true) & ~KNOWN;
    if (unknown !== 0) {
      const bit = 31 - Math.clz32(unknown & -unknown);
      throw new Ext4Error(`the file system uses ${UNREAD[2 ** bit] ?? `feature bit ${bit}`}, which is not read`);
    }
    const blocks = new BlockReader(disk, 1024 << logSize);
    let fs = new Ext4Fs(blocks, superblock, undefined as unknown as Ext4Node);
    if ((superblock.getUint32(0x60, true) & INCOMPAT.recover) !== 0) {
      const journal = await fs.inode(superblock.getUint32(0xe0, true));
      await recoverJournal(blocks, async (index) => {
        const at = await fs.locate(journal, index);
        if (at === undefined) throw new Ext4Error(`block ${index} of the journal is a hole`);
        return at;
      });
      // The superblock may be in the journal, too.
      const first = await blocks.block(Math.floor(SUPERBLOCK_AT / blocks.size));
      superblock = new DataView(first.slice(SUPERBLOCK_AT % blocks.size).buffer);
      fs = new Ext4Fs(blocks, superblock, fs.root);
    }
    return new Ext4Fs(blocks, superblock, await fs.inode(ROOT_INODE));
  }

  attributes(node: Ext4Node): Attributes {
    const { raw } = node;
    const owner = (low: number, high: number): number => raw.getUint16(low, true) + raw.getUint16(high, true) * 65536;
    const device = node.type === FILE_TYPE.character || node.type === FILE_TYPE.block;
    return {
      inode: node.number,
      mode: node.mode,
      links: raw.getUint16(0x1a, true),
      uid: owner(0x02, 0x78),
      gid: owner(0x18, 0x7a),
      device: device ? node.block.getUint32(0, true) || node.block.getUint32(4, true) : 0,
      size: node.size,
      blocks: raw.getUint32(0x1c, true) + raw.getUint16(0x74, true) * 2 ** 32,
      accessed: this.time(raw, 0x08, 0x8c),
      modified: this.time(raw, 0x10, 0x88),
      changed: this.time(raw, 0x0c, 0x84),
    };
  }

  async lookup(directory: Ext4Node, name: Name): Promise<Ext4Node> {
    for await (const entry of this.entries(directory)) if (entry.name === name) return this.inode(entry.inode);
    throw new FsError('ENOENT');
  }

  async readLink(node: Ext4Node): Promise<Uint8Array> {
    if (node.type !== FILE_TYPE.symlink) throw new FsError('EINVAL');
    const { size } = node;
    if (size > MAX_LINK) throw new Ext4Error(`the link of inode ${node.number} has ${size} bytes`);
    const target = new Uint8Array(size);
    // A short one lies in the inode (fast symbolic link).
    if (size < 60 && (node.flags & EXTENTS_FLAG) === 0)
      target.set(new Uint8Array(node.block.buffer, node.block.byteOffset, size));
    else await this.read(node, 0, target);
    return target;
  }

  async list(directory: Ext4Node): Promise<DirectoryEntry[]> {
    const found: DirectoryEntry[] = [];
    for await (const entry of this.entries(directory)) if (entry.name !== '.' && entry.name !== '..') found.push(entry);
    return found;
  }

  async read(node: Ext4Node, offset: number, into: Uint8Array): Promise<number> {
    const { blocks } = this;
    const length = Math.max(0, Math.min(into.length, node.size - offset));
    for (let at = 0; at < length; ) {
      const index = Math.floor((offset + at) / blocks.size);
      const within = offset + at - index * blocks.size;
      const count = Math.min(blocks.size - within, length - at);
      const block = await this.locate(node, index);
      if (block === undefined) into.fill(0, at, at + count);
      else into.set((await blocks.data(block)).subarray(within, within + count), at);
      at += count;
    }
    return length;
  }

  statistics(): Statistics {
    const { superblock } = this;
    const wide = (superblock.getUint32(0x60, true) & INCOMPAT.wide) !== 0;
    const count = (low: number, high: number): number =>
      superblock.getUint32(low, true) + (wide ? superblock.getUint32(high, true) * 2 ** 32 : 0);
    const freeBlocks = count(0x0c, 0x158);
    return {
      blockSize: this.blocks.size,
      blocks: count(0x04, 0x150),
      freeBlocks,
      availableBlocks: Math.max(0, freeBlocks - count(0x08, 0x154)),
      files: superblock.getUint32(0x00, true),
      freeFiles: superblock.getUint32(0x10, true),
    };
  }

  /** A file by its inode's number. @throws Ext4Error when there is none */
  async inode(number: number): Promise<Ext4Node> {
    const { superblock, blocks } = this;
    const perGroup = superblock.getUint32(0x28, true);
    if (number < 1 || number > superblock.getUint32(0, true) || perGroup === 0)
      throw new Ext4Error(`there is no inode ${number}`);
    const inodeSize = superblock.getUint32(0x4c, true) === 0 ? 128 : superblock.getUint16(0x58, true);
    const wide = (superblock.getUint32(0x60, true) & INCOMPAT.wide) !== 0;
    const descriptorSize = wide ? Math.max(32, superblock.getUint16(0xfe, true)) : 32;
    const group = Math.floor((number - 1) / perGroup);
    const descriptorAt = (superblock.getUint32(0x14, true) + 1) * blocks.size + group * descriptorSize;
    const descriptor = await this.bytes(descriptorAt, descriptorSize);
    const table =
      descriptor.getUint32(8, true) + (descriptorSize >= 64 ? descriptor.getUint32(0x28, true) * 2 ** 32 : 0);
    return new Ext4Node(
      number,
      await this.bytes(table * blocks.size + ((number - 1) % perGroup) * inodeSize, inodeSize),
    );
  }

  /** Bytes of metadata that lie within one block. */
  private async bytes(offset: number, length: number): Promise<DataView> {
    const index = Math.floor(offset / this.blocks.size);
    const block = await this.blocks.block(index);
    const within = offset - index * this.blocks.size;
    if (within + length > block.length) throw new Ext4Error(`a record at offset ${offset} crosses the end of a block`);
    return new DataView(block.slice(within, within + length).buffer);
  }

  private time(raw: DataView, at: number, extraAt: number): Time {
    const seconds = raw.getInt32(at, true);
    // The extra fields are there if i_extra_isize says so: two bits more of seconds, then nanoseconds.
    if (raw.byteLength < extraAt + 4 || 128 + raw.getUint16(0x80, true) < extraAt + 4)
      return { seconds, nanoseconds: 0 };
    const extra = raw.getUint32(extraAt, true);
    return { seconds: seconds + (extra & 3) * 2 ** 32, nanoseconds: extra >>> 2 };
  }

  private async *entries(directory: Ext4Node): AsyncGenerator<DirectoryEntry> {
    if (directory.type !== FILE_TYPE.directory) throw new FsError('ENOTDIR');
    const { blocks } = this;
    const typed = (this.superblock.getUint32(0x60, true) & INCOMPAT.fileType) !== 0;
    const count = Math.ceil(directory.size / blocks.size);
    for (let index = 0; index < count; index++) {
      const at = await this.locate(directory, index);
      if (at === undefined) continue;
      const bytes = await blocks.block(at);
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      for (let offset = 0; offset + 8 <= bytes.length; ) {
        const inode = view.getUint32(offset, true);
        const said = view.getUint16(offset + 4, true);
        // A record as long as a block of 64 KiB does not fit in the field.
        const length = said === 0 || said === 0xffff ? bytes.length - offset : said;
        const nameLength = bytes[offset + 6];
        if (length < 8 || length % 4 !== 0 || offset + length > bytes.length || 8 + nameLength > length)
          throw new Ext4Error(
            `inode ${directory.number}: directory entry of ${said} bytes at offset ${at * blocks.size + offset}`,
          );
        const type = typed ? (TYPES[bytes[offset + 7]] ?? 0) : 0;
        // Trees and checksums of directories hide in entries of inode 0.
        if (inode !== 0 && nameLength > 0)
          yield { name: bytesName(bytes.subarray(offset + 8, offset + 8 + nameLength)), inode, type };
        offset += length;
      }
    }
  }

  /** The disk's block that is a file's block `index`; undefined for a hole. */
  private locate(node: Ext4Node, index: number): Promise<number | undefined> {
    return (node.flags & EXTENTS_FLAG) !== 0 ? this.inExtents(node, index) : this.inMap(node, index);
  }

  private async inExtents(node: Ext4Node, index: number): Promise<number | undefined> {
    let tree = node.block;
    for (let depth = MAX_DEPTH; depth >= 0; depth--) {
      const entries = tree.getUint16(2, true);
      if (tree.getUint16(0, true) !== EXTENT_MAGIC || EXTENT_SIZE * (entries + 1) > tree.byteLength)
        throw new Ext4Error(`inode ${node.number}: its extent tree is damaged`);
      const leaf = tree.getUint16(6, true) === 0;
      let at = 0;
      for (let i = 1; i <= entries && tree.getUint32(EXTENT_SIZE * i, true) <= index; i++) at = EXTENT_SIZE * i;
      if (at === 0) return undefined;
      if (leaf) {
        const length = tree.getUint16(at + 4, true);
        const within = index - tree.getUint32(at, true);
        if (length > MAX_WRITTEN || within >= length) return undefined;
        return tree.getUint16(at + 6, true) * 2 ** 32 + tree.getUint32(at + 8, true) + within;
      }
      const below = await this.blocks.block(tree.getUint16(at + 8, true) * 2 ** 32 + tree.getUint32(at + 4, true));
      tree = new DataView(below.buffer, below.byteOffset, below.byteLength);
    }
    throw new Ext4Error(`inode ${node.number}: its extent tree is deeper than ${MAX_DEPTH}`);
  }

  /** Direct and indirect blocks, as ext2 and ext3 have them. */
  private async inMap(node: Ext4Node, index: number): Promise<number | undefined> {
    const fan = this.blocks.size / 4;
    if (index < DIRECT) return node.block.getUint32(4 * index, true) || undefined;
    let rest = index - DIRECT;
    for (let depth = 1; depth <= 3; depth++) {
      const span = fan ** depth;
      if (rest >= span) {
        rest -= span;
        continue;
      }
      let at = node.block.getUint32(4 * (DIRECT - 1 + depth), true);
      for (let level = depth - 1; level >= 0 && at !== 0; level--) {
        const block = await this.blocks.block(at);
        const slot = Math.floor(rest / fan ** level) % fan;
        at = new DataView(block.buffer, block.byteOffset).getUint32(4 * slot, true);
      }
      return at || undefined;
    }
    throw new Ext4Error(`inode ${node.number} has no block ${index}`);
  }
}
