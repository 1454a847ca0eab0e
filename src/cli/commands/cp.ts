import { statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { FILE_TYPE, TYPE_MASK } from '../../fs/file-system.ts';
import { findPath } from '../../fs/walk.ts';
import { type CopyCount, contents, copyOut, reasonOf } from '../../host/node/copy-out.ts';
import { formatInstant } from '../../record/divergence.ts';
import { CliError, UsageError } from '../exit.ts';
import { explained, openRecording, parseDestination, type RecordingFlags } from '../recordings.ts';
import { INITRAMFS, openVolume, rootVolume } from '../volumes.ts';
import { copyFrom, copyIn, parseLive } from './cp-live.ts';

/** Flags of `hindsight cp`. */
export interface CpFlags extends RecordingFlags {
  readonly quiet?: boolean;
}

/** Where in a recording a file is. */
interface Source {
  readonly recording: string;
  readonly at: string;
  /** `vda`, `vdb`, … or `initramfs`; left out: what the guest's root was. */
  readonly volume?: string;
  readonly path: string;
}

const SOURCE = /^(.+?)@([^/]+?):(?:(vd[a-z]|initramfs):)?(\/.*)$/s;

function parseSource(text: string): Source {
  const match = SOURCE.exec(text);
  if (match === null)
    throw new UsageError(
      `"${text}" names no file of the past: expected RECORDING@INSTANT:/PATH or RECORDING@INSTANT:vda:/PATH, such as boot.hsr@50%:/etc/passwd, or NAME:/PATH of a machine that runs`,
    );
  const [, recording, at, volume, path] = match;
  return { recording, at, path, ...(volume !== undefined && { volume }) };
}

/** Copies to or from a machine that runs, if one is named. */
async function copyLive(from: string, to: string): Promise<{ readonly note: string | undefined } | undefined> {
  const [source, target] = [parseLive(from), parseLive(to)];
  if (source !== undefined && target !== undefined)
    throw new UsageError('one of the two must be on this host: copy it out first, then in');
  if (target !== undefined) return { note: await copyIn(from, target) };
  return source && { note: await copyFrom(source, to) };
}

/** `hindsight cp`: copies files out of a recording as they were at an instant, or to and from a machine that runs. */
export async function cp(from: string, to: string, flags: CpFlags): Promise<number> {
  const live = await copyLive(from, to);
  if (live !== undefined) {
    if (live.note !== undefined && flags.quiet !== true) process.stderr.write(`hindsight: ${live.note}\n`);
    return 0;
  }
  const source = parseSource(from);
  const at = parseDestination('the instant', source.at);
  const { timeline, hardware } = await openRecording(source.recording, flags);
  await explained(timeline, timeline.seek(at));
  const volume = source.volume ?? rootVolume(timeline.engine);
  const note = (text: string): void => {
    if (flags.quiet !== true) process.stderr.write(`hindsight: ${text}\n`);
  };
  if (volume === INITRAMFS)
    note(
      'from the initramfs as it was packed; what the guest changed in it later lies in its memory and is not copied',
    );
  const count: CopyCount = { files: 0, bytes: 0, skipped: 0 };
  try {
    const fs = await openVolume(volume, timeline.engine, hardware);
    const node = await findPath(fs, source.path);
    if (to === '-') {
      if (((await fs.attributes(node)).mode & TYPE_MASK) !== FILE_TYPE.file)
        throw new CliError(`${source.path} is no regular file; name a folder to copy it to instead of -`);
      for await (const piece of contents(fs, node)) process.stdout.write(piece);
      return 0;
    }
    const folder = statSync(to, { throwIfNoEntry: false })?.isDirectory() ?? false;
    const target = folder ? join(to, basename(source.path) || volume) : to;
    await copyOut(fs, node, Buffer.from(target), count);
  } catch (error) {
    if ((error as Error).name !== 'FsError' && (error as Error).name !== 'Ext4Error') throw error;
    throw new CliError(`${volume}:${source.path} at ${formatInstant(timeline.at)}: ${reasonOf(error)}`);
  }
  const skipped = count.skipped > 0 ? `; ${count.skipped} device nodes, pipes or sockets left out` : '';
  note(`${count.files} files, ${count.bytes} bytes, as of ${formatInstant(timeline.at)}${skipped}`);
  return 0;
}
