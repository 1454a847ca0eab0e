/**
 * Writes a file tree as an ext4 file system, from nothing: the same tree gives the same bytes on every
 * machine, for every user, whatever tools are there.
 *
 * Layout: superblock and descriptors (copies in the sparse groups), then in group 0 all block bitmaps, inode
 * bitmaps and inode tables (flex_bg), then the journal, then directories and files in path order, each contiguous but
 * where a superblock's copy lies in between.
 */
import {
  BLOCK_SIZE,
  BLOCKS_PER_GROUP,
  DESCRIPTOR_SIZE,
  directoryBlocks,
  ENTRY_TYPE,
  type Extent,
  extentRoot,
  FIRST_FREE_INODE,
  FORMAT_BITS,
  groupDescriptor,
  hasSuperblock,
  INLINE_EXTENTS,
  INODE,
  INODE_SIZE,
  inode,
  journalSuperblock,
  MAX_EXTENT,
  SUPERBLOCK_OFFSET,
  superblock,
} from './ext4-format.ts';
import type { DirNode, FileTree, TreeNode } from './file-tree.ts';

/** Choices about an image. */
export interface Ext4Options {
  /** Size of the file system in bytes; rounded down to blocks. */
  readonly size: number;
  /** 16 bytes. */
  readonly uuid: Uint8Array;
  /** At most 16 bytes of UTF-8. */
  readonly label: string;
  /** Age of the file system, seconds since 1970. */
  readonly time: number;
  /** Inodes to provide; default one per 16 KiB. */
  readonly inodes?: number;
}

/** Bytes to write at an offset; what no chunk covers is zero. */
export interface ImageChunk {
  readonly offset: number;
  readonly data: Uint8Array;
}

const JOURNAL_BLOCKS = 2048;
const FAST_LINK = 60;
const utf8 = new TextEncoder();
const ceil = (n: number, unit: number): number => Math.ceil(n / unit);

interface Placed {
  readonly node: TreeNode;
  readonly number: number;
  links: number;
  readonly parent: number;
}

/** Hands out the image's blocks in ascending order, passing over the superblock's copies. */
class BlockAllocator {
  private readonly used: Uint8Array;
  private next: number;
  private readonly total: number;

  constructor(total: number, reserved: (block: number) => boolean, first: number) {
    this.total = total;
    this.used = new Uint8Array(ceil(total, 8));
    this.next = first;
    for (let block = 0; block < total; block++) if (block < first || reserved(block)) this.mark(block);
  }

  taken(block: number): boolean {
    return ((this.used[block >> 3]! >> (block & 7)) & 1) === 1;
  }

  allocate(count: number): Extent[] {
    const extents: Extent[] = [];
    let logical = 0;
    while (logical < count) {
      while (this.next < this.total && this.taken(this.next)) this.next++;
      const start = this.next;
      while (
        this.next < this.total &&
        !this.taken(this.next) &&
        this.next - start < MAX_EXTENT &&
        logical + this.next - start < count
      )
        this.mark(this.next++);
      if (this.next === start)
        throw new Error(`ext4: the tree needs more than the ${this.total} blocks of the image; give it a larger size`);
      extents.push({ logical, start, length: this.next - start });
      logical += this.next - start;
    }
    if (extents.length > INLINE_EXTENTS)
      throw new Error(
        `ext4: a file of ${count} blocks needs ${extents.length} extents, ${INLINE_EXTENTS} are supported`,
      );
    return extents;
  }

  private mark(block: number): void {
    this.used[block >> 3]! |= 1 << (block & 7);
  }
}

/**
 * The image of `tree`, as chunks in no particular order.
 *
 * @throws Error when the tree does not fit.
 */
