import { closeSync, fstatSync, fsync, fsyncSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { OverlayError, type OverlayFile } from '../../storage/index.ts';

/** A file as overlays use it. @param flags as of open(2) @param kind for messages */
export function openOverlayBytes(
  path: string,
  flags: 'r' | 'r+' | 'wx+',
  kind: 'overlay' | 'journal' = 'overlay',
): OverlayFile {
  let fd: number;
  try {
    fd = openSync(path, flags, 0o600);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new OverlayError(
      code === 'ENOENT'
        ? `${kind} ${path}: there is no such file`
        : `${kind} ${path} cannot be opened: ${code ?? message}`,
      { cause: error },
    );
  }
  return {
    name: path,
    get size() {
      return fstatSync(fd).size;
    },
    read(offset, into) {
      let got = 0;
      for (let n = 1; n > 0 && got < into.length; got += n)
        n = readSync(fd, into, got, into.length - got, offset + got);
      return got;
    },
    write(offset, bytes) {
      for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at, bytes.length - at, offset + at);
    },
    sync: () => fsyncSync(fd),
    syncLater: () => promisify(fsync)(fd),
    truncate: (size) => ftruncateSync(fd, size),
    close: () => closeSync(fd),
  };
}

/** A new name is only durable once its folder is. */
export function syncFolder(path: string): void {
  const fd = openSync(dirname(path), 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
