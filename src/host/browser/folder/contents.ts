/** A file's bytes while they are written. */
import { FsError } from '../../../fs/errno.ts';
import type { Awaitable } from '../../../fs/file-system.ts';
import { SparseBytes } from '../../../fs/sparse-bytes.ts';

/** Largest file that is held in memory. */
const MAX_HELD = 2 ** 30;
const PIECE = 2 ** 20;

/** A file's access handle for one worker (File System Standard, 2.6); TypeScript has it among the declarations of workers only. */
export interface SyncAccessHandle {
  read(into: Uint8Array, options: { readonly at: number }): number;
  write(bytes: Uint8Array, options: { readonly at: number }): number;
  truncate(size: number): void;
  getSize(): number;
  flush(): void;
  close(): void;
}

/** A file that may be written. */
export interface Contents {
  readonly size: number;
  read(offset: number, into: Uint8Array): number;
  write(offset: number, data: Uint8Array): void;
  resize(size: number): void;
  /** What was written is in the file. */
  flush(): Awaitable<void>;
  close(): Awaitable<void>;
}

/** @returns undefined for files that have none: those outside the origin private file system, and in a page's own thread */
export async function accessHandle(file: FileSystemFileHandle): Promise<SyncAccessHandle | undefined> {
  const { createSyncAccessHandle } = file as { createSyncAccessHandle?: () => Promise<SyncAccessHandle> };
  if (createSyncAccessHandle === undefined) return undefined;
  try {
    return await createSyncAccessHandle.call(file);
  } catch (error) {
    if ((error as DOMException).name === 'InvalidStateError') return undefined;
    throw error;
  }
}

/** Bytes of a file of the origin private file system, written in place. */
class AccessedContents implements Contents {
  private readonly handle: SyncAccessHandle;

  constructor(handle: SyncAccessHandle) {
    this.handle = handle;
  }

  get size(): number {
    return this.handle.getSize();
  }

  read(offset: number, into: Uint8Array): number {
    return this.handle.read(into, { at: offset });
  }

  write(offset: number, data: Uint8Array): void {
    if (this.handle.write(data, { at: offset }) < data.length) throw new FsError('ENOSPC');
  }

  resize(size: number): void {
    this.handle.truncate(size);
  }

  flush(): void {
    this.handle.flush();
  }

  close(): void {
    this.handle.close();
  }
}

/** Bytes that are held in memory, and written to the file as a whole; without a file, they go with the last who has it open. */
class HeldContents implements Contents {
  private readonly bytes = new SparseBytes();
  private readonly file: FileSystemFileHandle | undefined;
  private changed = false;

  constructor(file: FileSystemFileHandle | undefined) {
    this.file = file;
  }

  /** Contents that are read from somewhere. @throws FsError when they are too large */
  static async of(
    file: FileSystemFileHandle | undefined,
    size: number,
    read: (at: number, into: Uint8Array) => Awaitable<void>,
  ): Promise<HeldContents> {
    const held = new HeldContents(file);
    held.resize(size);
    const piece = new Uint8Array(PIECE);
    for (let at = 0; at < size; at += PIECE) {
      const part = piece.subarray(0, Math.min(PIECE, size - at));
      await read(at, part);
      // Holes stay holes.
      if (part.some((byte) => byte !== 0)) held.bytes.write(at, part);
    }
    held.changed = false;
    return held;
  }

  get size(): number {
    return this.bytes.size;
  }

  read(offset: number, into: Uint8Array): number {
    return this.bytes.read(offset, into);
  }

  write(offset: number, data: Uint8Array): void {
    if (offset + data.length > MAX_HELD) throw new FsError('EFBIG');
    this.bytes.write(offset, data);
    this.changed = true;
  }

  resize(size: number): void {
    if (size > MAX_HELD) throw new FsError('EFBIG');
    this.bytes.resize(size);
    this.changed = true;
  }

  async flush(): Promise<void> {
    if (this.file === undefined || !this.changed) return;
    this.changed = false;
    const stream = await this.file.createWritable();
    for (let at = 0; at < this.size; at += PIECE) {
      const piece = new Uint8Array(Math.min(PIECE, this.size - at));
      this.bytes.read(at, piece);
      await stream.write(piece);
    }
    await stream.close();
  }

  close(): Promise<void> {
    return this.flush();
  }
}

/** Opens a file to be written. */
export async function openContents(file: FileSystemFileHandle): Promise<Contents> {
  const handle = await accessHandle(file);
  if (handle !== undefined) return new AccessedContents(handle);
  const blob = await file.getFile();
  return HeldContents.of(file, blob.size, async (at, into) => into.set(await bytesOf(blob, at, into.length)));
}

/** Copies what a file holds into memory: it is about to be removed while it is open. */
export const detachedContents = (contents: Contents): Promise<Contents> =>
  HeldContents.of(undefined, contents.size, (at, into) => void contents.read(at, into));

/** Some bytes of a Blob, as far as it has them. */
export async function bytesOf(blob: Blob, at: number, length: number): Promise<Uint8Array> {
  return new Uint8Array(await blob.slice(at, at + length).arrayBuffer());
}
