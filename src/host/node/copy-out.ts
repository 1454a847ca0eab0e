import {
  closeSync,
  constants,
  fchmodSync,
  futimesSync,
  lstatSync,
  mkdirSync,
  openSync,
  symlinkSync,
  writeSync,
} from 'node:fs';
import type { FsError } from '../../fs/errno.ts';
import { FILE_TYPE, type FileSystem, nameBytes, PERMISSIONS, TYPE_MASK } from '../../fs/file-system.ts';
import { checkName } from '../../fs/name.ts';

const PIECE = 2 ** 20;
const { O_CREAT, O_NOFOLLOW, O_TRUNC, O_WRONLY } = constants;

/** What {@link copyOut} did. */
export interface CopyCount {
  files: number;
  bytes: number;
  /** Device nodes, sockets and pipes, which are not copied. */
  skipped: number;
}

/** A file's contents, piece by piece. */
export async function* contents<N extends object, H extends object>(
  fs: FileSystem<N, H>,
  node: N,
): AsyncGenerator<Uint8Array> {
  const handle = await fs.open(node, { read: true, write: false, truncate: false });
  for (let at = 0; ; ) {
    const piece = new Uint8Array(PIECE);
    const got = await fs.read(handle, at, piece);
    if (got > 0) yield piece.subarray(0, got);
    if (got < PIECE) break;
    at += got;
  }
  await fs.close(handle);
}

/**
 * Copies a file, a link or a whole folder out of a file system onto this host, with permissions and times, without owners and set-IDs. Whatever
 * the file system says, nothing is written but at `to` and below: links that are copied are not followed.
 */
export async function copyOut<N extends object, H extends object>(
  fs: FileSystem<N, H>,
  node: N,
  to: Buffer,
  count: CopyCount,
): Promise<void> {
  const { mode, accessed, modified } = await fs.attributes(node);
  const seconds = (time: typeof modified): number => time.seconds + time.nanoseconds / 1e9;
  const type = mode & TYPE_MASK;
  if (type === FILE_TYPE.directory) {
    if (lstatSync(to, { throwIfNoEntry: false })?.isDirectory() !== true) mkdirSync(to);
    for (const { name } of await fs.list(node)) {
      const below = Buffer.concat([to, Buffer.from('/'), nameBytes(checkName(name))]);
      await copyOut(fs, await fs.lookup(node, name), below, count);
    }
  } else if (type === FILE_TYPE.symlink) {
    symlinkSync(Buffer.from(await fs.readLink(node)), to);
    count.files++;
  } else if (type === FILE_TYPE.file) {
    const fd = openSync(to, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0o600);
    try {
      for await (const piece of contents(fs, node)) {
        for (let at = 0; at < piece.length; ) at += writeSync(fd, piece, at);
        count.bytes += piece.length;
      }
      fchmodSync(fd, mode & PERMISSIONS & ~process.umask());
      futimesSync(fd, seconds(accessed), seconds(modified));
    } finally {
      closeSync(fd);
    }
    count.files++;
  } else count.skipped++;
}

/** Says in words what an operation failed with. */
export function reasonOf(error: unknown): string {
  const { code, message } = error as FsError;
  const words: Record<string, string> = {
    ENOENT: 'there is no such file',
    ENOTDIR: 'a part of the path is no folder',
    ELOOP: 'the path leads through too many links',
    EINVAL: 'that is no path',
  };
  return words[code] ?? message;
}
