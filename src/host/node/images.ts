import { createHash } from 'node:crypto';
import { createReadStream, existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { parseManifest } from '../../guest/manifest.ts';
import { type NeededImage, neededImages } from '../../index.ts';
import type { ImageName } from '../../machine/board/config.ts';
import type { DiskOption, ImageFiles, NamedBytes } from '../../machine/session/options.ts';
import type { RecordingHeader } from '../../record/format.ts';
import type { BlockBackend } from '../../storage/backend.ts';
import { HTTP_NAME } from '../http-disk.ts';
import { dataFolder } from './data.ts';
import { openDiskFile } from './disk-file.ts';
import { cacheDirectory } from './guest/index.ts';
import { openOverlaid } from './overlay-file.ts';
import { openSnapshotSource } from './snapshots/snapshot-source.ts';
import { snapshotDirectory } from './snapshots/store.ts';
import { openUrl } from './url-disk.ts';

/** A recording's machine needs a file that is nowhere to be found. */
class ImageMissingError extends Error {
  override name = 'ImageMissingError';
}

/** Files below a folder, three levels deep: the cache's shape and what a user would lay out. */
function filesBelow(folder: string, depth = 3): string[] {
  try {
    if (statSync(folder).isFile()) return [folder];
    return readdirSync(folder, { withFileTypes: true }).flatMap((e) => {
      const path = join(folder, e.name);
      if (e.isFile()) return [path];
      return e.isDirectory() && depth > 0 ? filesBelow(path, depth - 1) : [];
    });
  } catch {
    return [];
  }
}

async function sha256(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Uint8Array);
  return hash.digest('hex');
}

/** SHA-256 of the built guests' files, as their manifests say. */
function knownHashes(candidates: readonly string[]): Map<string, string> {
  const hashes = new Map<string, string>();
  for (const path of candidates) {
    if (basename(path) !== 'manifest.json' || !path.startsWith(cacheDirectory())) continue;
    try {
      const { files } = parseManifest(readFileSync(path, 'utf8'));
      for (const { name, sha256 } of files) hashes.set(join(dirname(path), name), sha256);
    } catch {
      // Another program's, or damaged: its files are read.
    }
  }
  return hashes;
}

/**
 * Finds the files a machine was made from by their hashes: where they were, in the folders named, among the built guests.
 * @param inside hashes of files that the recording holds itself @throws ImageMissingError naming the first that is missing or was changed
 */
export async function findImages(
  header: Pick<RecordingHeader, 'config' | 'start' | 'overlays'>,
  folders: readonly string[],
  inside: ReadonlySet<string>,
): Promise<ImageFiles> {
  const candidates = [...folders, cacheDirectory(), snapshotDirectory()].flatMap((folder) => filesBelow(folder));
  const known = knownHashes(candidates);
  const find = async (image: ImageName): Promise<string> => {
    const sized = [image.file, ...candidates].filter(
      (path) => statSync(path, { throwIfNoEntry: false })?.size === image.size,
    );
    for (const path of new Set(sized)) if ((known.get(path) ?? (await sha256(path))) === image.hash) return path;
    const changed = existsSync(image.file)
      ? `${image.file} is no longer what was recorded`
      : `${image.file} (${image.size} bytes) is not here`;
    throw new ImageMissingError(
      `${changed}: needed is the file with SHA-256 ${image.hash}; name its folder with --image DIR`,
    );
  };
  /** A disk may be in an image that is packed: its contents are what counts. */
  const qcow2 = (image: ImageName): BlockBackend | undefined => {
    for (const path of [image.file, ...candidates]) {
      if (!path.endsWith('.qcow2') || !existsSync(path)) continue;
      const backend = openDiskFile(path);
      if (backend.size === image.size && backend.hash === image.hash) return backend;
      backend.close();
    }
    return undefined;
  };
  const overlaid = (image: NeededImage, base: BlockBackend): BlockBackend =>
    image.overlay === undefined
      ? base
      : openOverlaid(base, image.overlay, [...candidates, ...filesBelow(dataFolder('disks'))]);
  const named = async (image: ImageName): Promise<NamedBytes> => ({
    file: image.file,
    bytes: await readFile(await find(image)),
    hash: image.hash,
  });
  const files: { -readonly [role in 'kernel' | 'initrd' | 'firmware' | 'start']?: NamedBytes } & {
    disks: DiskOption[];
  } & Pick<ImageFiles, 'findSnapshot'> = {
    disks: [],
    findSnapshot(hash) {
      const path = candidates.find((candidate) => basename(candidate) === `${hash}.hss`);
      return path === undefined ? undefined : openSnapshotSource(path);
    },
  };
  for (const image of neededImages(header)) {
    if (inside.has(image.hash)) continue;
    if (image.hash.startsWith(HTTP_NAME)) {
      const backend = await openUrl(image.file, { known: image });
      if (backend.hash !== image.hash || backend.size !== image.size)
        throw new ImageMissingError(
          `disk ${image.file} is not what it was when it was recorded: it changed on the server`,
        );
      files.disks.push({ file: image.file, backend: overlaid(image, backend) });
    } else if (image.role === 'disk') {
      const backend = qcow2(image) ?? openDiskFile(await find(image), image.hash);
      files.disks.push({ file: image.file, backend: overlaid(image, backend) });
    } else files[image.role] = await named(image);
  }
  return files;
}
