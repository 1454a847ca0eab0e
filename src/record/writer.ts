import { concat } from '../bytes/concat.ts';
import { hashBytes } from '../bytes/hash.ts';
import { hexBytes } from '../bytes/hex.ts';
import { ByteWriter } from '../bytes/writer.ts';
import { chunkSeed, encodeChunk } from './chunk.ts';
import { type HostEvent, type Instant, MACHINE_PORT } from './door.ts';
import { EventCodec, type StoredEvent } from './event-codec.ts';
import {
  CHUNK,
  CHUNK_HEADER,
  MAGIC,
  NOTE,
  type NotedInstant,
  type RecordingHeader,
  type RecordSink,
  TRAILER_MAGIC,
} from './format.ts';
import { packHeader } from './header.ts';
import { type ChunkSummary, IndexWriter } from './index-chunk.ts';
import type { RecordingTail } from './recording-chunks.ts';

/** Bytes of a file in one chunk. */
const IMAGE_PIECE = 2 ** 20;
/** Payloads from this size on are stored by themselves, equal ones once… */
const LARGE_PAYLOAD = 512;
/** …as long as the latest ones, up to so many bytes, show that they are equal. */
const REMEMBERED = 64 * 2 ** 20;

/** Bytes of events that wait at most before they become a chunk. */
const LARGEST_WAIT = 2 ** 20;

/** Pages and tables that a checkpoint needs and that are not in the file yet, and the checkpoint itself; see src/timeline/stored.ts. */
export interface PackedCheckpoint {
  readonly pages: readonly PackedRun[];
  readonly tables: readonly PackedRun[];
  readonly body: Uint8Array;
  readonly at: Instant;
  readonly time: number;
  readonly events: number;
}

/** Numbered things in one chunk. */
export interface PackedRun {
  readonly first: number;
  readonly count: number;
  readonly body: Uint8Array;
}

/** Writes a recording as the machine runs. */
export class RecordingWriter {
  private readonly sink: RecordSink;
  private readonly id: Uint8Array;
  private readonly index = new IndexWriter();
  private codec = new EventCodec();
  private readonly pending = new ByteWriter();
  private pendingEvents = 0;
  private end: Instant = { instructions: 0, sequence: 0 };
  private readonly payloads = new PayloadStore();
  /** Bytes of the file so far. */
  written = 0;

  /** @param tail of a recording that is gone on with: the sink is at its offset */
  constructor(sink: RecordSink, header: RecordingHeader, tail?: RecordingTail) {
    this.sink = sink;
    this.id = hexBytes(header.id);
    if (tail !== undefined) {
      for (const chunk of tail.chunks) this.index.add(chunk.length, chunk.check, chunk);
      this.written = tail.offset;
      return;
    }
    this.put(MAGIC);
    this.chunk({ kind: CHUNK.HEADER }, packHeader(header));
  }

  /** Bytes that wait to be handed over, before compression. */
  get waiting(): number {
    return this.pending.length + this.payloads.waiting;
  }

  event(event: HostEvent): void {
    const { payload } = event;
    this.store({ ...event, payload: payload.length < LARGE_PAYLOAD ? payload : this.payloads.number(payload) });
    this.pendingEvents++;
    if (this.waiting >= LARGEST_WAIT) this.flush();
  }

  /** The machine came this far. */
  reached(at: Instant, time: number): void {
    this.note(NOTE.REACHED, at, time, new Uint8Array(0));
  }

  /** The machine's state hash here. */
  hash(at: Instant, time: number, hash: string): void {
    this.note(NOTE.HASH, at, time, hexBytes(hash));
  }

  /** The machine goes on in a turn of its own among others. */
  turn(at: Instant, time: number, turn: number): void {
    const w = new ByteWriter(8);
    w.varint(turn);
    this.note(NOTE.TURN, at, time, w.finish());
    if (this.waiting >= LARGEST_WAIT) this.flush();
  }

  /** The machine went back to an instant with `count` events before it. */
  rewind(count: number, at: Instant, time: number): void {
    const w = new ByteWriter(8);
    w.varint(count);
    this.note(NOTE.REWOUND, at, time, w.finish());
  }

  /** Hands over what is pending. */
  flush(): void {
    const payloads = this.payloads.take();
    if (payloads !== undefined) this.run(CHUNK.PAYLOADS, payloads, true);
    if (this.pending.length === 0) return;
    this.chunk({ kind: CHUNK.EVENTS, events: this.pendingEvents, end: this.end }, this.pending.take());
    this.codec = new EventCodec();
    this.pendingEvents = 0;
  }