export function* writeExt4(tree: FileTree, options: Ext4Options): Generator<ImageChunk> {
  const blocks = Math.floor(options.size / BLOCK_SIZE);
  const groups = ceil(blocks, BLOCKS_PER_GROUP);
  const inodesPerGroup = ceil(ceil(options.inodes ?? options.size / 16384, groups), 16) * 16;
  const descriptorBlocks = ceil(groups * DESCRIPTOR_SIZE, BLOCK_SIZE);
  const tableBlocks = (inodesPerGroup * INODE_SIZE) / BLOCK_SIZE;
  const bitmapsAt = 1 + descriptorBlocks;
  const tablesAt = bitmapsAt + 2 * groups;
  const dataAt = tablesAt + tableBlocks * groups;
  if (dataAt + JOURNAL_BLOCKS > Math.min(blocks, BLOCKS_PER_GROUP)) {
    throw new RangeError(
      `ext4: ${options.size} bytes with ${groups * inodesPerGroup} inodes cannot be laid out; group 0 must hold all tables`,
    );
  }
  const copy = (block: number): boolean =>
    hasSuperblock(Math.floor(block / BLOCKS_PER_GROUP)) && block % BLOCKS_PER_GROUP <= descriptorBlocks;
  const space = new BlockAllocator(blocks, copy, dataAt);

  const placed = number(tree.root);
  const byNode = new Map(placed.map((p) => [p.node, p]));
  const last = placed.reduce((most, p) => Math.max(most, p.number), FIRST_FREE_INODE - 1);
  if (last > groups * inodesPerGroup)
    throw new Error(`ext4: ${last} inodes are needed, the image has ${groups * inodesPerGroup}`);
  const directories = new Uint32Array(groups);
  const inodeChunk = (index: number, bytes: Uint8Array): ImageChunk => ({
    offset: tablesAt * BLOCK_SIZE + (index - 1) * INODE_SIZE,
    data: bytes,
  });

  const journal = space.allocate(JOURNAL_BLOCKS);
  const journalSize = JOURNAL_BLOCKS * BLOCK_SIZE;
  yield { offset: journal[0]!.start * BLOCK_SIZE, data: journalSuperblock(JOURNAL_BLOCKS, options.uuid) };
  yield inodeChunk(
    INODE.JOURNAL,
    inode({
      mode: FORMAT_BITS.file | 0o600,
      uid: 0,
      gid: 0,
      size: journalSize,
      links: 1,
      mtime: options.time,
      blocks: JOURNAL_BLOCKS,
      extents: journal,
    }),
  );

  for (const item of placed) {
    const { node } = item;
    const facts = { ...node.facts, mode: FORMAT_BITS[node.kind] | node.facts.mode, links: item.links };
    const content = contents(item, byNode);
    if (node.kind === 'dir') directories[Math.floor((item.number - 1) / inodesPerGroup)]!++;
    if (node.kind === 'char') {
      const inline = new Uint8Array(60);
      inline[0] = node.minor;
      inline[1] = node.major;
      yield inodeChunk(item.number, inode({ ...facts, size: 0, blocks: 0, inline }));
    } else if (node.kind === 'symlink' && content.length < FAST_LINK) {
      yield inodeChunk(item.number, inode({ ...facts, size: content.length, blocks: 0, inline: content }));
    } else {
      const count = ceil(content.length, BLOCK_SIZE);
      const extents = space.allocate(count);
      for (const extent of extents) {
        const from = extent.logical * BLOCK_SIZE;
        yield { offset: extent.start * BLOCK_SIZE, data: content.subarray(from, from + extent.length * BLOCK_SIZE) };
      }
      yield inodeChunk(item.number, inode({ ...facts, size: content.length, blocks: count, extents }));
    }
  }

  const descriptors = new Uint8Array(descriptorBlocks * BLOCK_SIZE);
  let freeBlocks = 0;
  for (let group = 0; group < groups; group++) {
    const bitmap = new Uint8Array(BLOCK_SIZE).fill(0xff);
    const first = group * BLOCKS_PER_GROUP;
    const count = Math.min(BLOCKS_PER_GROUP, blocks - first);
    let free = 0;
    for (let i = 0; i < count; i++) {
      if (space.taken(first + i)) continue;
      bitmap[i >> 3]! &= ~(1 << (i & 7));
      free++;
    }
    const inodeBitmap = new Uint8Array(BLOCK_SIZE).fill(0xff);
    const usedInodes = Math.min(Math.max(last - group * inodesPerGroup, 0), inodesPerGroup);
    for (let i = usedInodes; i < inodesPerGroup; i++) inodeBitmap[i >> 3]! &= ~(1 << (i & 7));
    yield { offset: (bitmapsAt + group) * BLOCK_SIZE, data: bitmap };
    yield { offset: (bitmapsAt + groups + group) * BLOCK_SIZE, data: inodeBitmap };
    descriptors.set(
      groupDescriptor({
        blockBitmap: bitmapsAt + group,
        inodeBitmap: bitmapsAt + groups + group,
        inodeTable: tablesAt + group * tableBlocks,
        freeBlocks: free,
        freeInodes: inodesPerGroup - usedInodes,
        directories: directories[group]!,
      }),
      group * DESCRIPTOR_SIZE,
    );
    freeBlocks += free;
  }
  const facts = {
    blocks,
    freeBlocks,
    inodes: groups * inodesPerGroup,
    freeInodes: groups * inodesPerGroup - last,
    inodesPerGroup,
    time: options.time,
    uuid: options.uuid,
    label: options.label,
    journal: { block: extentRoot(journal), size: journalSize },
  };
  for (let group = 0; group < groups; group++) {
    if (!hasSuperblock(group)) continue;
    const start = group * BLOCKS_PER_GROUP * BLOCK_SIZE;
    yield { offset: start + (group === 0 ? SUPERBLOCK_OFFSET : 0), data: superblock(facts, group) };
    yield { offset: start + BLOCK_SIZE, data: descriptors };
  }
}

