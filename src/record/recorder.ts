import type { MachineConfig } from '../machine/board/config.ts';
import { compareInstants, type HostEvent, type Instant } from './door.ts';
import {
  FORMAT_VERSION,
  type HashMark,
  MACHINE_VERSION,
  type NotedInstant,
  type RecordingHeader,
  type RecordSink,
  type TurnMark,
} from './format.ts';
import { type PackedCheckpoint, RecordingWriter } from './writer.ts';

/** A recording as it lies in memory, growing while the machine runs. */
export interface EventLog {
  readonly header: RecordingHeader;
  readonly events: readonly HostEvent[];
  readonly hashes: readonly HashMark[];
  readonly marks: readonly NotedInstant[];
  readonly turns: readonly TurnMark[];
  readonly end: Instant;
  readonly endTime: number;
}

/** Keeps what enters a machine: in memory, and in a file if there is one. */
export class Recorder implements EventLog {
  readonly header: RecordingHeader;
  readonly events: HostEvent[];
  readonly hashes: HashMark[] = [];
  marks: readonly NotedInstant[];
  readonly turns: TurnMark[] = [];
  end: Instant;
  endTime: number;
  private readonly writer: RecordingWriter | undefined;
  /** Events are written and then forgotten: {@link events} stays as it began. */
  readonly forgets: boolean;
  private flushedAt = -1;
  private waiting = false;

  /** @param past events before the machine's present, for one that is not at its beginning */
  constructor(header: RecordingHeader, sink?: RecordSink, past: readonly HostEvent[] = [], forgets = false) {
    this.header = header;
    this.forgets = forgets;
    this.marks = header.marks ?? [];
    this.end = header.start?.at ?? { instructions: 0, sequence: 0 };
    this.endTime = header.start?.time ?? 0;
    this.events = [...past];
    this.writer = sink && new RecordingWriter(sink, header);
    for (const event of past) {
      this.writer?.event(event);
      this.end = event.at;
      this.endTime = event.time;
    }
    this.writer?.flush();
  }

  /** The listener of a live door. */
  readonly keep = (event: HostEvent): void => {
    if (!this.forgets) this.events.push(event);
    this.writer?.event(event);
    this.waiting = true;
    this.end = event.at;
    this.endTime = event.time;
  };

  /** Nothing entered since the last flush. */
  get quiet(): boolean {
    return !this.waiting;
  }

  /** Notes how far the machine came and hands everything over to the file. */
  flush(at: Instant, time: number): void {
    this.end = at;
    this.endTime = time;
    if (this.writer === undefined || at.instructions === this.flushedAt) return;
    this.flushedAt = at.instructions;
    this.waiting = false;
    this.writer.reached(at, time);
    this.writer.flush();
  }

  /** The machine went back to an instant, before which `count` events lie: the rest no longer happened. */
  rewind(count: number, at: Instant, time: number): void {
    this.events.length = count;
    for (const notes of [this.hashes, this.turns])
      notes.length = notes.findLastIndex((note) => compareInstants(note.at, at) <= 0) + 1;
    this.marks = this.marks.filter((mark) => compareInstants(mark.at, at) <= 0);
    this.end = at;
    this.endTime = time;
    this.flushedAt = -1;
    this.writer?.rewind(count, at, time);
  }

  /** The machine was put into a state that its past does not lead to: what entered before belongs to another machine. */
  beginAt(at: Instant, time: number): void {
    this.events.length = 0;
    this.hashes.length = 0;
    this.marks = [];
    this.turns.length = 0;
    this.end = at;
    this.endTime = time;
  }

  /** Notes the machine's state hash, for replays to compare with. */
  mark(at: Instant, time: number, hash: string): void {
    this.hashes.push({ at, hash });
    this.writer?.hash(at, time, hash);
  }

  /** Keeps other marks than before. */
  keepMarks(marks: readonly NotedInstant[]): void {
    this.marks = marks;
    this.writer?.marks(marks);
  }

  /** Notes that the machine goes on in a turn of its own. */
  turn(at: Instant, time: number, turn: number): void {
    if (!this.forgets) this.turns.push({ at, turn });
    this.writer?.turn(at, time, turn);
  }

  /** Whether there is a file, not only memory. */
  get recordsToFile(): boolean {
    return this.writer !== undefined;
  }

  /** Puts a file of the machine's into the recording. */
  embed(hash: string, contents: Uint8Array): void {
    this.writer?.image(hash, contents);
  }

  /** Puts a stored state of the machine into the recording. */
  store(checkpoint: PackedCheckpoint): void {
    this.writer?.checkpoint(checkpoint);
  }

  /** Bytes in the file so far. */
  get written(): number {
    return this.writer?.written ?? 0;
  }

  /** Ends the file in order. */
  close(at: Instant, time: number): void {
    this.flush(at, time);
    this.writer?.close();
  }
}

/** The header of a recording. @param id 16 hexadecimal digits nobody else uses */
export function recordingHeader(
  config: MachineConfig,
  ports: readonly string[],
  id: string,
  { start, overlays, parent, marks }: Pick<RecordingHeader, 'start' | 'overlays' | 'parent' | 'marks'> = {},
): RecordingHeader {
  return {
    format: FORMAT_VERSION,
    machine: MACHINE_VERSION,
    config,
    ports,
    id,
    ...(start && { start }),
    ...(overlays && { overlays }),
    ...(marks !== undefined && marks.length > 0 && { marks }),
    ...(parent && { parent }),
  };
}
