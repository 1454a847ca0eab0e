import { ControlClient } from '../../host/node/control.ts';
import { reasonOf } from '../../host/node/copy-out.ts';
import { formatInstant } from '../../record/divergence.ts';
import { CliError, UsageError } from '../exit.ts';
import { explained, openRecording, parseDestination, type RecordingFlags } from '../recordings.ts';
import { INITRAMFS, openVolume, rootVolume } from '../volumes.ts';
import { copyFromKept, keptState } from './cp-kept.ts';
import { copyFrom, copyIn, parseMachine } from './cp-live.ts';
import { copyFromVolume, isFsFailure } from './cp-volume.ts';

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
      `"${text}" names no file of the past: expected RECORDING@INSTANT:/PATH or RECORDING@INSTANT:vda:/PATH, such as boot.hsr@50%:/etc/passwd, or NAME:/PATH of a machine`,
    );
  const [, recording, at, volume, path] = match;
  return { recording, at, path, ...(volume !== undefined && { volume }) };
}

/** Copies to or from a machine that runs or is kept by its name, if one is named. */
async function copyOfMachine(from: string, to: string): Promise<{ readonly note: string | undefined } | undefined> {
  const [source, target] = [parseMachine(from), parseMachine(to)];
  if (source !== undefined && target !== undefined)
    throw new UsageError('one of the two must be on this host: copy it out first, then in');
  const machine = (source ?? target)?.machine;
  if (machine === undefined) return undefined;
  const kept = (await ControlClient.reaches(machine)) ? undefined : await keptState(machine);
  if (kept !== undefined && target !== undefined)
    throw new CliError(
      `machine ${machine} is ${kept}, and nothing can be copied into it: go on with hindsight run --name ${machine}; a folder for both is --share`,
    );
  if (target !== undefined) return { note: await copyIn(from, target) };
  return { note: await (kept === undefined ? copyFrom(source!, to) : copyFromKept(source!, to)) };
}

/** `hindsight cp`: copies files out of a recording as they were at an instant, or to and from a machine that runs. */
export async function cp(from: string, to: string, flags: CpFlags): Promise<number> {
  const note = (text: string | undefined): void => {
    if (text !== undefined && flags.quiet !== true) process.stderr.write(`hindsight: ${text}\n`);
  };
  const machine = await copyOfMachine(from, to);
  if (machine !== undefined) {
    note(machine.note);
    return 0;
  }
  const source = parseSource(from);
  const at = parseDestination('the instant', source.at);
  const { timeline, hardware } = await openRecording(source.recording, flags);
  await explained(timeline, timeline.seek(at));
  const volume = source.volume ?? rootVolume(timeline);
  if (volume === INITRAMFS)
    note(
      'from the initramfs as it was packed; what the guest changed in it later lies in its memory and is not copied',
    );
  const of = `as of ${formatInstant(timeline.at)}`;
  const fs = await openVolume(volume, timeline.engine, hardware).catch((error: Error) => {
    throw isFsFailure(error) ? new CliError(`${volume}:${source.path} ${of}: ${reasonOf(error)}`) : error;
  });
  note(await copyFromVolume(fs, { volume, path: source.path, of }, to));
  return 0;
}
