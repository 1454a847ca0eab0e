import { slotEntry } from '../../devices/registry.ts';
import type { Recording } from '../../record/format.ts';
import { BlankBackend, type BlockBackend, MemoryBackend } from '../../storage/index.ts';
import { ConfigError, type ImageName, type MachineConfig } from '../board/config.ts';
import type { DiskOption, Hardware, ImageFiles, NamedBytes } from './options.ts';

/** Largest disk that goes into a recording. */
const LARGEST_DISK = 512 * 2 ** 20;
/** What the hash of an empty disk begins with; its size follows. */
const BLANK = 'blank:';

/** A file a machine was made from, and what it was there. */
export type NeededImage = ImageName & { readonly role: 'kernel' | 'initrd' | 'firmware' | 'disk' };

/** The images of the devices in slots, in their order. */
const slotImages = (config: MachineConfig): readonly ImageName[] =>
  config.slots.flatMap((slot) => slotEntry(slot).image?.(slot) ?? []);

/** The files a configuration needs, each under the name the user knew it by. */
export function neededImages(config: MachineConfig): readonly NeededImage[] {
  const needed: NeededImage[] = [];
  for (const role of ['kernel', 'initrd', 'firmware'] as const) {
    const image = config[role];
    if (image !== undefined) needed.push({ ...image, role });
  }
  for (const base of slotImages(config)) if (!base.hash.startsWith(BLANK)) needed.push({ ...base, role: 'disk' });
  return needed;
}

/** Adds the files a recording holds itself, and puts disks in their order. */
export function withEmbedded(recording: Recording, files: ImageFiles): ImageFiles {
  const { config } = recording.header;
  const inside = (image: ImageName | undefined): NamedBytes | undefined => {
    const bytes = image && recording.images.get(image.hash);
    return image === undefined || bytes === undefined ? undefined : { file: image.file, bytes };
  };
  const choose = (role: 'kernel' | 'initrd' | 'firmware'): { [key: string]: NamedBytes } => {
    const bytes = files[role] ?? inside(config[role]);
    return bytes === undefined ? {} : { [role]: bytes };
  };
  const given = [...(files.disks ?? [])];
  const disks = slotImages(config).flatMap((base): DiskOption[] => {
    const embedded = inside(base);
    if (embedded !== undefined) return [{ file: base.file, backend: new MemoryBackend(embedded.bytes, base.hash) }];
    const known = given.findIndex(({ backend }) => backend.hash === base.hash);
    if (known < 0 && base.hash.startsWith(BLANK)) return [{ file: base.file, backend: new BlankBackend(base.size) }];
    // One that does not fit is refused by name where the machine is built.
    return given.splice(Math.max(known, 0), 1);
  });
  return {
    ...files,
    ...choose('kernel'),
    ...choose('initrd'),
    ...choose('firmware'),
    ...(disks.length > 0 && { disks }),
  };
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
  const found = new Map(images.map((image) => [image.hash, image]));
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
