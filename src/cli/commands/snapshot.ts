import { openSnapshotOf, SnapshotStore, saveSnapshot } from '../../host/node/snapshots/index.ts';
import { neededImages } from '../../machine/session/images.ts';
import { formatInstant } from '../../record/divergence.ts';
import { EXIT, UsageError } from '../exit.ts';
import { explained, openRecording, parseDestination, type RecordingFlags } from '../recordings.ts';
import { formatBytes } from '../values.ts';
import { tellMachine } from './info.ts';

/** Flags of `hindsight snapshot save`. */
export interface SnapshotSaveFlags extends RecordingFlags {
  readonly quiet?: boolean;
}

interface JsonFlag {
  readonly json?: boolean;
}

const NANOSECONDS = 1e9;
const out = (line: string): void => void process.stdout.write(`${line}\n`);

/** `hindsight snapshot save`: keeps the machine of a recording as it was at an instant. */
export async function snapshotSave(source: string, target: string, flags: SnapshotSaveFlags): Promise<number> {
  const match = /^(.+)@([^@]+)$/s.exec(source);
  if (match === null)
    throw new UsageError(
      `"${source}" names no instant of a recording: expected RECORDING@INSTANT, such as boot.hsr@50% or boot.hsr@2.5s`,
    );
  const at = parseDestination('the instant', match[2]);
  const { timeline } = await openRecording(match[1], flags);
  await explained(timeline, timeline.seek(at));
  const size = await saveSnapshot(timeline.engine, target);
  if (!flags.quiet)
    process.stderr.write(
      `hindsight: saved ${target} (${formatBytes(size)}) at ${formatInstant(timeline.at)}; hindsight run --from ${target} goes on from there\n`,
    );
  return EXIT.OK;
}

/** `hindsight snapshot list`. */
export async function snapshotList({ json }: JsonFlag): Promise<number> {
  const store = new SnapshotStore();
  const all = await store.list();
  if (json) out(JSON.stringify(all));
  else if (all.length === 0) process.stderr.write('hindsight: no snapshot is saved yet\n');
  else
    for (const { name, size, saved, bases } of all) {
      const shared = bases.length > 0 ? `, pages shared with ${bases.length} more` : '';
      out(`${name.padEnd(24)} ${formatBytes(size).padStart(10)}  ${saved.slice(0, 16).replace('T', ' ')}${shared}`);
    }
  return EXIT.OK;
}

/** `hindsight snapshot info`. */
export async function snapshotInfo(nameOrFile: string, { json }: JsonFlag): Promise<number> {
  const { name, snapshot } = await openSnapshotOf(nameOrFile);
  const { config, at, time, machine } = snapshot;
  const files = snapshot.files.map(({ source }, i) => ({
    hash: i === 0 ? name.hash : snapshot.files[0].bases[i - 1],
    bytes: source.size,
  }));
  if (json) {
    const images = neededImages({ config });
    out(
      JSON.stringify({ file: name.file, hash: name.hash, instant: formatInstant(at), machine, config, images, files }),
    );
    return EXIT.OK;
  }
  out(`${'snapshot'.padEnd(14)}${name.file}`);
  out(`${'at'.padEnd(14)}${formatInstant(at)}, ${(time / NANOSECONDS).toFixed(2)} s of guest time`);
  for (const [i, { hash, bytes }] of files.entries())
    out(`${(i === 0 ? 'its file' : 'shares with').padEnd(14)}${formatBytes(bytes)}, SHA-256 ${hash}`);
  tellMachine({ config }, new Set());
  return EXIT.OK;
}

/** `hindsight snapshot rm`. */
export async function snapshotRemove(names: readonly string[]): Promise<number> {
  const store = new SnapshotStore();
  for (const name of names) await store.remove(name);
  return EXIT.OK;
}
