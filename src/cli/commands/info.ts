import { describeEvent } from '../../record/describe.ts';
import { formatInstant } from '../../record/divergence.ts';
import { neededImages } from '../../machine/images.ts';
import { EXIT } from '../exit.ts';
import { loadRecording } from '../recordings.ts';
import { formatBytes, formatCount } from '../values.ts';

/** Flags of `hindsight info`. */
export interface InfoFlags {
  readonly events?: boolean;
  readonly json?: boolean;
}

/** `hindsight info`: what a recording holds; with `--events` every input. JSON is one line, or a line an event. */
export async function info(file: string, flags: InfoFlags): Promise<number> {
  const { bytes, recording } = await loadRecording(file);
  const { header } = recording;
  const out = (line: string): void => void process.stdout.write(`${line}\n`);
  if (flags.events) {
    for (const event of recording.events) {
      const told = describeEvent(event, header);
      out(flags.json ? JSON.stringify(told) : `${told.instant.padStart(16)}  ${told.time.toFixed(6).padStart(12)} s  ${told.port.padEnd(10)} ${told.kind.padEnd(8)} ${told.text}`);
    }
    return EXIT.OK;
  }
  const images = neededImages(header.config);
  const summary = {
    file, bytes: bytes.length, id: header.id, ...(header.parent && { parent: header.parent }), complete: recording.complete,
    ...(recording.damage !== undefined && { damage: recording.damage }), end: formatInstant(recording.end), guestSeconds: recording.endTime / 1e9,
    events: recording.events.length, hashes: recording.hashes.length, embedded: [...recording.images.keys()], sizes: recording.sizes,
    machine: { memory: header.config.memory, harts: header.config.harts, isa: header.config.isa.join(' '), append: header.config.append }, images,
  };
  if (flags.json) {
    out(JSON.stringify(summary));
    return EXIT.OK;
  }
  const row = (what: string, value: string): void => out(`${what.padEnd(14)}${value}`);
  row('recording', `${file}, ${formatBytes(bytes.length)}, ${recording.complete ? 'complete' : 'broken off'}`);
  row('id', header.id + (header.parent ? `, branched from ${header.parent.id} at ${formatInstant(header.parent.at)}` : ''));
  row('machine', `${formatBytes(header.config.memory)} RAM, ${header.config.harts} hart${header.config.harts > 1 ? 's' : ''}`);
  row('length', `${formatCount(recording.end.instructions)} instructions, ${(recording.endTime / 1e9).toFixed(2)} s of guest time`);
  row('events', `${recording.events.length}`);
  row('state hashes', `${recording.hashes.length}`);
  for (const image of images) row(image.role, `${image.file}, ${formatBytes(image.size)}, SHA-256 ${image.hash}`);
  return EXIT.OK;
}
