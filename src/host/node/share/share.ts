import {
  type BigIntStats,
  chmodSync,
  closeSync,
  existsSync,
  fchmodSync,
  fdatasyncSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  renameSync,
  rmdirSync,
  statfsSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeSync,
} from 'node:fs';
import { FsError } from '../../../fs/errno.ts';
import {
  ALLOCATE,
  type AttributeChange,
  type Attributes,
  bytesName,
  type DirectoryEntry,
  FILE_TYPE,
  type FileSystem,
  type Name,
  type OpenMode,
  RENAME,
  SET_IDS,
  type Statistics,
  TYPE_MASK,
} from '../../../fs/file-system.ts';
import { GuestAttributes, hostTime } from './attributes.ts';
import {
  below,
  held,
  holdDirectory,
  hostFlags,
  identity,
  moveWithoutReplacing,
  mustBe,
  O_CREAT,
  O_EXCL,
  O_NOCTTY,
  O_NOFOLLOW,
  O_WRONLY,
  openPath,
  reopen,
  reopenPath,
  using,
} from './descriptors.ts';
import { attributeName, getAttribute, listAttributes, removeAttribute, setAttribute } from './extended.ts';
import { ShareFile, ShareNode } from './nodes.ts';

/** A folder cannot be shared; the message says why and what to do. */
export class ShareError extends Error {
  override name = 'ShareError';
}

/** Directories that are held open at a time, besides roots. */
const HELD_DIRECTORIES = 512;
/**
 * A folder of this host as a {@link FileSystem} for a guest. Linux only: see {@link below}.
 *
 * Nothing outside the folder can be reached: every file is found by one name in a directory that is held open, links are not followed, and what
 * is found is compared with what the guest was given (device, inode, type). Device nodes are refused, set-user-ID and set-group-ID are
 * neither shown nor set, owners are not changed. Files of the user who runs this belong to the guest's root.
 *
 * Extended attributes are read and set by programs of Debian's package `attr`, where they are. What Node cannot do is not there: holes (a file reads as data throughout), exchange of two names; times are
 * kept to the microsecond.
 */
export class SharedFolder implements FileSystem<ShareNode, ShareFile> {
  readonly root: ShareNode;
  private readonly nodes = new Map<string, ShareNode>();
  /** Oldest use first. */
  private readonly directories = new Set<ShareNode>();
  private readonly guestAttributes: GuestAttributes;
  private readonly umask: number;

  /** @throws ShareError when it is no folder, or cannot be shared safely here */
  constructor(path: string) {
    if (process.platform !== 'linux' || !existsSync('/proc/self/fd'))
      throw new ShareError(
        `--share ${path}: folders are shared on Linux with /proc only; elsewhere a link could lead out of them`,
      );
    let fd: number;
    try {
      fd = holdDirectory(path);
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      const why = { ENOENT: 'there is no such folder', ENOTDIR: 'it is not a folder', EACCES: 'no permission' };
      throw new ShareError(`--share ${path}: ${why[code as keyof typeof why] ?? message}`, { cause: error });
    }
    const stat = fstatSync(fd, { bigint: true });
    this.guestAttributes = new GuestAttributes(stat.dev);
    this.umask = process.umask();
    this.root = new ShareNode(identity(stat), FILE_TYPE.directory);
    this.root.fd = fd;
    this.nodes.set(this.root.identity, this.root);
  }

  /** Closes everything; operations fail afterwards. */
  dispose(): void {
    for (const node of this.directories) this.drop(node);
    for (const { open } of this.nodes.values()) for (const file of [...open]) this.close(file);
    if (this.root.fd >= 0) closeSync(this.root.fd);
    this.root.fd = -1;
  }

  attributes(node: ShareNode, file?: ShareFile): Attributes {
    return this.guestAttributes.of(this.stat(node, file));
  }

