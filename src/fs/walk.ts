import { FsError } from './errno.ts';
import { FILE_TYPE, type FileSystem, nameOf, TYPE_MASK } from './file-system.ts';
import { checkName } from './name.ts';

/** Symbolic links that one path may lead through (MAXSYMLINKS). */
const MAX_LINKS = 40;

/**
 * Finds a file by its path as a process chrooted into the file system would: links are followed inside of it, and `..` of the root is the root.
 * @throws FsError
 */
export async function findPath<N extends object>(fs: FileSystem<N>, path: string): Promise<N> {
  const trail: N[] = [fs.root];
  const rest = path.split('/').reverse();
  let links = 0;
  while (rest.length > 0) {
    const part = rest.pop()!;
    if (part === '' || part === '.') continue;
    if (part === '..') {
      if (trail.length > 1) trail.pop();
      continue;
    }
    const node = await fs.lookup(trail.at(-1)!, checkName(nameOf(part)));
    const { mode } = await fs.attributes(node);
    if ((mode & TYPE_MASK) !== FILE_TYPE.symlink) {
      trail.push(node);
      continue;
    }
    if (++links > MAX_LINKS) throw new FsError('ELOOP');
    const target = new TextDecoder().decode(await fs.readLink(node));
    if (target.startsWith('/')) trail.length = 1;
    rest.push(...target.split('/').reverse());
  }
  return trail.at(-1)!;
}
