import { createHash } from 'node:crypto';
import { realpathSync } from 'node:fs';
import { dirname, relative, resolve } from 'node:path';
import { inflateRawSync } from 'node:zlib';
import type { BlockBackend } from '../../storage/backend.ts';
import { type BackingFile, isQcow2, Qcow2Backend, Qcow2Error } from '../../storage/qcow2.ts';
import { DiskFileError, FileBackend } from './disk.ts';

/** A disk image of this host's: its files are open until it is closed. */
export type DiskFile = FileBackend | Qcow2Backend;

/** Whether a backend is one of {@link openDiskFile}. */
export const isDiskFile = (backend: BlockBackend): backend is DiskFile =>
  backend instanceof FileBackend || backend instanceof Qcow2Backend;

/** Images that may lie below each other. */
const MAX_CHAIN = 16;
const HASH_BLOCK = 4 * 2 ** 20;

/**
 * Opens a disk image of this host: raw, or qcow2 with the images below it, which must lie in the same folder or below it.
 * @param hash SHA-256 of a raw image's contents if it is known
 * @throws DiskFileError, Qcow2Error
 */
export function openDiskFile(path: string, hash?: string): DiskFile {
  return openImage(path, { ...(hash !== undefined && { hash }), depth: 0 });
}

interface Opening {
  readonly hash?: string;
  /** `raw` where the image above says so: its contents decide nothing then. */
  readonly format?: string;
  readonly depth: number;
}

function openImage(path: string, { hash, format, depth }: Opening): DiskFile {
  if (depth >= MAX_CHAIN) throw new Qcow2Error(`disk ${path}: more than ${MAX_CHAIN} images lie below each other`);
  const file = new FileBackend(path, {
    ...(hash !== undefined && { hash }),
    foreign: format === 'raw' ? 'raw' : 'qcow2',
  });
  if (format === 'raw' || !isQcow2(file.start)) return file;
  const source = {
    name: path,
    size: file.length,
    immediate: true,
    read: file.readFile.bind(file),
    close: file.close.bind(file),
  };
  try {
    return Qcow2Backend.open(source, {
      openBacking: (backing) => openImage(backingPath(path, backing), { ...formatOf(path, backing), depth: depth + 1 }),
      inflate: (packed, size) => inflateRawSync(packed, { maxOutputLength: size }),
      hash: (contents) => {
        const digest = createHash('sha256');
        for (let at = 0; at < contents.size; at += HASH_BLOCK) {
          const piece = new Uint8Array(Math.min(HASH_BLOCK, contents.size - at));
          void contents.read(at, piece);
          digest.update(piece);
        }
        return digest.digest('hex');
      },
    }) as Qcow2Backend; // a file is never late
  } catch (error) {
    file.close();
    throw error;
  }
}

function formatOf(path: string, { name, format }: BackingFile): { format?: string } {
  if (format !== undefined && format !== 'raw' && format !== 'qcow2')
    throw new Qcow2Error(`disk ${path}: the image below it, ${name}, is of format ${format}: expected raw or qcow2`);
  return format === undefined ? {} : { format };
}

/** An image from elsewhere must not make other files of this host readable to a guest. */
function backingPath(path: string, { name }: BackingFile): string {
  const folder = realpathSync(dirname(path));
  const wanted = resolve(folder, name);
  let real: string;
  try {
    real = realpathSync(wanted);
  } catch (error) {
    throw new DiskFileError(`disk ${path}: the image below it, ${wanted}, is not there`, { cause: error });
  }
  if (relative(folder, real).startsWith('..'))
    throw new Qcow2Error(
      `disk ${path}: the image below it, ${real}, lies outside ${folder}: bring it there, or make one image of both with qemu-img convert`,
    );
  return real;
}
