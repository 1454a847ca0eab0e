import { toHex } from '../../bytes/hex.ts';
import { keepFile, readKept } from '../storage/kept-files.ts';
import type { SiteFile, StartFiles } from '../worker/protocol.ts';
import type { ManifestFile, SiteGuest } from './manifest.ts';

/** How a download goes: bytes so far and in all. */
export type OnProgress = (done: number, total: number) => void;

/** Something of the site is missing or is not what it should be; the message says what to do. */
export class SiteError extends Error {
  override readonly name = 'SiteError';
}

/** @param folder address of the folder with the manifest, ending in `/` @throws SiteError */
export async function readManifest(folder: string): Promise<SiteGuest> {
  const address = new URL('guest.json', folder).href;
  const response = await fetch(address).catch(() => undefined);
  if (response === undefined || !response.ok) {
    const answer = response === undefined ? 'cannot be reached' : `answered ${response.status}`;
    throw new SiteError(
      `${address}: the server ${answer}. Serve this page with "hindsight web", which brings a guest along.`,
    );
  }
  const manifest = (await response.json().catch(() => undefined)) as SiteGuest | undefined;
  if (manifest?.version !== 1)
    throw new SiteError(
      `${address}: this is not a list of guest files that this page knows; write the site anew with "hindsight web --site".`,
    );
  return manifest;
}

/**
 * The files of the guest: from the browser's own storage, or else from the site, and then kept.
 * @throws SiteError when a file cannot be had or is not the one that was promised
 */
export async function fetchGuest(folder: string, manifest: SiteGuest, onProgress: OnProgress): Promise<StartFiles> {
  const { memory, append } = manifest;
  const wanted = [manifest.kernel, manifest.initrd, manifest.start, ...manifest.bases];
  const [kernel, initrd, start, ...bases] = await fetchSiteFiles(folder, wanted, onProgress);
  return { memory, append, kernel, initrd, start, bases };
}

/** Files of a site, from the browser's storage where they are kept. @throws SiteError */
export async function fetchSiteFiles(
  folder: string,
  files: readonly ManifestFile[],
  onProgress: OnProgress,
): Promise<SiteFile[]> {
  const kept = await Promise.all(files.map(readFromStorage));
  const missing = files.filter((_, i) => kept[i] === undefined);
  const total = missing.reduce((sum, { size, stored }) => sum + (stored ?? size), 0);
  let done = 0;
  const onBytes = (bytes: number): void => {
    done += bytes;
    onProgress(done, total);
  };
  return Promise.all(
    files.map(async (file, i) => ({
      file: file.file,
      hash: file.hash,
      bytes: kept[i] ?? (await download(folder, file, onBytes)),
    })),
  );
}

async function readFromStorage({ hash, size }: ManifestFile): Promise<Uint8Array | undefined> {
  // Without such storage the file is fetched each time.
  const file = await readKept('images', hash).catch(() => undefined);
  return file?.size === size ? new Uint8Array(await file.arrayBuffer()) : undefined;
}

async function download(folder: string, file: ManifestFile, onBytes: (bytes: number) => void): Promise<Uint8Array> {
  const address = new URL(file.path, folder).href;
  const response = await fetch(address).catch(() => undefined);
  if (response === undefined || !response.ok || response.body === null)
    throw new SiteError(
      `${address}: the server ${response === undefined ? 'cannot be reached' : `answered ${response.status}`}. Reload to try again.`,
    );
  const counted = response.body.pipeThrough(
    new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
      transform(chunk, controller) {
        onBytes(chunk.length);
        controller.enqueue(chunk);
      },
    }),
  );
  const contents = file.encoding === 'gzip' ? counted.pipeThrough(new DecompressionStream('gzip')) : counted;
  const bytes = new Uint8Array(await new Response(contents).arrayBuffer());
  const hash = toHex(new Uint8Array(await crypto.subtle.digest('SHA-256', bytes)));
  if (hash !== file.hash)
    throw new SiteError(
      `${address}: the file has SHA-256 ${hash}, expected ${file.hash}. The site is not complete or was changed; reload to try again.`,
    );
  // A full storage costs a download next time, nothing more.
  void keepFile('images', file.hash, new Blob([bytes])).catch(() => undefined);
  return bytes;
}
