import { FsError } from './errno.ts';
import {
  ALLOCATE,
  type AttributeChange,
  type Attributes,
  type DirectoryEntry,
  FILE_TYPE,
  type FileSystem,
  type Name,
  type OpenMode,
  PERMISSIONS,
  RENAME,
  SEEK,
  STICKY,
  type Statistics,
  type Time,
  TYPE_MASK,
} from './file-system.ts';
import { OpenNode } from './open-node.ts';
import { SparseBytes } from './sparse-bytes.ts';

/** Largest file, as on ext4 with blocks of 4096 bytes. */
const MAX_SIZE = 2 ** 44;
const BLOCK = 4096;

/** An inode of a {@link MemoryFs}. */
export class MemoryNode {
  readonly inode: number;
  mode: number;
  uid = 0;
  gid = 0;
  links = 1;
  accessed: Time;
  modified: Time;
  changed: Time;
  readonly data = new SparseBytes();
  readonly children = new Map<Name, MemoryNode>();
  readonly extended = new Map<Name, Uint8Array>();
  target = new Uint8Array(0);
  parent: MemoryNode | undefined;

  constructor(inode: number, mode: number, now: Time) {
    this.inode = inode;
    this.mode = mode;
    this.accessed = this.modified = this.changed = now;
  }

  get isDirectory(): boolean {
    return (this.mode & TYPE_MASK) === FILE_TYPE.directory;
  }
}

/** A file system in memory: with holes, links, and extended attributes; the model that others are tested against. */
export class MemoryFs implements FileSystem<MemoryNode, OpenNode<MemoryNode>> {
  readonly root: MemoryNode;
  private readonly now: () => Time;
  private inodes = 0;

  /** @param now clock of the files' times; without, it is 1970 for ever */
  constructor(now: () => Time = () => ({ seconds: 0, nanoseconds: 0 })) {
    this.now = now;
    this.root = this.make(FILE_TYPE.directory | 0o755);
    this.root.links = 2;
  }

  attributes(node: MemoryNode): Attributes {
    const { inode, mode, links, uid, gid, accessed, modified, changed } = node;
    const isFile = (mode & TYPE_MASK) === FILE_TYPE.file;
    const size = isFile ? node.data.size : node.isDirectory ? BLOCK : node.target.length;
    const blocks = isFile ? node.data.allocated / 512 : 8;
    return { inode, mode, links, uid, gid, device: 0, size, blocks, accessed, modified, changed };
  }

  setAttributes(node: MemoryNode, change: AttributeChange): Attributes {
    const now = this.now();
    const type = node.mode & TYPE_MASK;
    if (change.mode !== undefined && type === FILE_TYPE.symlink) throw new FsError('EOPNOTSUPP');
    if (change.size !== undefined) {
      if (type !== FILE_TYPE.file) throw new FsError(node.isDirectory ? 'EISDIR' : 'EINVAL');
      if (change.size > MAX_SIZE) throw new FsError('EFBIG');
      node.data.resize(change.size);
      node.modified = now;
    }
    if (change.mode !== undefined) node.mode = type | (change.mode & (PERMISSIONS | STICKY));
    node.uid = change.uid ?? node.uid;
    node.gid = change.gid ?? node.gid;
    if (change.accessed !== undefined) node.accessed = change.accessed === 'now' ? now : change.accessed;
    if (change.modified !== undefined) node.modified = change.modified === 'now' ? now : change.modified;
    node.changed = now;
    return this.attributes(node);
  }

  lookup(directory: MemoryNode, name: Name): MemoryNode {
    const node = this.directory(directory).children.get(name);
    if (node === undefined) throw new FsError('ENOENT');
    return node;
  }

  readLink(node: MemoryNode): Uint8Array {
    if ((node.mode & TYPE_MASK) !== FILE_TYPE.symlink) throw new FsError('EINVAL');
    return node.target;
  }

  list(directory: MemoryNode): DirectoryEntry[] {
    return [...this.directory(directory).children].map(([name, { inode, mode }]) => ({
      name,
      inode,
      type: mode & TYPE_MASK,
    }));
  }

