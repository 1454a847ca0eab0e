/** What handles of files and folders (File System Standard) do not do by themselves. */

/** Only in Chromium, and there not for all handles. */
interface Movable {
  move?(folder: FileSystemDirectoryHandle, name: string): Promise<void>;
}

/** A file or folder by its name. @returns undefined if there is none */
export async function childHandle(
  folder: FileSystemDirectoryHandle,
  name: string,
): Promise<FileSystemHandle | undefined> {
  try {
    return await folder.getFileHandle(name);
  } catch (error) {
    const { name: kind } = error as DOMException;
    if (kind === 'TypeMismatchError') return folder.getDirectoryHandle(name);
    if (kind === 'NotFoundError') return undefined;
    throw error;
  }
}

/** Moves a file or folder to where nothing is: at once where the browser can, otherwise by a copy. @returns its handle from now on */
export async function moveEntry(
  handle: FileSystemHandle,
  from: FileSystemDirectoryHandle,
  to: FileSystemDirectoryHandle,
  name: string,
): Promise<FileSystemHandle> {
  const old = handle.name;
  const { move } = handle as Movable;
  if (move !== undefined) {
    try {
      await move.call(handle, to, name);
      return handle;
    } catch {
      // Not of this kind of handle: it is copied.
    }
  }
  const copy = await copyEntry(handle, to, name);
  await from.removeEntry(old, { recursive: true });
  return copy;
}

async function copyEntry(
  handle: FileSystemHandle,
  to: FileSystemDirectoryHandle,
  name: string,
): Promise<FileSystemHandle> {
  if (handle.kind === 'directory') {
    const copy = await to.getDirectoryHandle(name, { create: true });
    for await (const [child, entry] of handle as FileSystemDirectoryHandle) await copyEntry(entry, copy, child);
    return copy;
  }
  const copy = await to.getFileHandle(name, { create: true });
  const file = await (handle as FileSystemFileHandle).getFile();
  await file.stream().pipeTo(await copy.createWritable());
  return copy;
}
