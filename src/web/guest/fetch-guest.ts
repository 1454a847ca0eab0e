import { toHex } from '../../bytes/hex.ts';
import { keepFile, readKept } from '../storage/kept-files.ts';
import type { RemoteDisk, SiteFile, StartFiles, WantedFile } from '../worker/protocol.ts';
import type { SiteImage, SiteManifest } from './manifest.ts';

/** How a download goes: bytes so far and in all. */
export type OnProgress = (done: number, total: number) => void;

/** Something of the site is missing or is not what it should be; the message says what to do. */
class SiteError extends Error {
  override readonly name = 'SiteError';
}

/** @param folder address of the folder with the manifest, ending in `/` @throws SiteError */
export async function readManifest(folder: string): Promise<SiteManifest> {
  const address = new URL('site.json', folder).href;
  const response = await fetch(address).catch(() => undefined);
  if (response === undefined || !response.ok) {
    const answer = response === undefined ? 'cannot be reached' : `answered ${response.status}`;
    throw new SiteError(
      `${address}: the server ${answer}. Serve this page with "hindsight web", or write it with "hindsight web --site", which brings along what it needs.`,
    );
  }
  const manifest = (await response.json().catch(() => undefined)) as SiteManifest | undefined;
  if (manifest?.version !== 1)
    throw new SiteError(
      `${address}: this page does not know what it says. Write the site once more with "hindsight web --site", so that both are of one release.`,
    );
  return manifest;
}

/**
 * The files of the guest: from the browser's own storage, or else from the site, and then kept.
 * @throws SiteError when a file cannot be had or is not the one that was promised
 */
export async function fetchGuest(folder: string, manifest: SiteManifest, onProgress: OnProgress): Promise<StartFiles> {
  const { guest } = manifest;
  if (guest === undefined)
    throw new SiteError('This site has no machine to start, only recordings: open one by its link, or drop one here.');
  const wanted = [guest.kernel, guest.initrd, guest.start, ...guest.bases].map((hash) => imageOf(manifest, hash));
  const [kernel, initrd, start, ...bases] = await fetchImages(folder, wanted, onProgress);
  return { memory: guest.memory, append: guest.append, kernel, initrd, start, bases };
}

/** What snapshots are called: the site's own, and those that recordings begin with. */
const SNAPSHOTS: ReadonlySet<string> = new Set(['snapshot', 'start']);

/** What a recording needs, from this site. */
export interface FoundFiles {
  readonly files: readonly SiteFile[];
  /** Disks are read where the guest reads them. */
  readonly disks: readonly RemoteDisk[];
}

/** Finds the files that a recording needs by their hashes. @throws SiteError naming those that are not there */
export async function findFiles(
  folder: string,
  wanted: readonly WantedFile[],
  onProgress: OnProgress,
): Promise<FoundFiles> {
  if (wanted.length === 0) return { files: [], disks: [] };
  const manifest = await readManifest(folder);
  const missing = wanted.filter(({ hash }) => !manifest.images.some((image) => image.hash === hash));
  if (missing.length > 0) {
    const names = missing.map(({ role, file, hash }) => `the ${role} ${file} with SHA-256 ${hash}`).join(' and ');
    throw new SiteError(
      `The recording needs ${names}, which this site does not have. Open it where it was made with "hindsight web RECORDING", or record with --embed, so that it holds its files.`,
    );
  }
  const disks = wanted
    .filter(({ role }) => role === 'disk')
    .map(({ file, hash, size }) => ({ file, hash, size, url: new URL(imageOf(manifest, hash).path, folder).href }));
  const whole = wanted.filter(({ role }) => role !== 'disk').map(({ hash }) => imageOf(manifest, hash));
  // A snapshot may share pages with others, which it names itself.
  if (wanted.some(({ role }) => role === 'start'))
    whole.push(...manifest.images.filter((image) => SNAPSHOTS.has(image.file) && !whole.includes(image)));
  return { files: await fetchImages(folder, whole, onProgress), disks };
}

function imageOf({ images }: SiteManifest, hash: string): SiteImage {
  const image = images.find((known) => known.hash === hash);
  if (image === undefined)
    throw new SiteError(`This site's list of files is damaged: it lacks ${hash}. Write it once more.`);
  return image;
}

/** Files of a site, from the browser's storage where they are kept. @throws SiteError */
async function fetchImages(folder: string, files: readonly SiteImage[], onProgress: OnProgress): Promise<SiteFile[]> {
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

async function readFromStorage({ hash, size }: SiteImage): Promise<Uint8Array | undefined> {
  // Without such storage the file is fetched each time.
  const file = await readKept('images', hash).catch(() => undefined);
  return file?.size === size ? new Uint8Array(await file.arrayBuffer()) : undefined;
}

async function download(folder: string, file: SiteImage, onBytes: (bytes: number) => void): Promise<Uint8Array> {
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
