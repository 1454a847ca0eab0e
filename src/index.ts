/** Hindsight as a library, for every JavaScript runtime. */
import { createHostRoom } from './host/room.ts';
import type { ImageFiles } from './machine/options.ts';
import { openTimeline, type OpenOptions, type RecordedTimeline } from './timeline/open.ts';
import { Timeline as BaseTimeline } from './timeline/timeline.ts';
import { Machine as BaseMachine, type MachineOptions } from './machine/machine.ts';

/** A computer. See {@link BaseMachine}. */
export class Machine extends BaseMachine {
  /**
   * Builds a machine on this host and powers it on; nothing is executed yet.
   * @throws ConfigError, LoadError saying what is wrong and what to do
   */
  static override async create(options: MachineOptions): Promise<BaseMachine> {
    return BaseMachine.create(options, createHostRoom());
  }
}

/** A machine and its past. See {@link BaseTimeline}. */
export class Timeline extends BaseTimeline {
  /**
   * Opens a recording, standing at its beginning.
   * @param recording its bytes @param files the files its machine was made from, as far as it does not hold them itself
   * @throws RecordingError, ConfigError naming the file that is missing or not the one that is needed
   */
  static async open(recording: Uint8Array, files: ImageFiles = {}, options: OpenOptions = {}): Promise<RecordedTimeline> {
    return (await openTimeline(recording, files, createHostRoom(), options)).timeline;
  }
}

export { createHostRoom } from './host/room.ts';
export { DivergenceError, formatInstant } from './record/divergence.ts';
export { COMMAND, EVENT, type HostEvent, type Instant } from './record/door.ts';
export { describeEvent, type EventDescription } from './record/describe.ts';
export { readRecording, type Recording, RecordingError, type RecordSink } from './record/format.ts';
export { ConfigError, type MachineConfig } from './machine/config.ts';
export { CORES, type CoreKind } from './machine/cores.ts';
export type { DebugPoint } from './machine/debug-points.ts';
export type { Engine, Halt } from './machine/engine.ts';
export type { HostRoom } from './machine/host-room.ts';
export { LoadError } from './machine/load-error.ts';
export type { MachineEvents, MachineOptions, RunOptions, RunResult, RunUntil } from './machine/machine.ts';
export { type DiskOption, type HardwareOptions, type ImageFiles, type NamedBytes, planHardware, rebuildHardware } from './machine/options.ts';
export { StateError } from './machine/state.ts';
export { imagesOf, type NeededImage, neededImages } from './machine/images.ts';
export { branchMachine, openTimeline, type OpenedTimeline, type OpenOptions, RecordedTimeline } from './timeline/open.ts';
export { type LiveOptions, LivePast } from './timeline/live.ts';
export { type Destination, type Hit, type MoveOptions, type MoveResult, type SearchFor, type TimelineOptions } from './timeline/timeline.ts';
export { type BlockBackend, BlankBackend, ChunkedBackend, type ChunkSource, MemoryBackend } from './storage/index.ts';
