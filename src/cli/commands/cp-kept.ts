import { Ext4Fs } from '../../fs/ext4/ext4-fs.ts';
import { reasonOf } from '../../host/node/copy-out.ts';
import { listMachines, NamedMachine } from '../../host/node/machines.ts';
import { openOverlayAt, overlayPath } from '../../host/node/overlay-file.ts';
import { CliError } from '../exit.ts';
import { builtDisk, openBase, parseDisk } from '../machine-flags.ts';
import type { RunFlags } from '../run-flags.ts';
import type { MachinePlace } from './cp-live.ts';
import { copyFromVolume, isFsFailure } from './cp-volume.ts';

const FIRST_DISK = 0x61;

const diskName = (index: number): string => `vd${String.fromCharCode(FIRST_DISK + index)}`;

/** How a machine is kept by its name; undefined when there is none. @throws CliError for one that runs, but not so that it can be reached */
export async function keptState(name: string): Promise<'suspended' | 'off' | undefined> {
  const state = (await listMachines()).find((machine) => machine.name === name)?.state;
  if (state === 'running')
    throw new CliError(
      `machine ${name} runs and cannot be reached: leave it by Ctrl-A d, and its files can be copied; or start it with --control ${name}`,
    );
  return state === 'damaged' ? undefined : state;
}

/** Copies out of a disk of a machine that is suspended or switched off, as it was left. @returns what is to be said of it */
export async function copyFromKept({ machine, volume, path }: MachinePlace, to: string): Promise<string | undefined> {
  const named = await NamedMachine.open(machine);
  try {
    const flags: Partial<RunFlags> = named.flags ?? {};
    const disks = (flags.disk ?? []).map(parseDisk);
    if (disks.length === 0)
      throw new CliError(
        `machine ${machine} has no disk: its files are in its memory, which can be reached while it runs (--control ${machine})`,
      );
    const built = disks.findIndex(({ file }) => builtDisk(file) !== undefined);
    const wanted = volume ?? flags.root?.replace(/^\/dev\//, '') ?? diskName(Math.max(built, 0));
    const index = disks.findIndex((_, i) => diskName(i) === wanted);
    if (index < 0)
      throw new CliError(
        `machine ${machine} has no disk ${wanted}; its disks: ${disks.map((_, i) => diskName(i)).join(', ')}`,
      );
    const { file, overlay } = disks[index]!;
    const layer = overlayPath(overlay!);
    const base = await openBase(file, true, layer, undefined);
    const disk = openOverlayAt(base.backend, layer, base.file, named.suspended?.commits[index] ?? undefined);
    try {
      const of = `of machine ${machine} as it was ${named.suspended === undefined ? 'switched off' : 'suspended'}`;
      const fs = await Ext4Fs.open(disk).catch((error: Error) => {
        throw isFsFailure(error) ? new CliError(`${wanted} ${of}: ${reasonOf(error)}`) : error;
      });
      return await copyFromVolume(fs, { volume: wanted, path, of }, to);
    } finally {
      disk.close();
    }
  } finally {
    named.release();
  }
}
