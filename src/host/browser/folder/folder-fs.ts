/** Folders that a page has as handles (File System Standard), for a machine's shares. */

import type { Errno } from '../../../errno.ts';
import { FsError } from '../../../fs/errno.ts';
import {
  ALLOCATE,
  type AttributeChange,
  type Attributes,
  type DirectoryEntry,
  FILE_TYPE,
  type FileSystem,
  type Name,
  nameBytes,
  nameOf,
  type OpenMode,
  PERMISSIONS,
  RENAME,
  SET_IDS,
  STICKY,
  type Statistics,
  type Time,
} from '../../../fs/file-system.ts';
import { OpenNode } from '../../../fs/open-node.ts';
import { bytesOf, type Contents, detachedContents, openContents } from './contents.ts';
import { childHandle, moveEntry } from './handles.ts';

const BLOCK = 4096;
/** Everything may be executed: such folders do not say what is a program. */
const MODE = 0o755;

/** What browsers call errors (Web IDL, 2.8.1). */
const ERRORS: Readonly<Record<string, Errno>> = {
  NotFoundError: 'ENOENT',
  NotAllowedError: 'EACCES',
  SecurityError: 'EACCES',
  NoModificationAllowedError: 'EBUSY',
  InvalidModificationError: 'ENOTEMPTY',
  QuotaExceededError: 'ENOSPC',
  TypeMismatchError: 'ENOTDIR',
  TypeError: 'EINVAL',
};

/** A file or folder that the guest was given. */
export class FolderNode {
  readonly inode: number;
  readonly isDirectory: boolean;
  parent: FolderNode | undefined;
  name: Name;
  /** Found again where it is not known. */
  handle: FileSystemHandle | undefined;
  readonly children = new Map<Name, FolderNode>();
  /** Permissions that the guest gave it, while this machine runs. */
  mode = MODE;
  /** A time that the guest set, and the file's own at that moment. */
  set: { readonly modified: Time; readonly at: number } | undefined;
  /** While it is open to be written. */
  contents: Contents | undefined;
  /** As it was when it was looked at; what was written since is not in it. */
  seen: File | undefined;
  opened = 0;
  removed = false;
  /** When it was found, or written: what says so where the browser does not. */
  touched = now();

  constructor(inode: number, isDirectory: boolean, parent: FolderNode | undefined, name: Name) {
    this.inode = inode;
    this.isDirectory = isDirectory;
    this.parent = parent;
    this.name = name;
  }
}

/**
 * A folder of the origin private file system, or one that the user picked, as a {@link FileSystem} for a guest. There are no links in it, no owners,
 * and no permissions but those that the guest gave and that are forgotten with this object.
 *
 * Files of the origin private file system are written in place, in a worker. Others are held in memory from the first write on, up to 1 GiB, and
 * written as a whole when they are synchronized or closed. One operation at a time.
 */
export class FolderFs implements FileSystem<FolderNode, OpenNode<FolderNode>> {
  readonly root: FolderNode;
  private inodes = 0;
  private last: Promise<unknown> = Promise.resolve();

  constructor(folder: FileSystemDirectoryHandle) {
    this.root = new FolderNode(++this.inodes, true, undefined, '');
    this.root.handle = folder;
  }

  attributes(node: FolderNode): Promise<Attributes> {
    return this.alone(() => this.describe(node));
  }

  setAttributes(node: FolderNode, change: AttributeChange): Promise<Attributes> {
    return this.alone(async () => {
      if ((change.uid ?? 0) !== 0 || (change.gid ?? 0) !== 0) throw new FsError('EPERM', 'a folder has no owners');
      if (change.mode !== undefined && (change.mode & SET_IDS) !== 0) throw new FsError('EPERM');
      const { size, mode, modified } = change;
      if (size !== undefined) {
        if (node.isDirectory) throw new FsError('EISDIR');
        await this.written(node, (contents) => contents.resize(size));
      }
      if (mode !== undefined) node.mode = mode & (PERMISSIONS | STICKY);
      if (modified !== undefined)
        node.set = { modified: modified === 'now' ? now() : modified, at: await this.ownTime(node) };
      return this.describe(node);
    });
  }

