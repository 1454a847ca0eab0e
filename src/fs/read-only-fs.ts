import { FsError } from './errno.ts';
import type { Attributes, Awaitable, DirectoryEntry, FileSystem, Name, OpenMode, Statistics } from './file-system.ts';

const refuse = (): never => {
  throw new FsError('EROFS');
};

/** A file system that cannot be changed: its images are looked at, not mounted. */
export abstract class ReadOnlyFs<N extends object> implements FileSystem<N, N> {
  abstract readonly root: N;
  abstract attributes(node: N): Awaitable<Attributes>;
  abstract lookup(directory: N, name: Name): Awaitable<N>;
  abstract readLink(node: N): Awaitable<Uint8Array>;
  abstract list(directory: N): Awaitable<readonly DirectoryEntry[]>;
  abstract read(node: N, offset: number, into: Uint8Array): Awaitable<number>;
  abstract statistics(): Awaitable<Statistics>;
  readonly setAttributes = refuse;
  readonly create = refuse;
  readonly makeDirectory = refuse;
  readonly makeSymlink = refuse;
  readonly link = refuse;
  readonly unlink = refuse;
  readonly removeDirectory = refuse;
  readonly rename = refuse;
  readonly write = refuse;

  open(node: N, mode: OpenMode): N {
    if (mode.write || mode.truncate) refuse();
    return node;
  }

  sync(): void {}

  close(): void {}

  forget(): void {}
}
