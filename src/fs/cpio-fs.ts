import { FsError } from './errno.ts';
import { bytesName, FILE_TYPE, type Name, PERMISSIONS, TYPE_MASK } from './file-system.ts';
import { MemoryFs, type MemoryNode } from './memory-fs.ts';

/** Header of an entry (Linux, Documentation/driver-api/early-userspace/buffer-format.rst): 13 numbers of 8 hexadecimal digits. */
const MAGIC = /^07070[12]$/;
const HEADER = 110;
const FIELD = { mode: 1, uid: 2, gid: 3, mtime: 5, size: 6, nameSize: 11 } as const;
const TRAILER = 'TRAILER!!!';

const padded = (size: number): number => (size + 3) & ~3;
const ascii = (bytes: Uint8Array): string => String.fromCharCode(...bytes);

/**
 * Unpacks uncompressed cpio archives that lie one after the other, as the kernel unpacks an initramfs: later entries replace earlier ones.
 * Device nodes are left out. @throws FsError saying at which offset it is no archive
 */
export function readCpio(archive: Uint8Array): MemoryFs {
  const fs = new MemoryFs();
  let at = 0;
  while (at < archive.length) {
    if (archive[at] === 0) {
      at++;
      continue;
    }
    const header = ascii(archive.subarray(at, at + HEADER));
    if (header.length < HEADER || !MAGIC.test(header.slice(0, 6)))
      throw new FsError('EIO', `offset ${at} is no entry of an uncompressed cpio archive (newc)`);
    const field = (index: number): number => Number.parseInt(header.slice(6 + 8 * index, 14 + 8 * index), 16);
    const size = field(FIELD.size);
    const nameAt = at + HEADER;
    const dataAt = padded(nameAt + field(FIELD.nameSize));
    if (!(dataAt + size <= archive.length)) throw new FsError('EIO', `the entry at offset ${at} is cut short`);
    const path = bytesName(archive.subarray(nameAt, nameAt + field(FIELD.nameSize) - 1));
    if (path !== TRAILER)
      place(fs, path, field(FIELD.mode), archive.subarray(dataAt, dataAt + size), field(FIELD.mtime));
    at = padded(dataAt + size);
  }
  return fs;
}

function place(fs: MemoryFs, path: string, mode: number, data: Uint8Array, mtime: number): void {
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  const name = parts.pop();
  if (name === undefined) return;
  let directory = fs.root;
  for (const part of parts) directory = directory.children.get(part) ?? fs.makeDirectory(directory, part, 0o755);
  const node = make(fs, directory, name, mode, data);
  if (node === undefined) return;
  node.modified = { seconds: mtime, nanoseconds: 0 };
}

function make(fs: MemoryFs, directory: MemoryNode, name: Name, mode: number, data: Uint8Array): MemoryNode | undefined {
  const old = directory.children.get(name);
  const permissions = mode & PERMISSIONS;
  if (old?.isDirectory === true && (mode & TYPE_MASK) === FILE_TYPE.directory) {
    fs.setAttributes(old, { mode: permissions });
    return old;
  }
  if (old !== undefined && !old.isDirectory) fs.unlink(directory, name);
  switch (mode & TYPE_MASK) {
    case FILE_TYPE.directory:
      return fs.makeDirectory(directory, name, permissions);
    case FILE_TYPE.symlink:
      return fs.makeSymlink(directory, name, data);
    case FILE_TYPE.file: {
      const { node, handle } = fs.create(directory, name, permissions, { read: false, write: true, truncate: false });
      fs.write(handle, 0, data);
      return node;
    }
    default:
      return undefined;
  }
}
