/** Hindsight as a library, for every JavaScript runtime. */
import type { ByteSource } from './bytes/source.ts';
import { createHostRoom } from './host/room.ts';
import {
  Machine as BaseMachine,
  createMachine,
  type MachineOptions,
  type RunOptions,
} from './machine/session/machine.ts';
import type { ImageFiles } from './machine/session/options.ts';
import type { Recording } from './record/recording.ts';
import { branchMachineAs, type OpenOptions, openTimelineAs, RecordedTimeline } from './timeline/open.ts';

/** A computer. See {@link BaseMachine}. */
export class Machine extends BaseMachine {
  /**
   * Builds a machine on this host and powers it on; nothing is executed yet.
   * @throws ConfigError, LoadError saying what is wrong and what to do
   */
  static override create(options: MachineOptions): Promise<Machine> {
    return createMachine(Machine, options, createHostRoom());
  }
}

/** A machine and its past. See {@link RecordedTimeline}. */
export class Timeline extends RecordedTimeline {
  /**
   * Opens a recording, at its beginning.
   * @param recording its bytes, or where they can be read piece by piece: a {@link BlobSource}, an {@link HttpSource}
   * @param files the files its machine was made from, as far as it does not hold them itself
   * @throws RecordingError, ConfigError naming the file that is missing or not the one that is needed
   */
  static async open(
    recording: Uint8Array | ByteSource | Recording,
    files: ImageFiles = {},
    options: OpenOptions = {},
  ): Promise<Timeline> {
    return (await openTimelineAs(Timeline, recording, files, createHostRoom(), options)).timeline;
  }

  /** A machine of its own that goes on live from here; the timeline stays as it is. */
  override branch(options: RunOptions = {}): Machine {
    return branchMachineAs(Machine, this, this.hardware, options, this.room);
  }
}

export { type ByteSource, MemorySource } from './bytes/source.ts';
export { StateError } from './bytes/state-stream.ts';
export type { StackFrame } from './debug/backtrace.ts';
export { GuestInfo } from './debug/guest-info.ts';
export { type AccessOrigin, type OriginQuestion, Origins } from './debug/origin.ts';
export { type ValueChange, type WhenOptions, whenChanged } from './debug/when.ts';
export { type WhyOptions, type WhyStep, type WhyTarget, why } from './debug/why.ts';
export { FsError } from './fs/errno.ts';
export type { FileSystem } from './fs/file-system.ts';
export { MemoryFs } from './fs/memory-fs.ts';
export { type HistoryOptions, readHistory } from './history/read.ts';
export { HistoryDatabase, QueryError, type QueryResult } from './history/sql.ts';
export type { HistoryRow, HistoryTable } from './history/table.ts';
export { TABLES as HISTORY_TABLES } from './history/tables/index.ts';
export { Tracer, type Who } from './history/tracer.ts';
export { createHostRoom } from './host/room.ts';
export { type AttachedShare, attachShare } from './host/share.ts';
export { BlobSource, HttpSource } from './host/sources.ts';
export type { Task } from './linux/tasks.ts';
export { ConfigError, type MachineConfig } from './machine/board/config.ts';
export { LoadError } from './machine/boot/load-error.ts';
export { CORES, type CoreKind } from './machine/engine/cores.ts';
export type { Engine } from './machine/engine/engine.ts';
export type { Halt } from './machine/engine/progress.ts';
export type { ExpectOptions } from './machine/session/console.ts';
export type { RunResult, RunUntil } from './machine/session/driver.ts';
export { SessionBusyError, SessionStateError } from './machine/session/errors.ts';
export { ExpectError, type ExpectResult } from './machine/session/expectation.ts';
export type { HostRoom } from './machine/session/host-room.ts';
export { imagesOf, type NeededImage, neededImages } from './machine/session/images.ts';
export type { MachineEvents, MachineOptions, RunOptions } from './machine/session/machine.ts';
export {
  type DiskOption,
  type HardwareOptions,
  type ImageFiles,
  type NamedBytes,
  planHardware,
  rebuildHardware,
} from './machine/session/options.ts';
export { EngineView } from './machine/view/engine-view.ts';
export { CSR, F, type MachineView, PC, PRV, type RegisterId, X } from './machine/view/machine-view.ts';
export type { Link } from './net/link.ts';
export { NetworkOptionError } from './net/policy.ts';
export { Switch } from './net/switch.ts';
export { jsonOutput, type Output, textOutput } from './probe/output.ts';
export { type ProbeOptions, type ProbeResult, runProbes } from './probe/run.ts';
export { describeEvent, type EventDescription } from './record/describe.ts';
export { DivergenceError, formatInstant } from './record/divergence.ts';
export { COMMAND, EVENT, type HostEvent, type Instant } from './record/door.ts';
export { RecordingError, type RecordSink } from './record/format.ts';
export { InputOverflowError } from './record/live-door.ts';
export { readRecording } from './record/reader.ts';
export type { EmbeddedImage, Recording, StoredCheckpoint } from './record/recording.ts';
export type { CommandExit, GuestCommand } from './sandbox/command.ts';
export { CommandTimeoutError, GuestError, SessionEndedError } from './sandbox/errors.ts';
export type { FileInfo, FileKind, GuestFiles } from './sandbox/files.ts';
export type { CommandOptions, ExecOptions, ExecResult } from './sandbox/guest-session.ts';
export { Sandbox } from './sandbox/sandbox.ts';
export {
  BlankBackend,
  type BlockBackend,
  type CacheOptions,
  type CacheStatistics,
  ChunkedBackend,
  type ChunkSource,
  type DiskOverlay,
  MemoryBackend,
  OverlaidBackend,
  OverlayError,
} from './storage/index.ts';
export type { Breakpoint, BreakpointKind, Hit, SearchFor } from './timeline/breakpoints.ts';
export type { MoveOptions } from './timeline/driver.ts';
export { type JointMember, type JointOptions, JointReplay, JointReplayError } from './timeline/joint-replay.ts';
export { type LiveOptions, LivePast } from './timeline/live.ts';
export type { Destination, MoveResult, SearchOptions } from './timeline/mover.ts';
export {
  branchMachine,
  type OpenedTimeline,
  type OpenOptions,
  openTimeline,
  RecordedTimeline,
} from './timeline/open.ts';
export type { TimelineOptions } from './timeline/past.ts';
export type { StepOptions } from './timeline/steps.ts';
export type { GuestTime } from './timeline/timeline.ts';