  setAttributes(node: ShareNode, change: AttributeChange, file?: ShareFile): Attributes {
    const before = this.attributes(node, file);
    // Owners are what they are on the host: only what changes nothing is granted.
    if ((change.uid ?? before.uid) !== before.uid || (change.gid ?? before.gid) !== before.gid)
      throw new FsError('EPERM', 'owners in a share cannot be changed');
    if (change.mode !== undefined && (change.mode & SET_IDS) !== 0)
      throw new FsError('EPERM', 'set-user-ID and set-group-ID are refused in a share');
    return this.grab(node, file, (fd) => {
      if (change.size !== undefined) {
        if (node.type !== FILE_TYPE.file) throw new FsError(node.type === FILE_TYPE.directory ? 'EISDIR' : 'EINVAL');
        if (file?.writable === true) ftruncateSync(file.fd, change.size);
        else using(reopen(fd, O_WRONLY), (writable) => ftruncateSync(writable, change.size));
      }
      if (change.mode !== undefined) {
        if (node.type === FILE_TYPE.symlink) throw new FsError('EOPNOTSUPP');
        chmodSync(held(fd), change.mode & 0o1777);
      }
      if (change.accessed !== undefined || change.modified !== undefined) {
        const accessed = change.accessed ?? before.accessed;
        const modified = change.modified ?? before.modified;
        utimesSync(held(fd), hostTime(accessed), hostTime(modified));
      }
      return this.guestAttributes.of(fstatSync(fd, { bigint: true }));
    });
  }

  lookup(directory: ShareNode, name: Name): ShareNode {
    this.trim();
    return this.found(directory, name, lstatSync(below(this.directory(directory), name), { bigint: true }));
  }

  readLink(node: ShareNode): Uint8Array {
    if (node.type !== FILE_TYPE.symlink) throw new FsError('EINVAL');
    // Of the very link: an empty path below its descriptor is not to be had here, so the name is checked before and after.
    return this.atPlace(node, (parent, name) => {
      const target = readlinkSync(below(parent, name), 'buffer');
      if (identity(lstatSync(below(parent, name), { bigint: true })) !== node.identity) throw new FsError('ESTALE');
      return target;
    });
  }

  list(directory: ShareNode): DirectoryEntry[] {
    this.trim();
    const fd = this.directory(directory);
    return readdirSync(held(fd), { encoding: 'buffer', withFileTypes: true }).map((entry) => {
      const type = entry.isFile()
        ? FILE_TYPE.file
        : entry.isDirectory()
          ? FILE_TYPE.directory
          : entry.isSymbolicLink()
            ? FILE_TYPE.symlink
            : 0;
      return { name: bytesName(entry.name), inode: 0, type };
    });
  }

  create(
    directory: ShareNode,
    name: Name,
    permissions: number,
    mode: OpenMode,
  ): { node: ShareNode; handle: ShareFile } {
    this.trim();
    const path = below(this.directory(directory), name);
    const flags = hostFlags(mode) | O_CREAT | O_EXCL | O_NOFOLLOW | O_NOCTTY;
    const fd = openSync(path, flags, permissions & 0o777);
    if ((permissions & this.umask) !== 0) fchmodSync(fd, permissions & 0o777);
    const node = this.found(directory, name, fstatSync(fd, { bigint: true }));
    return { node, handle: this.opened(node, fd, mode.write) };
  }

  makeDirectory(directory: ShareNode, name: Name, permissions: number): ShareNode {
    this.trim();
    mkdirSync(below(this.directory(directory), name), permissions & 0o777);
    const node = this.lookup(directory, name);
    if ((permissions & (this.umask | 0o1000)) !== 0)
      this.grab(node, undefined, (fd) => chmodSync(held(fd), permissions & 0o1777));
    return node;
  }

  makeSymlink(directory: ShareNode, name: Name, target: Uint8Array): ShareNode {
    this.trim();
    symlinkSync(Buffer.from(target), below(this.directory(directory), name));
    return this.lookup(directory, name);
  }

  link(node: ShareNode, directory: ShareNode, name: Name): void {
    const target = below(this.directory(directory), name);
    this.atPlace(node, (parent, from) => {
      linkSync(below(parent, from), target);
      // The name may have become another file's in between: that one must not have got a second name.
      const made = lstatSync(target, { bigint: true });
      if (identity(made) !== node.identity) {
        unlinkSync(target);
        throw new FsError('ESTALE');
      }
    });
    node.remember(directory, name);
  }

