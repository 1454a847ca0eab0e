/** Hindsight as a library, for every JavaScript runtime. */
import { createHostRoom } from './host/room.ts';
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

export { createHostRoom } from './host/room.ts';
export { DivergenceError, formatInstant } from './record/divergence.ts';
export { COMMAND, EVENT, type HostEvent, type Instant } from './record/door.ts';
export { describeEvent, type EventDescription } from './record/describe.ts';
export { readRecording, type Recording, RecordingError, type RecordSink } from './record/format.ts';
export { ConfigError, type MachineConfig } from './machine/config.ts';
export { CORES, type CoreKind } from './machine/cores.ts';
export type { DebugPoint, Engine, Halt } from './machine/engine.ts';
export type { HostRoom } from './machine/host-room.ts';
export { LoadError } from './machine/load-error.ts';
export type { MachineEvents, MachineOptions, RunOptions, RunResult, RunUntil } from './machine/machine.ts';
export { type DiskOption, type HardwareOptions, type ImageFiles, type NamedBytes, planHardware, rebuildHardware } from './machine/options.ts';
export { StateError } from './machine/state.ts';
export { branchMachine, neededImages, openTimeline, type OpenedTimeline, type OpenOptions } from './timeline/open.ts';
export { LivePast } from './timeline/live.ts';
export { type Destination, type Hit, type MoveOptions, type MoveResult, type SearchFor, Timeline, type TimelineOptions } from './timeline/timeline.ts';
export { type BlockBackend, BlankBackend, ChunkedBackend, type ChunkSource, MemoryBackend } from './storage/index.ts';
