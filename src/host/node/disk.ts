import { createHash } from 'node:crypto';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { type BlockBackend, checkRange, SECTOR } from '../../storage/backend.ts';

/** First bytes of image formats that are no plain disk contents, and what they are called. */
const FOREIGN: readonly (readonly [string, string])[] = [
  ['QFI\xfb', 'qcow2'],
  ['KDMV', 'vmdk'],
  ['conectix', 'vpc'],
  ['vhdxfile', 'vhdx'],
  ['<<< ', 'vdi'],
];

const HASH_BLOCK = 4 * 1024 * 1024;

/** A disk image in a file cannot be used; the message names it and says what to do. */
export class DiskFileError extends Error {
  override name = 'DiskFileError';
}

/**
 * A raw disk image in a file as an immutable base, read synchronously where it is needed (the system's own cache does the
 * rest). The file must not change while it is open. A last sector that is not whole is filled up with zeros.
 */
export class FileBackend implements BlockBackend {
  readonly size: number;
  readonly immediate = true;
  readonly path: string;
  /** Bytes in the file. */
  readonly length: number;
  /** The first bytes, which tell what kind of image it is. */
  readonly start: Uint8Array;
  private fd: number;
  private knownHash: string | undefined;

  /**
   * @param path of the image; opened for reading only
   * @param options.hash its SHA-256 if it is known, which saves reading all of it when the hash is asked for
   * @param options.foreign `qcow2` takes such an image for a reader of the format, `raw` takes anything as the contents of a disk
   * @throws {@link DiskFileError} when the file is not there, not readable, empty, or no raw image
   */
  constructor(path: string, options: { readonly hash?: string; readonly foreign?: 'qcow2' | 'raw' } = {}) {
    this.path = path;
    this.knownHash = options.hash;
    this.fd = open(path);
    try {
      this.length = fileLength(path, this.fd);
      this.start = new Uint8Array(8);
      readAt(path, this.fd, this.start, 0, this.start.length, 0);
      if (options.foreign !== 'raw') refuseForeign(path, this.start, options.foreign);
    } catch (error) {
      this.close();
      throw error;
    }
    this.size = Math.ceil(this.length / SECTOR) * SECTOR;
  }

  /** Reads the whole file the first time, unless the hash was given. */
  get hash(): string {
    this.knownHash ??= this.computeHash();
    return this.knownHash;
  }

  read(offset: number, into: Uint8Array): void {
    checkRange(offset, into.length, this.size);
    this.readFile(offset, into);
  }

  /** As {@link read}, in any place and length; zeros beyond the end of the file. */
  readFile(offset: number, into: Uint8Array): void {
    const there = Math.max(0, Math.min(into.length, this.length - offset));
    for (let at = 0; at < there; ) {
      const got = readAt(this.path, this.fd, into, at, there - at, offset + at);
      if (got === 0) {
        throw new DiskFileError(
          `disk ${this.path} ends at byte ${offset + at}, expected ${this.length}: it was cut short while in use`,
        );
      }
      at += got;
    }
    into.fill(0, there);
  }

  /** Closes the file; later reads throw. */
  close(): void {
    if (this.fd < 0) return;
    closeSync(this.fd);
    this.fd = -1;
  }

  private computeHash(): string {
    const hash = createHash('sha256');
    const block = new Uint8Array(Math.min(HASH_BLOCK, this.length));
    for (let at = 0; at < this.length; at += block.length) {
      const piece = block.subarray(0, Math.min(block.length, this.length - at));
      this.read(at, piece);
      hash.update(piece);
    }
    return hash.digest('hex');
  }
}

function open(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (error) {
    throw new DiskFileError(`disk ${path} cannot be opened: ${reason(error)}`, { cause: error });
  }
}

function fileLength(path: string, fd: number): number {
  const stat = fstatSync(fd);
  if (!stat.isFile())
    throw new DiskFileError(
      `disk ${path} is not a regular file: copy the device or folder's contents into a raw image first`,
    );
  if (stat.size === 0)
    throw new DiskFileError(`disk ${path} is empty: expected a raw image of at least one sector (${SECTOR} bytes)`);
  return stat.size;
}

function refuseForeign(path: string, start: Uint8Array, taken: string | undefined): void {
  const magic = String.fromCharCode(...start);
  const foreign = FOREIGN.find(([prefix]) => magic.startsWith(prefix));
  if (foreign !== undefined && foreign[1] !== taken) {
    throw new DiskFileError(
      `disk ${path} is a ${foreign[1]} image, expected a raw one or qcow2: convert it with qemu-img convert -O raw`,
    );
  }
}

function readAt(path: string, fd: number, into: Uint8Array, at: number, length: number, offset: number): number {
  try {
    return readSync(fd, into, at, length, offset);
  } catch (error) {
    throw new DiskFileError(`disk ${path} cannot be read at byte ${offset}: ${reason(error)}`, { cause: error });
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'no permission to read it',
  EISDIR: 'it is a directory, expected a raw image',
  EBADF: 'it was closed',
  EIO: 'input/output error of the host',
};

function reason(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code ?? '';
  return REASONS[code] ?? (error as Error).message;
}
