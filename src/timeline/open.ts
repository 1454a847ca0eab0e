import type { ByteSource } from '../bytes/source.ts';
import { type CoreKind, coreFactory } from '../machine/engine/cores.ts';
import { Engine } from '../machine/engine/engine.ts';
import type { HostRoom } from '../machine/session/host-room.ts';
import { withEmbedded } from '../machine/session/images.ts';
import { Machine, type RunOptions } from '../machine/session/machine.ts';
import { type Hardware, type ImageFiles, rebuildHardware } from '../machine/session/options.ts';
import { MACHINE_VERSION, RecordingError } from '../record/format.ts';
import { readRecording } from '../record/reader.ts';
import type { Recording } from '../record/recording.ts';
import { ReplayDoor } from '../record/replay-door.ts';
import { copyState } from './copy.ts';
import type { TimelineOptions } from './past.ts';
import { Timeline } from './timeline.ts';

/** What opening a recording may be told. */
export interface OpenOptions extends TimelineOptions {
  /** Default `jit`. */
  readonly core?: CoreKind;
  /** Output of the replayed machine: the port's name and the bytes. Moves back and forth repeat what is replayed. */
  readonly output?: (port: string, bytes: Uint8Array) => void;
}

/** The timeline of a recording that was opened. */
export class RecordedTimeline extends Timeline {
  readonly recording: Recording;
  private readonly hardware: Hardware;

  constructor(engine: Engine, recording: Recording, hardware: Hardware, room: HostRoom, options: TimelineOptions) {
    super(engine, recording, room, options);
    this.recording = recording;
    this.hardware = hardware;
  }

  /** A machine that goes on live from here, see {@link branchMachine}. */
  branch(options: RunOptions = {}): Machine {
    return branchMachine(this, this.hardware, options, this.room);
  }
}

/** A timeline of a recording, and what it was made from. */
export interface OpenedTimeline {
  readonly timeline: RecordedTimeline;
  readonly recording: Recording;
  readonly hardware: Hardware;
}

/**
 * Opens a recording, standing at its beginning.
 * @param from its bytes, or where they can be read, which must stay open; or what was read of it: a damaged tail is left out (see {@link Recording.damage})
 * @param files the files of the machine, found by the hashes that {@link neededImages} tells
 * @throws RecordingError, ConfigError, LoadError
 */
export async function openTimeline(
  from: Uint8Array | ByteSource | Recording,
  files: ImageFiles,
  room: HostRoom,
  options: OpenOptions = {},
): Promise<OpenedTimeline> {
  const recording = 'header' in from ? from : await readRecording(from);
  const { machine } = recording.header;
  if (machine !== MACHINE_VERSION) {
    throw new RecordingError(
      `the recording is of machine version ${machine}; this program has version ${MACHINE_VERSION}: use the release it was made with`,
    );
  }
  const hardware = await rebuildHardware(recording.header.config, await withEmbedded(recording, files), room);
  const { ports } = recording.header;
  const engine = new Engine({
    ...hardware,
    door: new ReplayDoor(recording.events),
    core: coreFactory(options.core ?? 'jit'),
    output: (port, bytes) => options.output?.(ports[port], bytes),
  });
  const timeline = new RecordedTimeline(engine, recording, hardware, room, options);
  timeline.checkpoints.add(recording.checkpoints);
  return { timeline, recording, hardware };
}

/**
 * A machine of its own that goes on live from where the timeline stands. The timeline stays as it is; the machine's recording begins with the same
 * past and names its parent.
 */
export function branchMachine(timeline: Timeline, hardware: Hardware, options: RunOptions, room: HostRoom): Machine {
  const past = timeline.events.slice(0, timeline.nextEvent);
  const engine = new Engine({
    ...hardware,
    door: new ReplayDoor([]),
    core: coreFactory(options.core ?? timeline.engine.core.kind),
    output: () => undefined,
  });
  copyState(timeline.engine, engine);
  const parent = { id: timeline.log.header.id, at: timeline.at };
  return new Machine(hardware, { ...options, parent }, room, { engine, past });
}
