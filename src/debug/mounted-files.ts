import type { DiskContents } from '../fs/ext4/blocks.ts';
import { Ext4Fs, type Ext4Node } from '../fs/ext4/ext4-fs.ts';
import { FILE_TYPE, nameOf, TYPE_MASK } from '../fs/file-system.ts';
import { cachedName, throughMounts } from '../linux/dentries.ts';
import { type Inode, readInode, type Volume } from '../linux/inode.ts';
import type { LinuxKernel } from '../linux/kernel.ts';
import { PAGE, PageCache } from '../linux/page-cache.ts';
import { type Place, rootOf } from '../linux/path.ts';
import type { Task } from '../linux/tasks.ts';
import { EngineView } from '../machine/view/engine-view.ts';
import { compareInstants, type Instant } from '../record/door.ts';

/** A file of the guest at this instant. */
export interface MountedFile {
  /** Type and permissions. */
  readonly mode: number;
  /** Bytes. */
  readonly size: number;
  /** Seconds since 1970. */
  readonly modified: number;
  /** Undefined when parts of it are neither in the guest's memory nor on a disk that can be read. */
  read(): Promise<Uint8Array | undefined>;
}

/** What a file holds. */
export interface FileContents {
  /** See {@link Inode.version}. */
  readonly version: string;
  readonly bytes: Uint8Array;
}

/** A step on the way along a path: in the kernel's memory, or on a disk only. */
type Step = { readonly place: Place } | { readonly fs: Ext4Fs; readonly node: Ext4Node };

const EXT = /^ext[234]$/;
/** File systems that are nowhere but in the page cache: what is not there was never written. */
const IN_MEMORY = /^(rootfs|ramfs|tmpfs)$/;
const MAX_LINKS = 40;
/** Largest file that is read, in bytes. */
const LARGEST = 512 << 20;
/** Bytes of contents kept in memory. */
const KEPT = 256 << 20;
const FIRST_DISK = 'a'.charCodeAt(0);

/**
 * The guest's own file systems at the present instant: what its kernel holds in memory, and beneath it the disks as they were written by
 * then. Nothing on the host is read.
 */
export class MountedFiles {
  private readonly kernel: LinuxKernel;
  private readonly cache: PageCache;
  /** Contents by {@link Inode.version}, oldest use first. */
  private readonly kept = new Map<string, Uint8Array>();
  private keptBytes = 0;
  private volumes = new Map<bigint, Promise<Ext4Fs | undefined>>();
  private volumesAt: Instant | undefined;

  constructor(kernel: LinuxKernel) {
    this.kernel = kernel;
    this.cache = new PageCache(kernel);
  }

  /** Contents of an open or mapped file. @param file address of its struct file */
  async opened(file: bigint): Promise<FileContents | undefined> {
    const inode = this.inodeOf(file);
    const bytes = inode && (await this.contents(inode));
    return bytes && { version: inode.version, bytes };
  }

  /** The same if all of it is in the guest's memory, or was read before. */
  openedNow(file: bigint): FileContents | undefined {
    const inode = this.inodeOf(file);
    if (inode === undefined || inode.size > LARGEST) return undefined;
    const kept = this.kept.get(inode.version);
    if (kept !== undefined) return { version: inode.version, bytes: kept };
    const { bytes, missing } = this.pages(inode);
    return missing.length > 0 ? undefined : { version: inode.version, bytes };
  }

  /** An open or mapped file. @param file address of its struct file */
  byFile(file: bigint): MountedFile | undefined {
    const inode = this.inodeOf(file);
    return inode && this.ofInode(inode);
  }

  /** A part of an open or mapped file whose contents were read already. */
  keptPart(file: bigint, offset: number, length: number): Uint8Array | undefined {
    const inode = this.inodeOf(file);
    return inode && this.kept.get(inode.version)?.subarray(offset, offset + length);
  }

  private inodeOf(file: bigint): Inode | undefined {
    const { kernel } = this;
    // The mapping's host: in an overlay it is the file beneath.
    const host = kernel.get('address_space', kernel.get('file', file, 'f_mapping'), 'host');
    return host === 0n ? undefined : readInode(kernel, host);
  }

  private ofInode(inode: Inode): MountedFile {
    const { mode, size, modified } = inode;
    return { mode, size, modified, read: () => this.contents(inode) };
  }

  /** A file by its path as a task sees it, links followed. @returns undefined when there is none, or none that can be known of */
  async find(task: Task, path: string): Promise<MountedFile | undefined> {
    const root = rootOf(this.kernel, task.address);
    if (root === undefined) return undefined;
    try {
      const step = await this.walk(root, path);
      return step && this.fileOf(step);
    } catch (e) {
      // A damaged file system has no such file.
      if (e instanceof Error && e.name === 'Ext4Error') return undefined;
      throw e;
    }
  }

  private fileOf(step: Step): MountedFile {
    if ('fs' in step) {
      const { fs, node } = step;
      const { mode, size, modified } = fs.attributes(node);
      return {
        mode,
        size,
        modified: modified.seconds,
        read: async () => {
          if (size > LARGEST) return undefined;
          const bytes = new Uint8Array(size);
          await fs.read(node, 0, bytes);
          return bytes;
        },
      };
    }
    return this.ofInode(this.inode(step.place));
  }

