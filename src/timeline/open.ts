import { type ByteSource, type ReadySource, readyBytes } from '../bytes/source.ts';
import { ConfigError } from '../machine/board/config.ts';
import { type CoreKind, coreFactory } from '../machine/engine/cores.ts';
import type { HostRoom } from '../machine/session/host-room.ts';
import { neededImages, withEmbedded } from '../machine/session/images.ts';
import { type Closeable, Machine, type MachineClass, type RunOptions } from '../machine/session/machine.ts';
import { type Hardware, type ImageFiles, nameImage, rebuildHardware } from '../machine/session/options.ts';
import { Session, type StartSnapshot } from '../machine/session/session.ts';
import { Snapshot } from '../machine/state/snapshot.ts';
import { SnapshotFile } from '../machine/state/snapshot-file.ts';
import { MACHINE_VERSION, RecordingError, type SnapshotStart } from '../record/format.ts';
import { readRecording } from '../record/reader.ts';
import type { Recording } from '../record/recording.ts';
import type { TimelineOptions } from './past.ts';
import { Timeline } from './timeline.ts';

/** What opening a recording may be told. */
export interface OpenOptions extends TimelineOptions {
  /** Default `jit`. */
  readonly core?: CoreKind;
  /** Output of the replayed machine: the port's name and the bytes. Moves back and forth repeat what is replayed. */
  readonly output?: (port: string, bytes: Uint8Array) => void;
  /** Leave the recording's checkpoints aside, so that a move forward executes everything on the way. */
  readonly straight?: boolean;
}

/** Everything the timeline of a recording is made of. */
export interface RecordedParts {
  readonly session: Session;
  readonly recording: Recording;
  readonly hardware: Hardware;
  readonly room: HostRoom;
  readonly options: TimelineOptions;
  /** What was opened for this timeline alone and is closed with it. */
  readonly resources?: readonly Closeable[];
}

/** The timeline of a recording that was opened. */
export class RecordedTimeline extends Timeline {
  readonly recording: Recording;
  protected readonly hardware: Hardware;
  private readonly resources: readonly Closeable[];

  /** Use `open`. */
  constructor({ session, recording, hardware, room, options, resources = [] }: RecordedParts) {
    super(session, room, options);
    this.resources = resources;
    this.recording = recording;
    this.hardware = hardware;
  }

  /** A machine that goes on live from here, see {@link branchMachine}. */
  branch(options: RunOptions = {}): Machine {
    return branchMachine(this, this.hardware, options, this.room);
  }

  /** Closes the files that were opened for it. Machines that {@link branch} gave read from the same disks: close them first. */
  async close(): Promise<void> {
    for (const resource of this.resources) resource.close();
  }