  unlink(directory: ShareNode, name: Name): void {
    this.trim();
    const path = below(this.directory(directory), name);
    const node = this.nodes.get(identity(lstatSync(path, { bigint: true })));
    unlinkSync(path);
    if (node !== undefined) node.misplace(directory, name);
  }

  removeDirectory(directory: ShareNode, name: Name): void {
    this.trim();
    rmdirSync(below(this.directory(directory), name));
  }

  rename(from: ShareNode, name: Name, to: ShareNode, newName: Name, flags: number): void {
    if ((flags & RENAME.exchange) !== 0) throw new FsError('EINVAL', 'names are not exchanged in a share');
    this.trim();
    const old = below(this.directory(from), name);
    const target = below(this.directory(to), newName);
    const id = identity(lstatSync(old, { bigint: true }));
    if ((flags & RENAME.noReplace) !== 0) moveWithoutReplacing(old, target);
    else renameSync(old, target);
    const node = this.nodes.get(id);
    if (node === undefined) return;
    node.misplace(from, name);
    node.remember(to, newName);
  }

  open(node: ShareNode, mode: OpenMode): ShareFile {
    if (node.type !== FILE_TYPE.file)
      throw new FsError(
        node.type === FILE_TYPE.directory ? 'EISDIR' : node.type === FILE_TYPE.symlink ? 'ELOOP' : 'EPERM',
      );
    return this.grab(node, undefined, (fd) => this.opened(node, reopen(fd, hostFlags(mode)), mode.write));
  }

  read(file: ShareFile, offset: number, into: Uint8Array): number {
    // Of a regular file, less than was asked for is what there is to its end (read(2)).
    return readSync(file.fd, into, 0, into.length, offset);
  }

  write(file: ShareFile, offset: number, data: Uint8Array): void {
    for (let at = 0; at < data.length; ) at += writeSync(file.fd, data, at, data.length - at, offset + at);
  }

  sync(file: ShareFile, dataOnly: boolean): void {
    if (dataOnly) fdatasyncSync(file.fd);
    else fsyncSync(file.fd);
  }

  close(file: ShareFile): void {
    if (!file.node.open.delete(file)) return;
    closeSync(file.fd);
  }

  statistics(): Statistics {
    const s = statfsSync(held(this.root.fd));
    return {
      blockSize: s.bsize,
      blocks: s.blocks,
      freeBlocks: s.bfree,
      availableBlocks: s.bavail,
      files: s.files,
      freeFiles: s.ffree,
    };
  }

  forget(node: ShareNode): void {
    if (node === this.root) return;
    this.drop(node);
    if (node.open.size === 0 && this.nodes.get(node.identity) === node) this.nodes.delete(node.identity);
  }

  /** Only what makes a file longer can be done without the system call. */
  allocate(file: ShareFile, mode: number, offset: number, length: number): void {
    if (!file.writable) throw new FsError('EBADF');
    if ((mode & ~ALLOCATE.keepSize) !== 0) throw new FsError('EOPNOTSUPP');
    if ((mode & ALLOCATE.keepSize) !== 0) return;
    if (offset + length > Number(fstatSync(file.fd).size)) ftruncateSync(file.fd, offset + length);
  }

  async getExtended(node: ShareNode, name: Name): Promise<Uint8Array> {
    attributeName(name);
    if (node.type === FILE_TYPE.symlink) throw new FsError('ENODATA');
    return this.keep(node, (fd) => getAttribute(fd, name));
  }

  async listExtended(node: ShareNode): Promise<Name[]> {
    return node.type === FILE_TYPE.symlink ? [] : this.keep(node, listAttributes);
  }

  async setExtended(node: ShareNode, name: Name, value: Uint8Array, flags: number): Promise<void> {
    if (node.type === FILE_TYPE.symlink) throw new FsError('EPERM');
    return this.keep(node, (fd) => setAttribute(fd, name, value, flags));
  }