  lookup(directory: FolderNode, name: Name): Promise<FolderNode> {
    return this.alone(() => this.find(directory, name));
  }

  async readLink(): Promise<Uint8Array> {
    throw new FsError('EINVAL');
  }

  list(directory: FolderNode): Promise<DirectoryEntry[]> {
    return this.alone(async () => {
      const entries: DirectoryEntry[] = [];
      for await (const [text, { kind }] of await this.folder(directory))
        entries.push({ name: nameOf(text), inode: 0, type: kind === 'file' ? FILE_TYPE.file : FILE_TYPE.directory });
      return entries;
    });
  }

  create(
    directory: FolderNode,
    name: Name,
    permissions: number,
    mode: OpenMode,
  ): Promise<{ node: FolderNode; handle: OpenNode<FolderNode> }> {
    return this.alone(async () => {
      const node = await this.make(directory, name, permissions, (folder, text) =>
        folder.getFileHandle(text, { create: true }),
      );
      node.opened++;
      return { node, handle: new OpenNode(node, mode) };
    });
  }

  makeDirectory(directory: FolderNode, name: Name, permissions: number): Promise<FolderNode> {
    return this.alone(() =>
      this.make(directory, name, permissions, (folder, text) => folder.getDirectoryHandle(text, { create: true })),
    );
  }

  async makeSymlink(): Promise<FolderNode> {
    throw new FsError('EPERM', 'a folder of a browser has no links');
  }

  async link(): Promise<void> {
    throw new FsError('EPERM', 'a folder of a browser has no links');
  }

  unlink(directory: FolderNode, name: Name): Promise<void> {
    return this.alone(async () => {
      const node = await this.find(directory, name);
      if (node.isDirectory) throw new FsError('EISDIR');
      await this.remove(directory, node);
    });
  }

  removeDirectory(directory: FolderNode, name: Name): Promise<void> {
    return this.alone(async () => {
      const node = await this.find(directory, name);
      if (!node.isDirectory) throw new FsError('ENOTDIR');
      await this.remove(directory, node);
    });
  }

  rename(from: FolderNode, name: Name, to: FolderNode, newName: Name, flags: number): Promise<void> {
    return this.alone(async () => {
      if ((flags & RENAME.exchange) !== 0) throw new FsError('EINVAL', 'names are not exchanged in a share');
      const there = await this.find(to, newName).catch((error: unknown) => {
        if (errnoName(error) !== 'ENOENT') throw error;
        return undefined;
      });
      const node = await this.find(from, name);
      if ((flags & RENAME.noReplace) !== 0 && there !== undefined) throw new FsError('EEXIST');
      if (there === node) return;
      for (let above: FolderNode | undefined = to; above !== undefined; above = above.parent)
        if (above === node) throw new FsError('EINVAL', 'a folder cannot be moved into itself');
      if (there !== undefined) {
        if (node.isDirectory && !there.isDirectory) throw new FsError('ENOTDIR');
        if (!node.isDirectory && there.isDirectory) throw new FsError('EISDIR');
        await this.remove(to, there);
      }
      await this.closeAll(node);
      const handle = await this.handleOf(node);
      node.handle = await moveEntry(handle, await this.folder(from), await this.folder(to), textOf(newName));
      forgetHandles(node);
      from.children.delete(name);
      node.parent = to;
      node.name = newName;
      to.children.set(newName, node);
    });
  }

  open(node: FolderNode, mode: OpenMode): Promise<OpenNode<FolderNode>> {
    return this.alone(async () => {
      if (node.isDirectory) throw new FsError('EISDIR');
      node.opened++;
      try {
        if (mode.truncate) await this.written(node, (contents) => contents.resize(0));
        else if (node.contents === undefined) await this.look(node);
      } catch (error) {
        node.opened--;
        throw error;
      }
      return new OpenNode(node, mode);
    });
  }

