import { openSource } from '../../host/node/file-source.ts';
import type { MachineConfig } from '../../machine/board/config.ts';
import { neededImages } from '../../machine/session/images.ts';
import { SnapshotFile } from '../../machine/state/snapshot-file.ts';
import { describeEvent } from '../../record/describe.ts';
import { formatInstant } from '../../record/divergence.ts';
import type { RecordingHeader } from '../../record/format.ts';
import type { Recording } from '../../record/recording.ts';
import { EXIT } from '../exit.ts';
import { loadRecording } from '../recordings.ts';
import { formatBytes, formatCount } from '../values.ts';

/** Flags of `hindsight info`. */
export interface InfoFlags {
  readonly events?: boolean;
  readonly json?: boolean;
}

/** What a snapshot begins with, see src/machine/state/save.ts. */
const SAVED = 'HSSTATE';

const out = (line: string): void => void process.stdout.write(`${line}\n`);
const row = (what: string, value: string): void => out(`${what.padEnd(14)}${value}`);

/** `hindsight info`: what a recording or a snapshot holds; with `--events` every input. JSON is one line, or a line an event. */
export async function info(file: string, flags: InfoFlags): Promise<number> {
  const source = openSource(file);
  const { size } = source;
  const head = await source.read(0, Math.min(SAVED.length, size));
  if (Buffer.from(head).toString('latin1') === SAVED) {
    const { config, at } = new SnapshotFile(await source.read(0, size), file);
    if (flags.json)
      out(
        JSON.stringify({
          file,
          bytes: size,
          saved: true,
          instant: formatInstant(at),
          machine: machineOf(config),
          images: neededImages({ config }),
        }),
      );
    else {
      row('snapshot', `${file}, ${formatBytes(size)}, at ${formatInstant(at)}`);
      tellMachine({ config }, new Set());
    }
    return EXIT.OK;
  }
  const recording = await loadRecording(file, source);
  if (flags.events) tellEvents(recording, flags.json ?? false);
  else tellRecording(file, size, recording, flags.json ?? false);
  return EXIT.OK;
}

const machineOf = (
  config: MachineConfig,
): { memory: number; harts: number; isa: string; append: string; rotation: MachineConfig['rotation'] } => ({
  memory: config.memory,
  harts: config.harts,
  isa: config.isa.join(' '),
  append: config.append,
  rotation: config.rotation,
});

function tellEvents({ events, header }: Recording, json: boolean): void {
  for (const event of events) {
    const told = describeEvent(event, header);
    out(
      json
        ? JSON.stringify(told)
        : `${told.instant.padStart(16)}  ${told.time.toFixed(6).padStart(12)} s  ${told.port.padEnd(10)} ${told.kind.padEnd(8)} ${told.text}`,
    );
  }
}

function tellRecording(file: string, bytes: number, recording: Recording, json: boolean): void {
  const { header, end, endTime, events, hashes, marks, checkpoints, images, sizes, complete, damage } = recording;
  const { id, parent, config } = header;
  if (json) {
    out(
      JSON.stringify({
        file,
        bytes,
        id,
        ...(parent && { parent }),
        complete,
        ...(damage !== undefined && { damage }),
        end: formatInstant(end),
        guestSeconds: endTime / 1e9,
        events: events.length,
        hashes: hashes.length,
        checkpoints: checkpoints.length,
        embedded: [...images.keys()],
        marks: marks.map(({ at, time, note }) => ({
          instant: formatInstant(at),
          guestSeconds: time / 1e9,
          note,
        })),
        sizes,
        machine: machineOf(config),
        images: neededImages(header),
      }),
    );
    return;
  }
  row('recording', `${file}, ${formatBytes(bytes)}, ${complete ? 'complete' : 'broken off'}`);
  row('id', id + (parent ? `, branched from ${parent.id} at ${formatInstant(parent.at)}` : ''));
  tellMachine(header, new Set(images.keys()));
  row('length', `${formatCount(end.instructions)} instructions, ${(endTime / 1e9).toFixed(2)} s of guest time`);
  row('events', `${events.length}`);
  row('state hashes', `${hashes.length}`);
  row('checkpoints', checkpoints.length === 0 ? '0' : `${checkpoints.length}, ${formatBytes(sizes.checkpoint ?? 0)}`);
  for (const { at, note } of marks) row('mark', `${formatInstant(at)}  ${note}`);
}

export function tellMachine(
  header: Pick<RecordingHeader, 'config' | 'start' | 'overlays'>,
  inside: ReadonlySet<string>,
): void {
  const { memory, harts, rotation } = header.config;
  row(
    'machine',
    `${formatBytes(memory)} RAM, ${harts} hart${harts > 1 ? 's' : ''}${rotation.chaos ? `, chaos ${rotation.seed}` : ''}`,
  );
  for (const image of neededImages(header))
    row(
      image.role,
      `${image.file}, ${formatBytes(image.size)}, ${inside.has(image.hash) ? 'inside, ' : ''}SHA-256 ${image.hash}${image.overlay ? `, with overlay ${image.overlay.file} after commit ${image.overlay.sequence}` : ''}`,
    );
}