  /** Puts a file of the machine's into the recording. */
  image(hash: string, contents: Uint8Array): void {
    this.flush();
    const size = contents.length;
    for (let at = 0; at === 0 || at < size; at += IMAGE_PIECE) {
      const w = new ByteWriter(IMAGE_PIECE + 64);
      w.raw(hexBytes(hash));
      w.varint(size);
      w.varint(at);
      w.raw(contents.subarray(at, at + IMAGE_PIECE));
      this.chunk({ kind: CHUNK.IMAGE, hash, size, at }, w.finish());
    }
  }

  /** Puts a state of the machine into the recording. */
  checkpoint({ pages, tables, body, at, time, events }: PackedCheckpoint): void {
    this.flush();
    // Their contents are compressed one by one.
    for (const run of pages) this.run(CHUNK.PAGES, run, false);
    for (const run of tables) this.run(CHUNK.TABLES, run, true);
    this.chunk({ kind: CHUNK.CHECKPOINT, at, time, events }, body);
  }

  /** Puts all marks into the recording, instead of those before. */
  marks(marks: readonly NotedInstant[]): void {
    this.flush();
    this.chunk({ kind: CHUNK.MARKS }, new TextEncoder().encode(JSON.stringify(marks)));
  }

  /** Ends the recording in order. */
  close(): void {
    this.flush();
    this.put(this.ending());
    this.sink.close?.();
  }

  /** What would end the recording as it is now, all that is pending left out; it may go on without. */
  ending(): Uint8Array {
    const at = this.written;
    const whole = encodeChunk(CHUNK.INDEX, this.index.finish(), chunkSeed(this.id, at), true);
    const trailer = new ByteWriter(16);
    trailer.f64(at);
    trailer.raw(TRAILER_MAGIC);
    return concat([whole, trailer.finish()]);
  }

  private note(kind: number, at: Instant, time: number, payload: Uint8Array): void {
    this.store({ kind, port: MACHINE_PORT, at, time, payload });
  }

  private store(event: StoredEvent): void {
    this.codec.pack(this.pending, event);
    this.end = event.at;
  }

  private run(
    kind: typeof CHUNK.PAGES | typeof CHUNK.TABLES | typeof CHUNK.PAYLOADS,
    { first, count, body }: PackedRun,
    squeeze: boolean,
  ): void {
    const w = new ByteWriter(body.length + 16);
    w.varint(first);
    w.varint(count);
    w.raw(body);
    this.chunk({ kind, first, count }, w.finish(), squeeze);
  }

  private chunk(summary: ChunkSummary, raw: Uint8Array, squeeze = true): void {
    const seed = summary.kind === CHUNK.HEADER ? 0 : chunkSeed(this.id, this.written);
    const whole = encodeChunk(summary.kind, raw, seed, squeeze);
    const view = new DataView(whole.buffer);
    this.index.add(whole.length - CHUNK_HEADER, view.getUint32(5, true), summary);
    this.put(whole);
  }

  private put(bytes: Uint8Array): void {
    this.written += bytes.length;
    this.sink.write(bytes);
  }
}

/** Numbers large payloads, equal ones alike as far as it remembers. */
class PayloadStore {
  private readonly w = new ByteWriter();
  private first = 0;
  private count = 0;
  private readonly known = new Map<number, { readonly number: number; readonly bytes: Uint8Array }>();
  private remembered = 0;

  get waiting(): number {
    return this.w.length;
  }

  number(payload: Uint8Array): number {
    const { low, high } = hashBytes(payload);
    const key = low + (high & 0x1f_ffff) * 2 ** 32;
    const before = this.known.get(key);
    if (before !== undefined && equal(before.bytes, payload)) return before.number;
    const number = this.first + this.count++;
    this.w.varint(payload.length);
    this.w.raw(payload);
    this.remember(key, number, payload);
    return number;
  }

  /** Those that were not taken yet. */
  take(): PackedRun | undefined {
    const { first, count } = this;
    if (count === 0) return undefined;
    this.first += count;
    this.count = 0;
    return { first, count, body: this.w.take() };
  }

  private remember(key: number, number: number, payload: Uint8Array): void {
    this.remembered += payload.length - (this.known.get(key)?.bytes.length ?? 0);
    this.known.delete(key);
    this.known.set(key, { number, bytes: payload });
    for (const [oldest, { bytes }] of this.known) {
      if (this.remembered <= REMEMBERED) break;
      this.known.delete(oldest);
      this.remembered -= bytes.length;
    }
  }
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
