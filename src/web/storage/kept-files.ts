/** Files in the browser's own storage for this site: the origin private file system (File System Standard, section 5). */

/** What the page keeps: images of the guest by hash, recordings by the time they began, lanes by their recording. */
const FOLDERS = ['recordings', 'images', 'lanes'] as const;
export type Folder = (typeof FOLDERS)[number];

/** A file that is kept. */
export interface KeptFile {
  readonly folder: Folder;
  readonly name: string;
  readonly size: number;
  /** Milliseconds since 1970. */
  readonly modified: number;
}

const ROOT = 'hindsight';

/** @returns undefined when nothing of that name is kept */
export async function readKept(folder: Folder, name: string): Promise<File | undefined> {
  try {
    return await (await (await folderHandle(folder)).getFileHandle(name)).getFile();
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/**
 * Keeps a file, in place of one of that name. What is there is whole: it appears only once all of it was written. Tabs take turns.
 * @throws DOMException `QuotaExceededError` when there is no room
 */
export function keepFile(folder: Folder, name: string, contents: Uint8Array | Blob): Promise<void> {
  return navigator.locks.request(`hindsight ${folder}/${name}`, async () => {
    const handle = await (await folderHandle(folder)).getFileHandle(name, { create: true });
    const stream = await handle.createWritable();
    try {
      await stream.write(contents as FileSystemWriteChunkType);
      await stream.close();
    } catch (error) {
      await stream.abort().catch(() => undefined);
      throw error;
    }
  });
}

export async function removeKept(folder: Folder, name: string): Promise<void> {
  await (await folderHandle(folder)).removeEntry(name);
}

/** Everything that is kept, what was written last first. @throws DOMException where this browser has no such storage */
export async function listKept(): Promise<KeptFile[]> {
  const found: KeptFile[] = [];
  for (const folder of FOLDERS) {
    for await (const [name, handle] of (await folderHandle(folder)).entries()) {
      if (handle.kind !== 'file') continue;
      const { size, lastModified } = await (handle as FileSystemFileHandle).getFile();
      if (size > 0) found.push({ folder, name, size, modified: lastModified });
    }
  }
  return found.sort((a, b) => b.modified - a.modified);
}

async function folderHandle(folder: Folder): Promise<FileSystemDirectoryHandle> {
  const root = await (await navigator.storage.getDirectory()).getDirectoryHandle(ROOT, { create: true });
  return root.getDirectoryHandle(folder, { create: true });
}

const isMissing = (error: unknown): boolean => error instanceof DOMException && error.name === 'NotFoundError';