  private async walk(root: Place, path: string): Promise<Step | undefined> {
    const start: Step = { place: throughMounts(this.kernel, root) };
    const trail: Step[] = [start];
    const rest = path.split('/').reverse();
    for (let links = 0; rest.length > 0; ) {
      const part = rest.pop()!;
      if (part === '' || part === '.') continue;
      if (part === '..') {
        if (trail.length > 1) trail.pop();
        continue;
      }
      const next = await this.child(trail.at(-1)!, part);
      if (next === undefined) return undefined;
      const file = this.fileOf(next);
      if ((file.mode & TYPE_MASK) !== FILE_TYPE.symlink) {
        trail.push(next);
        continue;
      }
      const target = await this.linkText(next);
      if (target === undefined || ++links > MAX_LINKS) return undefined;
      if (target.startsWith('/')) trail.length = 1;
      rest.push(...target.split('/').reverse());
    }
    return trail.at(-1);
  }

  private async child(step: Step, name: string): Promise<Step | undefined> {
    if ('fs' in step) return this.onDisk(step.fs, step.node, name);
    const { kernel } = this;
    const { dentry, mount } = step.place;
    const cached = cachedName(kernel, dentry, name);
    if (cached !== undefined)
      return cached === 0n ? undefined : { place: throughMounts(kernel, { dentry: cached, mount }) };
    const { volume, number } = this.inode(step.place);
    const fs = await this.open(volume);
    return fs && this.onDisk(fs, await fs.inode(number), name);
  }

  private async onDisk(fs: Ext4Fs, directory: Ext4Node, name: string): Promise<Step | undefined> {
    try {
      return { fs, node: await fs.lookup(directory, nameOf(name)) };
    } catch (e) {
      if (e instanceof Error && e.name === 'FsError') return undefined;
      throw e;
    }
  }

  private async linkText(step: Step): Promise<string | undefined> {
    const decode = (bytes: Uint8Array | undefined): string | undefined => bytes && new TextDecoder().decode(bytes);
    if ('fs' in step) return decode(await step.fs.readLink(step.node));
    const inode = this.inode(step.place);
    return inode.link ?? decode(await this.contents(inode));
  }

  private inode({ dentry }: Place): Inode {
    return readInode(this.kernel, this.kernel.get('dentry', dentry, 'd_inode'));
  }

  /** A file's contents: its pages in memory, which may not be written yet, and the disk for the others. */
  private async contents(inode: Inode): Promise<Uint8Array | undefined> {
    const { version } = inode;
    let bytes = this.kept.get(version);
    if (bytes !== undefined) this.kept.delete(version);
    else {
      bytes = await this.fetch(inode);
      if (bytes === undefined) return undefined;
      this.keptBytes += bytes.length;
    }
    this.kept.set(version, bytes);
    for (const [oldest, { length }] of this.kept) {
      if (this.keptBytes <= KEPT) break;
      this.kept.delete(oldest);
      this.keptBytes -= length;
    }
    return bytes;
  }

  /** A file's pages that are in the guest's memory, and the offsets of those that are not. */
  private pages({ size, mapping, volume }: Inode): { readonly bytes: Uint8Array; readonly missing: readonly number[] } {
    const bytes = new Uint8Array(size);
    const missing: number[] = [];
    for (let at = 0; at < size; at += PAGE) {
      const page = this.cache.read(mapping, at / PAGE, size - at);
      if (page !== undefined) bytes.set(page, at);
      else if (!IN_MEMORY.test(volume.type)) missing.push(at);
    }
    return { bytes, missing };
  }

  private async fetch(inode: Inode): Promise<Uint8Array | undefined> {
    const { size, volume, number } = inode;
    if (size > LARGEST) return undefined;
    const { bytes, missing } = this.pages(inode);
    if (missing.length === 0) return bytes;
    const fs = await this.open(volume);
    if (fs === undefined) return undefined;
    const node = await fs.inode(number);
    for (const at of missing) await fs.read(node, at, bytes.subarray(at, Math.min(at + PAGE, size)));
    return bytes;
  }

  /** The file system of a disk as it is now; undefined when it is on none, or on none that can be read. */
  private open(volume: Volume): Promise<Ext4Fs | undefined> {
    const { instant } = this.kernel.view;
    if (this.volumesAt === undefined || compareInstants(this.volumesAt, instant) !== 0) {
      this.volumes = new Map();
      this.volumesAt = instant;
    }
    let opened = this.volumes.get(volume.address);
    if (opened === undefined) this.volumes.set(volume.address, (opened = this.openNow(volume)));
    return opened;
  }

  private async openNow({ type, disk }: Volume): Promise<Ext4Fs | undefined> {
    const contents = disk && EXT.test(type) ? this.diskContents(disk) : undefined;
    if (contents === undefined) return undefined;
    try {
      return await Ext4Fs.open(contents);
    } catch (e) {
      if (e instanceof Error && e.name === 'Ext4Error') return undefined;
      throw e;
    }
  }

  private diskContents({ name, partition, mapping }: NonNullable<Volume['disk']>): DiskContents | undefined {
    const { view } = this.kernel;
    const number = /^vd([a-z])\d*$/.exec(name)?.[1];
    if (number === undefined || !(view instanceof EngineView)) return undefined;
    const disk = view.engine.board.disks[number.charCodeAt(0) - FIRST_DISK];
    if (disk === undefined) return undefined;
    const { start, size } = partition ?? { start: 0, size: disk.size };
    return {
      size,
      read: async (offset, into) => {
        const read = disk.prefetch(start + offset, into.length);
        await read.late;
        read.finish(0, into);
      },
      // A partition's metadata has pages of its own, counted from its first byte.
      metadata: (offset, length) => this.cache.block(mapping, offset, length),
    };
  }
}
