/** Files as a page has them, for a machine in a worker. */

import { toHex } from '../../bytes/hex.ts';
import type { ByteSource } from '../../bytes/source.ts';
import { MemorySource } from '../../bytes/source.ts';
import type { DiskOption } from '../../machine/session/options.ts';
import type { RecordSink } from '../../record/format.ts';
import { BlankBackend, type BlockBackend, ChunkedBackend, MemoryBackend } from '../../storage/index.ts';
import { createHostRoom } from '../room.ts';
import { BlobSource } from '../sources.ts';
import { accessHandle } from './folder/contents.ts';
import type { PageFile, WorkerDisk } from './service.ts';

const SECTOR = 512;
/** Bytes of a disk that are read at once, and how many are kept. */
const CHUNK = 256 * 1024;
const KEPT = 64 * 2 ** 20;

/** A file as bytes to be read piece by piece. */
export async function sourceOf(file: PageFile): Promise<ByteSource> {
  if (file instanceof Uint8Array) return new MemorySource(file);
  return new BlobSource(file instanceof Blob ? file : await file.getFile());
}

async function hashOf(source: ByteSource): Promise<string> {
  return toHex(await createHostRoom().sha256(await source.read(0, source.size)));
}

async function backendOf({ file, image, hash }: WorkerDisk): Promise<BlockBackend> {
  if ('blank' in image) return new BlankBackend(image.blank);
  const source = await sourceOf(image);
  if (source.size === 0) throw new RangeError(`disk ${file} is empty: expected a raw disk image`);
  const name = hash ?? (await hashOf(source));
  if (image instanceof Uint8Array) return new MemoryBackend(image, name);
  const size = Math.ceil(source.size / SECTOR) * SECTOR;
  /** The last sector may not be whole: it is filled up with zeros. */
  const fetch = async (index: number): Promise<Uint8Array> => {
    const chunk = new Uint8Array(Math.min(CHUNK, size - index * CHUNK));
    chunk.set(await source.read(index * CHUNK, Math.min(CHUNK, source.size - index * CHUNK)));
    return chunk;
  };
  return new ChunkedBackend({ size, hash: name, chunkSize: CHUNK, fetch }, KEPT);
}

/** Disks from a page, for a machine. */
export function disksOf(disks: readonly WorkerDisk[]): Promise<DiskOption[]> {
  return Promise.all(
    disks.map(async (disk) => ({ file: disk.file, readOnly: disk.readOnly, backend: await backendOf(disk) })),
  );
}

/** A recording in memory. */
export class MemorySink implements RecordSink {
  private readonly pieces: Uint8Array<ArrayBuffer>[] = [];

  write(bytes: Uint8Array): void {
    this.pieces.push(bytes.slice());
  }

  /** What was recorded so far. */
  get blob(): Blob {
    return new Blob(this.pieces);
  }
}

/** A recording in a file of the origin private file system, which is written over. */
export async function fileSink(file: FileSystemFileHandle): Promise<RecordSink> {
  const handle = await accessHandle(file);
  if (handle === undefined)
    throw new Error(
      `${file.name}: this browser cannot write files of the origin private file system from a worker; record in memory`,
    );
  handle.truncate(0);
  let at = 0;
  return {
    write(bytes) {
      const written = handle.write(bytes, { at });
      at += written;
      if (written < bytes.length) throw new Error(`${file.name}: the browser's storage is full after ${at} bytes`);
    },
    close() {
      handle.flush();
      handle.close();
    },
  };
}
