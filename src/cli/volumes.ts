import { readCpio } from '../fs/cpio-fs.ts';
import type { DiskContents } from '../fs/ext4/blocks.ts';
import { Ext4Fs } from '../fs/ext4/ext4-fs.ts';
import type { FileSystem } from '../fs/file-system.ts';
import { WAIT_WORD } from '../guest/cmdline.ts';
import type { Engine } from '../machine/engine/engine.ts';
import type { Hardware } from '../machine/session/options.ts';
import { EVENT } from '../record/door.ts';
import type { Timeline } from '../timeline/timeline.ts';
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

const ROOT_WORD = /(?:^|\s)root=\/dev\/(vd[a-z])(?:\s|$)/;
/** Inputs in which a guest that waited was told what to do. */
const TYPED_EVENTS = 64;

/** What the guest's root was: the disk named on its kernel's command line or in the words for /init; otherwise the initramfs. */
export function rootVolume({ engine, events }: Pick<Timeline, 'engine' | 'events'>): string {
  const word = (text: string): string | undefined => ROOT_WORD.exec(text)?.[1];
  const { append } = engine.config;
  const told = word(append);
  if (told !== undefined || !append.includes(WAIT_WORD)) return told ?? INITRAMFS;
  const typed = events.filter(({ kind }) => kind === EVENT.INPUT).slice(0, TYPED_EVENTS);
  return word(Buffer.concat(typed.map(({ payload }) => payload)).toString('latin1')) ?? INITRAMFS;
}