const sortedChildren = (directory: DirNode): [string, TreeNode][] =>
  [...directory.children].sort(([a], [b]) => (a < b ? -1 : 1));

/** Gives every node an inode number, in path order, and counts its links. */
function number(root: DirNode): Placed[] {
  const placed: Placed[] = [];
  const seen = new Map<TreeNode, Placed>();
  let next: number = FIRST_FREE_INODE;
  const place = (node: TreeNode, index: number, parent: number): void => {
    const item: Placed = { node, number: index, links: node.kind === 'dir' ? 2 : 1, parent };
    placed.push(item);
    seen.set(node, item);
    if (node.kind !== 'dir') return;
    for (const [name, child] of sortedChildren(node)) {
      const known = seen.get(child);
      if (child.kind === 'dir') item.links++;
      if (known !== undefined) known.links++;
      else place(child, index === INODE.ROOT && name === 'lost+found' ? INODE.LOST_FOUND : next++, index);
    }
  };
  if (root.children.get('lost+found')?.kind !== 'dir') {
    root.children.set('lost+found', { kind: 'dir', facts: { ...root.facts, mode: 0o700 }, children: new Map() });
  }
  place(root, INODE.ROOT, INODE.ROOT);
  return placed;
}

function contents(item: Placed, placed: ReadonlyMap<TreeNode, Placed>): Uint8Array {
  const { node } = item;
  if (node.kind === 'file') return node.data;
  if (node.kind === 'symlink') return utf8.encode(node.target);
  if (node.kind === 'char') return new Uint8Array(0);
  return directoryBlocks([
    { name: utf8.encode('.'), inode: item.number, type: ENTRY_TYPE.dir },
    { name: utf8.encode('..'), inode: item.parent, type: ENTRY_TYPE.dir },
    ...sortedChildren(node).map(([name, child]) => ({
      name: utf8.encode(name),
      inode: placed.get(child)!.number,
      type: ENTRY_TYPE[child.kind],
    })),
  ]);
}
