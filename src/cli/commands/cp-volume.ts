import { statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { FILE_TYPE, type FileSystem, TYPE_MASK } from '../../fs/file-system.ts';
import { findPath } from '../../fs/walk.ts';
import { type CopyCount, contents, copyOut, reasonOf } from '../../host/node/copy-out.ts';
import { CliError } from '../exit.ts';

/** Whether a file system said that something cannot be done. */
export const isFsFailure = ({ name }: Error): boolean => name === 'FsError' || name === 'Ext4Error';

/** Copies a file or folder of a file system. @param of what is said of it in messages @returns what was copied; undefined for standard output */
export async function copyFromVolume(
  fs: FileSystem,
  { volume, path, of }: { readonly volume: string; readonly path: string; readonly of: string },
  to: string,
): Promise<string | undefined> {
  const count: CopyCount = { files: 0, bytes: 0, skipped: 0 };
  try {
    const node = await findPath(fs, path);
    if (to === '-') {
      if (((await fs.attributes(node)).mode & TYPE_MASK) !== FILE_TYPE.file)
        throw new CliError(`${path} is no regular file; name a folder to copy it to instead of -`);
      for await (const piece of contents(fs, node)) process.stdout.write(piece);
      return undefined;
    }
    const folder = statSync(to, { throwIfNoEntry: false })?.isDirectory() ?? false;
    const target = folder ? join(to, basename(path) || volume) : to;
    await copyOut(fs, node, Buffer.from(target), count);
  } catch (error) {
    if (!isFsFailure(error as Error)) throw error;
    throw new CliError(`${volume}:${path} ${of}: ${reasonOf(error)}`);
  }
  const skipped = count.skipped > 0 ? `; ${count.skipped} device nodes, pipes or sockets left out` : '';
  return `${count.files} files, ${count.bytes} bytes, ${of}${skipped}`;
}
