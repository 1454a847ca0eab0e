import { readCpio } from '../fs/cpio-fs.ts';
import type { DiskContents } from '../fs/ext4/blocks.ts';
import { Ext4Fs } from '../fs/ext4/ext4-fs.ts';
import { FILE_TYPE, type FileSystem, TYPE_MASK } from '../fs/file-system.ts';
import { findPath } from '../fs/walk.ts';
import { contents } from '../host/node/copy-out.ts';
import type { Engine } from '../machine/engine/engine.ts';
import type { Hardware } from '../machine/session/options.ts';
import { CliError } from './exit.ts';

/** The volume that is no disk. */
export const INITRAMFS = 'initramfs';
const FIRST_DISK = 0x61;

/** A disk as the guest had written it at this instant. */
function diskContents(engine: Engine, index: number): DiskContents {
  const disk = engine.board.disks[index];
  return {
    size: disk.size,
    async read(offset, into) {
      const read = disk.prefetch(offset, into.length);
      await read.late;
      read.finish(0, into);
    },
  };
}

/** The file system of a disk, or of the initramfs as it was packed. @param volume `vda` … or {@link INITRAMFS} @throws CliError, Ext4Error */
export async function openVolume(
  volume: string,
  engine: Engine,
  hardware: Pick<Hardware, 'images'>,
): Promise<FileSystem> {
  const { disks } = engine.board;
  if (volume === INITRAMFS) {
    const hash = engine.config.initrd?.hash;
    const image = hardware.images.find((candidate) => candidate.hash === hash);
    if (image === undefined) throw new CliError('the machine of this recording was started without an initramfs');
    return readCpio(image.bytes);
  }
  const index = volume.charCodeAt(2) - FIRST_DISK;
  if (index >= disks.length) {
    const there = disks.map((_, i) => `vd${String.fromCharCode(FIRST_DISK + i)}`).join(', ') || 'none';
    throw new CliError(`the machine of this recording has no disk ${volume}; its disks: ${there}`);
  }
  return Ext4Fs.open(diskContents(engine, index));
}

/** What the guest's root was: a disk that its kernel was told of, or the initramfs. */
export const rootVolume = (engine: Engine): string =>
  /(?:^|\s)root=\/dev\/(vd[a-z])(?:\s|$)/.exec(engine.config.append)?.[1] ?? INITRAMFS;

/** Reads files of the guest's root as its disk has them at this instant; undefined what is not there, or was never on a disk. */
export function rootFileReader(engine: Engine): (path: string) => Promise<Uint8Array | undefined> {
  return async (path) => {
    const volume = rootVolume(engine);
    if (volume === INITRAMFS) return undefined;
    try {
      const fs = await openVolume(volume, engine, { images: [] });
      const node = await findPath(fs, path);
      if (((await fs.attributes(node)).mode & TYPE_MASK) !== FILE_TYPE.file) return undefined;
      const pieces: Uint8Array[] = [];
      for await (const piece of contents(fs, node)) pieces.push(piece.slice());
      return Buffer.concat(pieces);
    } catch (error) {
      if (['FsError', 'Ext4Error', 'CliError'].includes((error as Error).name)) return undefined;
      throw error;
    }
  };
}
