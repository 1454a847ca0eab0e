import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { ReadySource } from '../../../bytes/source.ts';
import type { StartSnapshot } from '../../../machine/session/session.ts';
import { Snapshot } from '../../../machine/state/snapshot.ts';

/** A snapshot file of this host. */
interface SnapshotFileSource extends ReadySource {
  readonly path: string;
}

/** What small pieces are read into: fresh memory for each would be slow. */
const scratch = new Uint8Array(65_536);

const known = new Map<string, SnapshotFileSource>();

/**
 * A snapshot file as it is now; what takes its place under the name later does not matter. It stays open for the life of the process: machines read
 * from it what they have not touched yet, and so do copies of them.
 * @throws system errors
 */
export function openSnapshotSource(path: string): SnapshotFileSource {
  const fd = openSync(path, 'r');
  const { size, ino, dev, mtimeMs } = fstatSync(fd);
  const key = [dev, ino, size, mtimeMs].join(' ');
  let source = known.get(key);
  if (source === undefined) {
    source = {
      path,
      size,
      read(offset, length) {
        const wanted = Math.max(0, Math.min(length, size - offset));
        const bytes = wanted <= scratch.length ? scratch.subarray(0, wanted) : new Uint8Array(wanted);
        let done = 0;
        while (done < bytes.length) {
          const n = readSync(fd, bytes, done, bytes.length - done, offset + done);
          if (n === 0) break;
          done += n;
        }
        return done < bytes.length ? bytes.subarray(0, done) : bytes;
      },
    };
    known.set(key, source);
  } else closeSync(fd);
  return source;
}

/** Opens a snapshot file whose SHA-256 is known; others that it needs lie beside it. @throws StateError, system errors */
export function openSnapshot(path: string, hash: string): StartSnapshot {
  const find = (base: string): ReturnType<typeof openSnapshotSource> | undefined => {
    try {
      return openSnapshotSource(join(dirname(path), `${base}.hss`));
    } catch {
      return undefined;
    }
  };
  const source = openSnapshotSource(path);
  const snapshot = Snapshot.open(source, path, find, hash);
  const { at, time } = snapshot;
  return { name: { file: path, size: source.size, hash, at, time }, snapshot };
}