  async removeExtended(node: ShareNode, name: Name): Promise<void> {
    if (node.type === FILE_TYPE.symlink) throw new FsError('EPERM');
    return this.keep(node, (fd) => removeAttribute(fd, name));
  }

  /** Does something that takes a while with a descriptor of the node. */
  private async keep<T>(node: ShareNode, action: (fd: number) => Promise<T>): Promise<T> {
    const own = this.grab(node, undefined, (fd) => reopenPath(fd));
    try {
      return await action(own);
    } finally {
      closeSync(own);
    }
  }

  /** The node of a file that was found under a name. */
  private found(parent: ShareNode, name: Name, stat: BigIntStats): ShareNode {
    const type = Number(stat.mode) & TYPE_MASK;
    if (type === FILE_TYPE.character || type === FILE_TYPE.block)
      throw new FsError('EPERM', 'device nodes are not shared');
    const id = identity(stat);
    let node = this.nodes.get(id);
    if (node === undefined) this.nodes.set(id, (node = new ShareNode(id, type)));
    if (node !== this.root) node.remember(parent, name);
    return node;
  }

  private stat(node: ShareNode, file: ShareFile | undefined): BigIntStats {
    const open = file ?? firstOf(node.open);
    if (open !== undefined) return fstatSync(open.fd, { bigint: true });
    this.trim();
    if (node.type === FILE_TYPE.directory) return fstatSync(this.directory(node), { bigint: true });
    return this.atPlace(node, (parent, name) => {
      const stat = lstatSync(below(parent, name), { bigint: true });
      if (identity(stat) !== node.identity) throw new FsError('ESTALE');
      return stat;
    });
  }

  /** Does something with a descriptor of the node, which need not be open for reading. */
  private grab<T>(node: ShareNode, file: ShareFile | undefined, action: (fd: number) => T): T {
    this.trim();
    const open = file ?? firstOf(node.open);
    if (open !== undefined) return action(open.fd);
    if (node.type === FILE_TYPE.directory) return action(this.directory(node));
    return this.atPlace(node, (parent, name) => {
      const fd = openPath(parent, name);
      mustBe(fd, node.identity);
      return using(fd, action);
    });
  }

  /** Tries the names of a node, the latest first. @throws ESTALE if it has none of them any more */
  private atPlace<T>(node: ShareNode, action: (parent: number, name: Name) => T): T {
    for (const { parent, name } of node.places) {
      try {
        return action(this.directory(parent), name);
      } catch (error) {
        const { code } = error as { code?: string };
        if (code !== 'ENOENT' && code !== 'ESTALE' && code !== 'ENOTDIR') throw error;
      }
    }
    throw new FsError('ESTALE', 'the file is gone, or was moved on the host');
  }

  /** A descriptor that holds a directory. */
  private directory(node: ShareNode): number {
    if (node.type !== FILE_TYPE.directory) throw new FsError('ENOTDIR');
    if (node.fd >= 0) {
      if (node !== this.root) {
        this.directories.delete(node);
        this.directories.add(node);
      }
      return node.fd;
    }
    if (node === this.root) throw new FsError('ESTALE', 'the share was closed');
    const [place] = node.places;
    if (place === undefined) throw new FsError('ESTALE');
    const fd = openPath(this.directory(place.parent), place.name);
    mustBe(fd, node.identity);
    node.fd = fd;
    this.directories.add(node);
    return fd;
  }

  /** Closes directories that were not used for long; only between operations, which use several. */
  private trim(): void {
    for (const node of this.directories) {
      if (this.directories.size <= HELD_DIRECTORIES) return;
      this.drop(node);
    }
  }

  private drop(node: ShareNode): void {
    this.directories.delete(node);
    if (node.fd >= 0 && node !== this.root) {
      closeSync(node.fd);
      node.fd = -1;
    }
  }

  private opened(node: ShareNode, fd: number, writable: boolean): ShareFile {
    const file = new ShareFile(node, fd, writable);
    node.open.add(file);
    return file;
  }
}

function firstOf<T>(set: ReadonlySet<T>): T | undefined {
  for (const element of set) return element;
  return undefined;
}