  read({ node, mode }: OpenNode<FolderNode>, offset: number, into: Uint8Array): Promise<number> {
    return this.alone(async () => {
      if (!mode.read) throw new FsError('EBADF');
      if (node.contents !== undefined) return node.contents.read(offset, into);
      const { seen } = node;
      const bytes = await bytesOf(seen ?? (await this.look(node)), offset, into.length).catch(
        async (error: unknown) => {
          // Somebody else wrote to the file since.
          if (seen === undefined || (error as DOMException).name !== 'NotReadableError') throw error;
          return bytesOf(await this.look(node), offset, into.length);
        },
      );
      into.set(bytes);
      return bytes.length;
    });
  }

  write({ node, mode }: OpenNode<FolderNode>, offset: number, data: Uint8Array): Promise<void> {
    return this.alone(async () => {
      if (!mode.write) throw new FsError('EBADF');
      if (data.length > 0) await this.written(node, (contents) => contents.write(offset, data));
    });
  }

  sync({ node }: OpenNode<FolderNode>): Promise<void> {
    return this.alone(async () => node.contents?.flush());
  }

  close({ node }: OpenNode<FolderNode>): Promise<void> {
    return this.alone(async () => {
      node.opened--;
      await this.closeUnused(node);
    });
  }

  async statistics(): Promise<Statistics> {
    const { quota = 0, usage = 0 } = await navigator.storage.estimate();
    const blocks = Math.floor(quota / BLOCK);
    const freeBlocks = Math.max(0, blocks - Math.ceil(usage / BLOCK));
    const many = 2 ** 28;
    return { blockSize: BLOCK, blocks, freeBlocks, availableBlocks: freeBlocks, files: many, freeFiles: many };
  }

  forget(node: FolderNode): void {
    const { parent } = node;
    // What the guest made of it would be forgotten, too.
    if (node.mode !== MODE || node.set !== undefined || node.opened > 0 || node.children.size > 0) return;
    if (parent?.children.get(node.name) === node) parent.children.delete(node.name);
  }

  allocate({ node, mode }: OpenNode<FolderNode>, how: number, offset: number, length: number): Promise<void> {
    return this.alone(async () => {
      if (!mode.write) throw new FsError('EBADF');
      if ((how & ~ALLOCATE.keepSize) !== 0) throw new FsError('EOPNOTSUPP');
      if ((how & ALLOCATE.keepSize) !== 0) return;
      await this.written(node, (contents) => {
        if (offset + length > contents.size) contents.resize(offset + length);
      });
    });
  }

  /** Does one thing after the other, and says what went wrong as a system call would. */
  private alone<T>(act: () => Promise<T>): Promise<T> {
    const done = this.last.then(act).catch((error: unknown) => {
      throw error instanceof FsError ? error : new FsError(errnoName(error), (error as Error).message);
    });
    this.last = done.catch(() => undefined);
    return done;
  }

  private async describe(node: FolderNode): Promise<Attributes> {
    const { inode, isDirectory, mode, contents } = node;
    const size = isDirectory ? BLOCK : (contents?.size ?? (await this.look(node)).size);
    const own = await this.ownTime(node);
    const modified = node.set?.at === own ? node.set.modified : own === 0 ? node.touched : timeOf(own);
    const type = isDirectory ? FILE_TYPE.directory : FILE_TYPE.file;
    const who = { uid: 0, gid: 0, device: 0, links: isDirectory ? 2 : 1 };
    const times = { accessed: modified, modified, changed: modified };
    return { inode, mode: type | mode, ...who, size, blocks: Math.ceil(size / 512), ...times };
  }

  /** When a file was changed last, in milliseconds since 1970; 0 where nothing says so. */
  private async ownTime(node: FolderNode): Promise<number> {
    if (node.isDirectory || node.contents !== undefined) return 0;
    return (node.seen ?? (await this.look(node))).lastModified;
  }

  /** A file as it is now. */
  private async look(node: FolderNode): Promise<File> {
    return (node.seen = await ((await this.handleOf(node)) as FileSystemFileHandle).getFile());
  }

