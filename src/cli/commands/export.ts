import { closeSync, openSync, writeSync } from 'node:fs';
import { pcapngHeader, pcapngInterface, pcapngPacket } from '../../net/pcapng.ts';
import { formatInstant } from '../../record/divergence.ts';
import { compareInstants, EVENT, type HostEvent, type Instant, QUESTION } from '../../record/door.ts';
import type { Timeline } from '../../timeline/timeline.ts';
import { CliError, EXIT, UsageError } from '../exit.ts';
import { explained, openRecording, parseDestination, type RecordingFlags } from '../recordings.ts';
import { VERSION } from '../version.ts';
import { exportPerfetto } from './export-perfetto.ts';

/** Flags of `hindsight export`. */
export interface ExportFlags extends RecordingFlags {
  readonly pcapng?: string;
  readonly perfetto?: string;
  readonly from?: string;
  readonly until?: string;
  readonly quiet?: boolean;
}

/** A frame that passed a network device. */
interface Passed {
  readonly port: string;
  readonly at: Instant;
  /** Guest time in ticks. */
  readonly time: number;
  readonly direction: 'in' | 'out';
  readonly frame: Uint8Array;
}

/** Nanoseconds since 1970 at guest time 0, by the first answer that a clock of the guest's got; 0 when there was none. */
function epochOf(events: readonly HostEvent[]): bigint {
  const asked = events.find(({ kind, payload }) => kind === EVENT.ANSWER && payload[0] === QUESTION.clock);
  if (asked === undefined) return 0n;
  return new DataView(asked.payload.buffer, asked.payload.byteOffset).getBigUint64(1, true) - BigInt(asked.time);
}

/**
 * What passed between two places: what the guest sent is computed again, what came to it is in the recording.
 * @param frames gets what the guest sends while the timeline moves
 */
async function passedBetween(
  timeline: Timeline,
  ports: ReadonlyMap<number, string>,
  { from, until }: ExportFlags,
  frames: Passed[],
): Promise<Passed[]> {
  const signal = {};
  await explained(
    timeline,
    timeline.seek(from === undefined ? timeline.begin : parseDestination('--from', from), signal),
  );
  frames.length = 0;
  const start = timeline.at;
  const goal = until === undefined ? timeline.end : parseDestination('--until', until);
  await explained(timeline, timeline.seek(goal, signal));
  const end = timeline.at;
  const came = timeline.events
    .filter(({ kind, port }) => kind === EVENT.INPUT && ports.has(port))
    .filter(({ at }) => compareInstants(at, start) >= 0 && compareInstants(at, end) < 0)
    .map(
      ({ at, time, port, payload }): Passed => ({ port: ports.get(port)!, at, time, direction: 'in', frame: payload }),
    );
  // At one time a frame that leaves comes first: it left during the last instruction, after which others entered.
  return [...frames, ...came].sort((a, b) => a.time - b.time);
}

/** `hindsight export`: writes what a recording holds in other programs' formats. */
export async function exportRecording(file: string, flags: ExportFlags): Promise<number> {
  const target = flags.pcapng;
  if (flags.perfetto !== undefined) {
    if (target !== undefined) throw new UsageError('--pcapng and --perfetto: expected one of them');
    return exportPerfetto(file, flags.perfetto, flags);
  }
  if (target === undefined)
    throw new UsageError(
      'export what? add --pcapng FILE for the frames of its network devices, or --perfetto FILE for what happened',
    );
  const frames: Passed[] = [];
  const { timeline, recording } = await openRecording(file, flags, {
    // Goes forward only: what checkpoints there are come with the file.
    spacing: Infinity,
    output: (port, frame) => {
      if (!names.has(port)) return;
      const { instant: at, time } = timeline.engine;
      frames.push({ port, at, time, direction: 'out', frame });
    },
  });
  const ports = new Map<number, string>();
  for (const [id, { name, device }] of timeline.engine.board.slots.entries())
    if (device.kind === 'virtio-net') ports.set(id, name);
  const names = new Set(ports.values());
  if (ports.size === 0)
    throw new CliError(`${file}: the recorded machine has no network device; record one with hindsight run --net user`);
  const passed = await passedBetween(timeline, ports, flags, frames);
  const epoch = epochOf(recording.events);
  const output = target === '-' ? 1 : openSync(target, 'w');
  const write = (bytes: Uint8Array): void => {
    for (let at = 0; at < bytes.length; ) at += writeSync(output, bytes, at);
  };
  write(pcapngHeader(`hindsight ${VERSION}`));
  for (const name of names) write(pcapngInterface(name));
  for (const { port, at, time, direction, frame } of passed) {
    const index = [...names].indexOf(port);
    const comment = formatInstant(at);
    write(pcapngPacket({ interface: index, time: epoch + BigInt(time), direction, frame, comment }));
  }
  if (output !== 1) closeSync(output);
  if (flags.quiet !== true) process.stderr.write(`hindsight: ${passed.length} frames\n`);
  return EXIT.OK;
}