  /** {@link close} by another name. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** A timeline of a recording, and what it was made from. */
export interface OpenedTimeline<T extends RecordedTimeline = RecordedTimeline> {
  readonly timeline: T;
  readonly recording: Recording;
  readonly hardware: Hardware;
}

/**
 * Opens a recording, at its beginning.
 * @param from its bytes, or where they can be read, which must stay open; or what was read of it: a damaged tail is left out (see {@link Recording.damage})
 * @param files the files of the machine, found by the hashes that {@link neededImages} tells
 * @throws RecordingError, ConfigError, LoadError
 */
export function openTimeline(
  from: Uint8Array | ByteSource | Recording,
  files: ImageFiles,
  room: HostRoom,
  options: OpenOptions = {},
): Promise<OpenedTimeline> {
  return openTimelineAs(RecordedTimeline, from, files, room, options);
}

/** {@link openTimeline} for a class made from {@link RecordedTimeline}. */
export async function openTimelineAs<T extends RecordedTimeline>(
  Class: new (parts: RecordedParts) => T,
  from: Uint8Array | ByteSource | Recording,
  files: ImageFiles,
  room: HostRoom,
  options: OpenOptions = {},
  resources: readonly Closeable[] = [],
): Promise<OpenedTimeline<T>> {
  const recording = 'header' in from ? from : await readRecording(from);
  const { machine } = recording.header;
  if (machine !== MACHINE_VERSION) {
    throw new RecordingError(
      `the recording is of machine version ${machine}; this program has version ${MACHINE_VERSION}: use the release it was made with`,
    );
  }
  const { ports, config, start } = recording.header;
  const found = await withEmbedded(recording, files);
  const hardware = await rebuildHardware(config, found, room);
  checkOverlays(recording, hardware);
  const snapshot = start && (await findStart(start, recording, found, room));
  const session = Session.replaying(
    {
      hardware,
      room,
      core: coreFactory(options.core ?? 'jit'),
      sources: { clock: () => room.wallClock(), entropy: (length) => room.entropy(length) },
      output: (port, bytes) => options.output?.(ports[port], bytes),
      ...(snapshot && { start: snapshot }),
    },
    recording,
  );
  const timeline = new Class({ session, recording, hardware, room, options, resources });
  if (options.straight !== true) timeline.checkpoints.add(recording.checkpoints);
  return { timeline, recording, hardware };
}

/** @throws ConfigError unless what lies over the disks is what lay there; of a disk that the recording holds it is part of that */
function checkOverlays({ header: { config, overlays }, images }: Recording, { backends }: Hardware): void {
  const embedded = neededImages({ config }).filter(({ role }) => role === 'disk');
  for (const [i, { overlay }] of backends.entries()) {
    const wanted = overlays?.[i] ?? undefined;
    if (wanted?.id === overlay?.id && wanted?.state === overlay?.state) continue;
    if (
      wanted !== undefined &&
      overlay === undefined &&
      embedded.some(({ hash }) => hash === backends[i]!.hash && images.has(hash))
    )
      continue;
    throw new ConfigError(
      wanted === undefined
        ? `disk ${i} was used without an overlay, ${overlay!.file} lies over this one`
        : `disk ${i} was used with overlay ${wanted.file} as it was after commit ${wanted.sequence}: bring that`,
    );
  }
}

/** The snapshot that a recording starts from. @throws ConfigError when it is missing or another one */
async function findStart(
  name: SnapshotStart,
  recording: Recording,
  { start: file, findSnapshot }: ImageFiles,
  room: HostRoom,
): Promise<StartSnapshot> {
  if (file === undefined)
    throw new ConfigError(`the snapshot ${name.file} is missing: bring the file with SHA-256 ${name.hash}`);
  const { hash } = await nameImage(file, room);
  if (hash !== name.hash)
    throw new ConfigError(
      `the snapshot ${file.file} has SHA-256 ${hash}, expected ${name.hash}: bring the file that the recording starts from`,
    );
  const embedded = new Map<string, Uint8Array>();
  for (const base of new SnapshotFile(file.bytes, file.file).bases) {
    const image = recording.images.get(base);
    if (image !== undefined) embedded.set(base, await image.read(0, image.size));
  }
  const find = (base: string): ReadySource | undefined => {
    const bytes = embedded.get(base);
    return bytes === undefined ? findSnapshot?.(base) : readyBytes(bytes);
  };
  return { name, snapshot: Snapshot.open(file.bytes, file.file, find, hash) };
}

/**
 * A machine of its own that goes on live from where the timeline is. The timeline stays as it is; the machine's recording begins with the same
 * past and names its parent.
 */
export function branchMachine(timeline: Timeline, hardware: Hardware, options: RunOptions, room: HostRoom): Machine {
  return branchMachineAs(Machine, timeline, hardware, options, room);
}

/** {@link branchMachine} for a class made from {@link Machine}. */
export function branchMachineAs<M extends Machine>(
  Class: MachineClass<M>,
  timeline: Timeline,
  hardware: Hardware,
  options: RunOptions,
  room: HostRoom,
): M {
  const { engine, log, events, nextEvent, at } = timeline;
  const { start } = log.header;
  return new Class({
    hardware,
    options: { core: engine.core.kind, ...options },
    room,
    origin: { engine, past: events.slice(0, nextEvent), parent: { id: log.header.id, at }, ...(start && { start }) },
  });
}
