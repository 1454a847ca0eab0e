import { slotEntry } from '../../devices/registry.ts';
import type { RecordingHeader } from '../../record/format.ts';
import type { EmbeddedImage, Recording } from '../../record/recording.ts';
import { BlankBackend, type BlockBackend, ChunkedBackend, MemoryBackend } from '../../storage/index.ts';
import { ConfigError, type DiskOverlay, type ImageName, type MachineConfig, slotsOf } from '../board/config.ts';
import type { DiskOption, Hardware, ImageFiles, NamedBytes } from './options.ts';

/** Largest disk that goes into a recording. */
const LARGEST_DISK = 512 * 2 ** 20;
/** Largest embedded disk that is kept in memory whole, and what is kept of a larger one. */
const SMALL_DISK = 64 * 2 ** 20;
/** Bytes of it that are read at once. */
const DISK_PIECE = 2 ** 20;
/** What the hash of an empty disk begins with; its size follows. */
const BLANK = 'blank:';

/** A file a machine was made from, and what it was there. */
export type NeededImage = ImageName & {
  readonly role: 'kernel' | 'initrd' | 'firmware' | 'disk' | 'start';
  /** What lay over a disk. */
  readonly overlay?: DiskOverlay;
};

/** The images of the devices in slots, in their order. */
const slotImages = (config: MachineConfig): readonly ImageName[] =>
  slotsOf(config).flatMap((slot) => slotEntry(slot).image?.(slot) ?? []);

/** The files a machine needs, and its recording's start, each under the name the user knew it by. */
export function neededImages({
  config,
  start,
  overlays,
}: Pick<RecordingHeader, 'config' | 'start' | 'overlays'>): readonly NeededImage[] {
  const needed: NeededImage[] = [];
  for (const role of ['kernel', 'initrd', 'firmware'] as const) {
    const image = config[role];
    if (image !== undefined) needed.push({ ...image, role });
  }
  for (const [i, base] of slotImages(config).entries()) {
    const overlay = overlays?.[i];
    if (!base.hash.startsWith(BLANK)) needed.push({ ...base, role: 'disk', ...(overlay && { overlay }) });
  }
  if (start !== undefined) needed.push({ file: start.file, size: start.size, hash: start.hash, role: 'start' });
  return needed;
}

/** Adds the files a recording holds itself, and puts disks in their order. */
export async function withEmbedded(recording: Recording, files: ImageFiles): Promise<ImageFiles> {
  const { config, start } = recording.header;
  const inside = (image: ImageName | undefined): EmbeddedImage | undefined => image && recording.images.get(image.hash);
  const choose = async (
    role: 'kernel' | 'initrd' | 'firmware' | 'start',
    name: ImageName | undefined,
  ): Promise<{ [key: string]: NamedBytes }> => {
    const image = inside(name);
    const given = files[role];
    if (given !== undefined) return { [role]: given };
    return image === undefined ? {} : { [role]: { file: name!.file, bytes: await image.read(0, image.size) } };
  };
  const given = [...(files.disks ?? [])];
  const disks: DiskOption[] = [];
  for (const base of slotImages(config)) {
    const embedded = inside(base);
    const known = given.findIndex(({ backend }) => backend.hash === base.hash);
    if (embedded !== undefined) disks.push({ file: base.file, backend: await embeddedDisk(embedded, base.hash) });
    else if (known < 0 && base.hash.startsWith(BLANK))
      disks.push({ file: base.file, backend: new BlankBackend(base.size) });
    // One that does not fit is refused by name where the machine is built.
    else disks.push(...given.splice(Math.max(known, 0), 1));
  }
  return {
    ...files,
    ...(await choose('kernel', config.kernel)),
    ...(await choose('initrd', config.initrd)),
    ...(await choose('firmware', config.firmware)),
    ...(await choose('start', start)),
    ...(disks.length > 0 && { disks }),
  };
}

/** A small disk is read at once, of a large one what is needed. */
async function embeddedDisk(image: EmbeddedImage, hash: string): Promise<BlockBackend> {
  const { size } = image;
  if (size <= SMALL_DISK) return new MemoryBackend(await image.read(0, size), hash);
  const fetch = (index: number): Promise<Uint8Array> =>
    image.read(index * DISK_PIECE, Math.min(DISK_PIECE, size - index * DISK_PIECE));
  return new ChunkedBackend({ size, hash, chunkSize: DISK_PIECE, fetch }, SMALL_DISK);
}

/**
 * The files of a machine, for its recording: kernel, initrd, firmware and disks.
 * @throws ConfigError for a disk that is too large
 */
export async function imagesOf({
  config,
  backends,
  images,
}: Hardware): Promise<readonly { readonly hash: string; readonly bytes: Uint8Array }[]> {
  for (const { bytes, ready } of images) ready?.(0, bytes.length);
  const found = new Map<string, { readonly hash: string; readonly bytes: Uint8Array }>(
    images.map((image) => [image.hash, image]),
  );
  for (const [i, { file, hash, size }] of slotImages(config).entries()) {
    if (hash.startsWith(BLANK) || found.has(hash)) continue;
    if (size > LARGEST_DISK) {
      throw new ConfigError(
        `--embed: the disk ${file} has ${size} bytes, at most ${LARGEST_DISK} go into a recording; leave --embed away: the disk is found by its hash`,
      );
    }
    found.set(hash, { hash, bytes: await contents(backends[i]) });
  }
  return [...found.values()];
}

async function contents(disk: BlockBackend): Promise<Uint8Array> {
  const bytes = new Uint8Array(disk.size);
  await disk.read(0, bytes);
  return bytes;
}