  create(
    directory: MemoryNode,
    name: Name,
    permissions: number,
    mode: OpenMode,
  ): { node: MemoryNode; handle: OpenNode<MemoryNode> } {
    const node = this.add(directory, name, FILE_TYPE.file | permissions);
    return { node, handle: new OpenNode(node, mode) };
  }

  makeDirectory(directory: MemoryNode, name: Name, permissions: number): MemoryNode {
    const node = this.add(directory, name, FILE_TYPE.directory | permissions);
    node.links = 2;
    directory.links++;
    return node;
  }

  makeSymlink(directory: MemoryNode, name: Name, target: Uint8Array): MemoryNode {
    if (target.length === 0) throw new FsError('ENOENT');
    const node = this.add(directory, name, FILE_TYPE.symlink | PERMISSIONS);
    node.target = new Uint8Array(target);
    return node;
  }

  link(node: MemoryNode, directory: MemoryNode, name: Name): void {
    this.free(directory, name);
    if (node.isDirectory) throw new FsError('EPERM');
    if (node.links === 0) throw new FsError('ENOENT');
    this.put(directory, name, node);
    node.links++;
    node.changed = this.now();
  }

  unlink(directory: MemoryNode, name: Name): void {
    const node = this.lookup(directory, name);
    if (node.isDirectory) throw new FsError('EISDIR');
    this.take(directory, name, node);
  }

  removeDirectory(directory: MemoryNode, name: Name): void {
    const node = this.directory(this.lookup(directory, name));
    if (node.children.size > 0) throw new FsError('ENOTEMPTY');
    this.take(directory, name, node);
  }

  rename(from: MemoryNode, name: Name, to: MemoryNode, newName: Name, flags: number): void {
    const there = this.directory(to).children.get(newName);
    const node = this.lookup(from, name);
    if ((flags & RENAME.noReplace) !== 0 && there !== undefined) throw new FsError('EEXIST');
    if ((flags & RENAME.exchange) !== 0 && there === undefined) throw new FsError('ENOENT');
    if (there === node) return;
    if (to.links === 0) throw new FsError('ENOENT');
    if (holds(node, to)) throw new FsError('EINVAL');
    if ((flags & RENAME.exchange) !== 0) {
      if (holds(there!, from)) throw new FsError('EINVAL');
      this.place(from, name, there!, to);
      this.place(to, newName, node, from);
      return;
    }
    if (there !== undefined) {
      if (node.isDirectory && !there.isDirectory) throw new FsError('ENOTDIR');
      if (!node.isDirectory && there.isDirectory) throw new FsError('EISDIR');
      if (there.children.size > 0) throw new FsError('ENOTEMPTY');
      this.take(to, newName, there);
    }
    from.children.delete(name);
    from.modified = from.changed = this.now();
    this.place(to, newName, node, from);
  }

  open(node: MemoryNode, mode: OpenMode): OpenNode<MemoryNode> {
    if (node.isDirectory) throw new FsError('EISDIR');
    if ((node.mode & TYPE_MASK) === FILE_TYPE.symlink) throw new FsError('ELOOP');
    if (mode.truncate) this.setAttributes(node, { size: 0 });
    return new OpenNode(node, mode);
  }

  read({ node, mode }: OpenNode<MemoryNode>, offset: number, into: Uint8Array): number {
    if (!mode.read) throw new FsError('EBADF');
    return node.data.read(offset, into);
  }

  write({ node, mode }: OpenNode<MemoryNode>, offset: number, data: Uint8Array): void {
    if (!mode.write) throw new FsError('EBADF');
    if (offset + data.length > MAX_SIZE) throw new FsError('EFBIG');
    if (data.length === 0) return;
    node.data.write(offset, data);
    node.modified = node.changed = this.now();
  }

  sync(): void {}

  close(): void {}

  statistics(): Statistics {
    const many = 2 ** 28;
    return { blockSize: BLOCK, blocks: many, freeBlocks: many, availableBlocks: many, files: many, freeFiles: many };
  }

