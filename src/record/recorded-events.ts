import { toHex } from '../bytes/hex.ts';
import { ByteReader } from '../bytes/reader.ts';
import { compareInstants, EVENT, type EventKind, type HostEvent, type Instant } from './door.ts';
import type { StoredEvent } from './event-codec.ts';
import {
  type HashMark,
  NOTE,
  type NotedInstant,
  RecordingError,
  type RecordingHeader,
  type TurnMark,
} from './format.ts';
import type { StoredCheckpoint } from './recording.ts';

const KNOWN_EVENTS: ReadonlySet<number> = new Set(Object.values(EVENT));

/** What happened, put together in the order of the file: going back takes away what no longer happened. */
export class RecordedEvents {
  readonly events: HostEvent[] = [];
  readonly hashes: HashMark[] = [];
  readonly turns: TurnMark[] = [];
  readonly checkpoints: StoredCheckpoint[] = [];
  marks: readonly NotedInstant[];
  end: Instant;
  endTime: number;

  constructor({ start, marks = [] }: RecordingHeader) {
    this.marks = marks;
    this.end = start?.at ?? { instructions: 0, sequence: 0 };
    this.endTime = start?.time ?? 0;
  }

  /** @param payload the event's, wherever it was stored */
  add(event: StoredEvent, payload: Uint8Array): void {
    const { kind, at, time } = event;
    if (!(at.instructions >= 0 && time >= 0)) throw new RecordingError('an event lies before the beginning');
    if (kind !== NOTE.REWOUND && at.instructions < this.end.instructions)
      throw new RecordingError(`an event at ${at.instructions} follows the instant ${this.end.instructions}`);
    if (kind === NOTE.HASH) this.hashes.push({ at, hash: toHex(payload) });
    else if (kind === NOTE.TURN) this.turns.push({ at, turn: new ByteReader(payload, 'an event').varint() });
    else if (kind === NOTE.REWOUND) this.rewind(new ByteReader(payload, 'an event').varint(), at);
    else if (kind !== NOTE.REACHED) {
      if (!KNOWN_EVENTS.has(kind)) throw new RecordingError(`an event of unknown kind ${kind}`);
      this.events.push({ at, time, port: event.port, kind: kind as EventKind, payload });
    }
    this.end = at;
    this.endTime = time;
  }

  private rewind(events: number, to: Instant): void {
    this.events.length = Math.min(this.events.length, events);
    const last = (marks: readonly { readonly at: Instant }[]): number =>
      marks.findLastIndex(({ at }) => compareInstants(at, to) <= 0);
    this.checkpoints.length = last(this.checkpoints) + 1;
    this.hashes.length = last(this.hashes) + 1;
    this.marks = this.marks.filter(({ at }) => compareInstants(at, to) <= 0);
    this.turns.length = last(this.turns) + 1;
  }
}