  private async find(directory: FolderNode, name: Name): Promise<FolderNode> {
    const handle = await childHandle(await this.folder(directory), textOf(name));
    if (handle === undefined) throw new FsError('ENOENT');
    const known = directory.children.get(name);
    const isDirectory = handle.kind === 'directory';
    if (known !== undefined && known.isDirectory === isDirectory) {
      known.handle = handle;
      return known;
    }
    return this.add(directory, name, handle);
  }

  private add(directory: FolderNode, name: Name, handle: FileSystemHandle): FolderNode {
    const node = new FolderNode(++this.inodes, handle.kind === 'directory', directory, name);
    node.handle = handle;
    directory.children.set(name, node);
    return node;
  }

  private async make(
    directory: FolderNode,
    name: Name,
    permissions: number,
    make: (folder: FileSystemDirectoryHandle, text: string) => Promise<FileSystemHandle>,
  ): Promise<FolderNode> {
    const folder = await this.folder(directory);
    const text = textOf(name);
    if ((await childHandle(folder, text)) !== undefined) throw new FsError('EEXIST');
    const node = this.add(directory, name, await make(folder, text));
    node.mode = permissions & (PERMISSIONS | STICKY);
    return node;
  }

  private async remove(directory: FolderNode, node: FolderNode): Promise<void> {
    if (node.opened > 0) {
      // Whoever has it open goes on with it.
      const held = await detachedContents(await this.contentsOf(node));
      await this.closeContents(node);
      node.contents = held;
    }
    await (await this.folder(directory)).removeEntry(textOf(node.name));
    node.removed = true;
    node.handle = undefined;
    directory.children.delete(node.name);
  }

  private async folder(node: FolderNode): Promise<FileSystemDirectoryHandle> {
    if (!node.isDirectory) throw new FsError('ENOTDIR');
    return (await this.handleOf(node)) as FileSystemDirectoryHandle;
  }

  private async handleOf(node: FolderNode): Promise<FileSystemHandle> {
    if (node.removed) throw new FsError('ESTALE');
    if (node.handle !== undefined) return node.handle;
    const found = await childHandle(await this.folder(node.parent!), textOf(node.name));
    if (found === undefined || (found.kind === 'directory') !== node.isDirectory) throw new FsError('ESTALE');
    return (node.handle = found);
  }

  private async contentsOf(node: FolderNode): Promise<Contents> {
    if (node.contents === undefined) {
      node.contents = await openContents((await this.handleOf(node)) as FileSystemFileHandle);
      node.seen = undefined;
    }
    return node.contents;
  }

  /** Changes a file. */
  private async written(node: FolderNode, change: (contents: Contents) => void): Promise<void> {
    change(await this.contentsOf(node));
    node.set = undefined;
    node.touched = now();
    await this.closeUnused(node);
  }

  private async closeUnused(node: FolderNode): Promise<void> {
    if (node.opened === 0) await this.closeContents(node);
  }

  private async closeContents(node: FolderNode): Promise<void> {
    const { contents } = node;
    node.contents = undefined;
    node.seen = undefined;
    if (contents === undefined) return;
    await contents.close();
    if (node.set !== undefined && !node.removed) node.set = { ...node.set, at: await this.ownTime(node) };
  }

  /** Closes all files below, which the browser would not move otherwise; they are opened again when they are written. */
  private async closeAll(node: FolderNode): Promise<void> {
    await this.closeContents(node);
    for (const child of node.children.values()) await this.closeAll(child);
  }
}

/** A name as text. @throws FsError for bytes that are none: handles know files by text only */
function textOf(name: Name): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(nameBytes(name));
  } catch {
    throw new FsError('EINVAL', 'a name that is no UTF-8');
  }
}

function errnoName(error: unknown): Errno {
  return error instanceof FsError ? error.code : (ERRORS[(error as Error).name] ?? 'EIO');
}

/** What is below has to be found again. */
function forgetHandles(node: FolderNode): void {
  for (const child of node.children.values()) {
    child.handle = undefined;
    child.seen = undefined;
    forgetHandles(child);
  }
}

const timeOf = (milliseconds: number): Time => ({
  seconds: Math.floor(milliseconds / 1000),
  nanoseconds: Math.floor((milliseconds % 1000) * 1e6),
});
const now = (): Time => timeOf(Date.now());