  forget(): void {}

  allocate({ node, mode }: OpenNode<MemoryNode>, how: number, offset: number, length: number): void {
    if (!mode.write) throw new FsError('EBADF');
    if (length === 0) throw new FsError('EINVAL');
    if (offset + length > MAX_SIZE) throw new FsError('EFBIG');
    const keep = (how & ALLOCATE.keepSize) !== 0;
    if ((how & ~(ALLOCATE.keepSize | ALLOCATE.punchHole | ALLOCATE.zeroRange)) !== 0) throw new FsError('EOPNOTSUPP');
    if ((how & ALLOCATE.punchHole) !== 0 && !keep) throw new FsError('EOPNOTSUPP');
    if ((how & (ALLOCATE.punchHole | ALLOCATE.zeroRange)) !== 0) node.data.zero(offset, length);
    if (!keep && offset + length > node.data.size) node.data.resize(offset + length);
    node.modified = node.changed = this.now();
  }

  seek({ node }: OpenNode<MemoryNode>, offset: number, whence: number): number {
    if (whence !== SEEK.data && whence !== SEEK.hole) throw new FsError('EINVAL');
    if (offset >= node.data.size) throw new FsError('ENXIO');
    const found = node.data.find(offset, whence === SEEK.data);
    if (found !== undefined) return found;
    if (whence === SEEK.hole) return node.data.size;
    throw new FsError('ENXIO');
  }

  getExtended(node: MemoryNode, name: Name): Uint8Array {
    const value = node.extended.get(name);
    if (value === undefined) throw new FsError('ENODATA');
    return value;
  }

  setExtended(node: MemoryNode, name: Name, value: Uint8Array, flags: number): void {
    if (!name.startsWith('user.')) throw new FsError('EOPNOTSUPP');
    if (flags === 1 && node.extended.has(name)) throw new FsError('EEXIST');
    if (flags === 2 && !node.extended.has(name)) throw new FsError('ENODATA');
    node.extended.set(name, value);
    node.changed = this.now();
  }

  listExtended(node: MemoryNode): Name[] {
    return [...node.extended.keys()];
  }

  removeExtended(node: MemoryNode, name: Name): void {
    if (!node.extended.delete(name)) throw new FsError('ENODATA');
    node.changed = this.now();
  }

  private directory(node: MemoryNode): MemoryNode {
    if (!node.isDirectory) throw new FsError('ENOTDIR');
    return node;
  }

  private make(mode: number): MemoryNode {
    return new MemoryNode(++this.inodes, mode, this.now());
  }

  private free(directory: MemoryNode, name: Name): void {
    if (this.directory(directory).children.has(name)) throw new FsError('EEXIST');
    if (directory.links === 0) throw new FsError('ENOENT');
  }

  private add(directory: MemoryNode, name: Name, mode: number): MemoryNode {
    this.free(directory, name);
    const node = this.make(mode);
    this.put(directory, name, node);
    return node;
  }

  private put(directory: MemoryNode, name: Name, node: MemoryNode): void {
    directory.children.set(name, node);
    if (node.isDirectory) node.parent = directory;
    directory.modified = directory.changed = this.now();
  }

  /** Puts a node that came from another directory. */
  private place(to: MemoryNode, name: Name, node: MemoryNode, from: MemoryNode): void {
    this.put(to, name, node);
    node.changed = this.now();
    if (!node.isDirectory) return;
    from.links--;
    to.links++;
  }

  private take(directory: MemoryNode, name: Name, node: MemoryNode): void {
    directory.children.delete(name);
    if (node.isDirectory) {
      node.links = 0;
      directory.links--;
    } else node.links--;
    directory.modified = directory.changed = node.changed = this.now();
  }
}

/** Whether a directory is `below` or holds it at any depth. */
function holds(directory: MemoryNode, below: MemoryNode): boolean {
  for (let at: MemoryNode | undefined = below; at !== undefined; at = at.parent) if (at === directory) return true;
  return false;
}
