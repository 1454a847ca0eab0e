import { closeSync, existsSync, fstatSync, openSync, readSync, writeSync } from 'node:fs';
import { MAGIC, type RecordSink } from '../../record/format.ts';

/** A file cannot be written over: it holds something else. */
class RecordFileError extends Error {
  override name = 'RecordFileError';
}

/** Whether a file is empty or begins as a recording does. */
function mayReplace(path: string): boolean {
  const fd = openSync(path, 'r');
  try {
    if (!fstatSync(fd).isFile()) return false;
    const start = new Uint8Array(MAGIC.length);
    const length = readSync(fd, start, 0, start.length, 0);
    return length === 0 || start.every((byte, i) => byte === MAGIC[i]);
  } finally {
    closeSync(fd);
  }
}

/**
 * A file that a recording is written to as the machine runs. A recording that is there is replaced.
 * @throws RecordFileError when the file holds something else; system errors when it cannot be opened
 */
export function openRecordFile(path: string): RecordSink {
  if (existsSync(path) && !mayReplace(path))
    throw new RecordFileError(`${path}: is there and is no recording; name another file, or remove it first`);
  const fd = openSync(path, 'w');
  return {
    write(bytes) {
      for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
    },
    close: () => closeSync(fd),
  };
}
