/** Hindsight as a library for Node: the same machine, with files and the built guest by name. */
import { readFile } from 'node:fs/promises';
import { commandLine, DEFAULT_COMMAND_LINE, type GuestBoot } from '../../guest/cmdline.ts';
import {
  Machine as BaseMachine,
  type ByteSource,
  type MachineOptions,
  type NamedBytes,
  type OpenOptions,
  Timeline as PortableTimeline,
  type RecordedTimeline,
  readRecording,
} from '../../index.ts';
import { Timeline as BaseTimeline } from '../../timeline/timeline.ts';
import { createHostRoom } from '../room.ts';
import { FileBackend } from './disk.ts';
import { openSource } from './file-source.ts';
import { buildGuest } from './guest/index.ts';
import { findImages } from './images.ts';
import { openRecordFile } from './record-file.ts';

/** Options of {@link Machine.create} on Node. */
export interface NodeMachineOptions
  extends Omit<MachineOptions, 'kernel' | 'initrd' | 'firmware' | 'disks' | 'record'> {
  /** The guest that `hindsight guest build` makes; it is made when it is not there. */
  readonly guest?: 'debian';
  /** What the guest's /init does instead of a shell on the console; only with `guest`. */
  readonly boot?: GuestBoot;
  /** Paths, or names with contents. */
  readonly kernel?: string | NamedBytes;
  readonly initrd?: string | NamedBytes;
  readonly firmware?: string | NamedBytes;
  /** Paths of raw disk images, or disks. */
  readonly disks?: readonly (string | NonNullable<MachineOptions['disks']>[number])[];
  /** Path of a recording to write, or where its bytes go. */
  readonly record?: string | MachineOptions['record'];
}

const named = async (file: string | NamedBytes | undefined): Promise<NamedBytes | undefined> =>
  typeof file === 'string' ? { file, bytes: await readFile(file) } : file;

/** A computer. */
export class Machine extends BaseMachine {
  /**
   * Builds a machine on this host and powers it on; nothing is executed yet.
   * @throws ConfigError, LoadError, GuestBuildError, DiskFileError saying what is wrong and what to do
   */
  static override async create(options: NodeMachineOptions): Promise<BaseMachine> {
    const { guest, boot, kernel, initrd, firmware, disks, record, ...rest } = options;
    const built = guest === undefined ? undefined : await buildGuest();
    const images = {
      kernel: await named(kernel ?? built?.kernel),
      initrd: await named(initrd ?? (kernel === undefined ? built?.initrd : undefined)),
      firmware: await named(firmware),
    };
    const line = built === undefined ? {} : { append: commandLine(boot ?? {}, rest.append ?? DEFAULT_COMMAND_LINE) };
    return BaseMachine.create({
      ...rest,
      ...line,
      ...(images.kernel && { kernel: images.kernel }),
      ...(images.initrd && { initrd: images.initrd }),
      ...(images.firmware && { firmware: images.firmware }),
      ...(disks && {
        disks: disks.map((disk) => (typeof disk === 'string' ? { file: disk, backend: new FileBackend(disk) } : disk)),
      }),
      ...(record !== undefined && { record: typeof record === 'string' ? openRecordFile(record) : record }),
    });
  }
}

/** A machine and its past. */
export class Timeline extends BaseTimeline {
  /**
   * Opens a recording, standing at its beginning. The files of its machine are found by their hashes: where they were, in `images` (folders),
   * among the built guests.
   * @param recording path, its bytes, or where they can be read @throws RecordingError, ImageMissingError
   */
  static async open(
    recording: string | Uint8Array | ByteSource,
    { images = [], ...options }: OpenOptions & { readonly images?: readonly string[] } = {},
  ): Promise<RecordedTimeline> {
    const read = await readRecording(typeof recording === 'string' ? openSource(recording) : recording);
    const files = await findImages(read.header.config, images, new Set(read.images.keys()));
    return PortableTimeline.open(read, files, options);
  }
}

export type { GuestBoot } from '../../guest/cmdline.ts';
export { ExecOutput, StdinEncoder } from '../../guest/exec-stream.ts';
export * from '../../index.ts';
export { FileBackend } from './disk.ts';
export { buildDisk, buildGuest, findDisk, findGuest, GuestBuildError } from './guest/index.ts';
export { openRecordFile } from './record-file.ts';
export { SharedFolder } from './share/share.ts';
export { createHostRoom };
