import { hexBytes } from '../bytes/hex.ts';
import { ByteReader } from '../bytes/reader.ts';
import { type ByteSource, MemorySource } from '../bytes/source.ts';
import { CheckpointReader } from './checkpoint-reader.ts';
import { type ChunkPlace, chunkCheck, chunkSeed, decodeBody, openChunk, readPlace } from './chunk.ts';
import { isDamage } from './damage.ts';
import type { Instant } from './door.ts';
import { EventCodec } from './event-codec.ts';
import {
  CHUNK,
  CHUNK_HEADER,
  chunkName,
  MAGIC,
  NOTE,
  RecordingError,
  type RecordingHeader,
  TRAILER_MAGIC,
  TRAILER_SIZE,
} from './format.ts';
import { readHeader } from './header.ts';
import { collectImages, readImagePiece } from './image-pieces.ts';
import { type ChunkSummary, type IndexedChunk, readIndex, readInstant } from './index-chunk.ts';
import { RecordedEvents } from './recorded-events.ts';
import type { Recording } from './recording.ts';
import { SourceWindow } from './source-window.ts';
import { readVersion2 } from './version2.ts';

/** Chunks of events no farther apart than this are read in one go. */
const GAP = 2 ** 15;
/** Bytes read in one go at most, unless one chunk has more. */
const MOST_AT_ONCE = 2 ** 22;

/**
 * Reads what a recording says: the machine, its events, and where the rest is. Images and checkpoints are read when they are asked for, so the
 * source must stay open. What breaks off or is damaged after a good beginning is left out, and {@link Recording.damage} says where.
 * @throws RecordingError when it is no recording, of a version that is not known, or damaged from the beginning; what the source throws
 */
export async function readRecording(from: ByteSource | Uint8Array): Promise<Recording> {
  const source = from instanceof Uint8Array ? new MemorySource(from) : from;
  const window = new SourceWindow(source);
  const magic = await window.read(0, Math.min(MAGIC.length, source.size));
  if (magic.length < MAGIC.length || MAGIC.some((byte, i) => magic[i] !== byte))
    throw new RecordingError('this is no recording: it does not begin as a .hsr file does');
  const { place, body } = await readFirst(window, source);
  const header = readHeader(body);
  if (header.format === 2) return readVersion2(source, window, header);
  const file = new ChunkFile(source, hexBytes(header.id), place);
  const indexed = await file.index();
  if (indexed !== undefined) {
    try {
      return await assemble(file, header, indexed, source.size, true);
    } catch (error) {
      // Damaged somewhere: what comes before is found by going through the file.
      if (!isDamage(error)) throw error;
    }
  }
  return scan(file, header, window);
}

async function readFirst(window: SourceWindow, source: ByteSource): Promise<{ place: ChunkPlace; body: Uint8Array }> {
  const cut = new RecordingError('the recording breaks off before it says what machine it is of');
  const at = MAGIC.length;
  if (source.size < at + CHUNK_HEADER) throw cut;
  const head = await window.read(at, CHUNK_HEADER);
  if (head[0] !== CHUNK.HEADER) throw new RecordingError('the recording does not begin with its header');
  let place: ChunkPlace;
  try {
    place = readPlace(head, at, source.size);
  } catch {
    throw cut;
  }
  const whole = await window.read(at, CHUNK_HEADER + place.length);
  try {
    return { place, body: openChunk(whole, place, 0) };
  } catch (error) {
    throw isDamage(error) ? new RecordingError(`the recording's header is damaged: ${error.message}`) : error;
  }
}

/** A recording's file, chunk by chunk. */
class ChunkFile {
  readonly source: ByteSource;
  readonly header: ChunkPlace;
  private readonly id: Uint8Array;

  constructor(source: ByteSource, id: Uint8Array, header: ChunkPlace) {
    this.source = source;
    this.id = id;
    this.header = header;
  }

  /** The body of a chunk. @throws RecordingError when it is damaged */
  async body(place: ChunkPlace): Promise<Uint8Array> {
    return this.open(await this.source.read(place.offset, CHUNK_HEADER + place.length), place);
  }

  /** The body of a chunk whose bytes are here. */
  open(whole: Uint8Array, place: ChunkPlace): Uint8Array {
    return openChunk(whole, place, place.kind === CHUNK.HEADER ? 0 : chunkSeed(this.id, place.offset));
  }

  /** The bodies of chunks in their order, few reads for many chunks. */
  async *bodies<T extends ChunkPlace>(places: readonly T[]): AsyncIterable<readonly [T, Uint8Array]> {
    for (let i = 0; i < places.length; ) {
      const { offset } = places[i];
      const endOf = (place: ChunkPlace): number => place.offset + CHUNK_HEADER + place.length;
      let next = i + 1;
      while (
        next < places.length &&
        places[next].offset - endOf(places[next - 1]) <= GAP &&
        endOf(places[next]) - offset <= MOST_AT_ONCE
      )
        next++;
      const bytes = await this.source.read(offset, endOf(places[next - 1]) - offset);
      for (; i < next; i++)
        yield [places[i], this.open(bytes.subarray(places[i].offset - offset, endOf(places[i]) - offset), places[i])];
    }
  }

  /** The chunks that the index names; undefined when the file has none that is sound. */
  async index(): Promise<IndexedChunk[] | undefined> {
    const { size } = this.source;
    if (size < MAGIC.length + CHUNK_HEADER + TRAILER_SIZE) return undefined;
    const trailer = await this.source.read(size - TRAILER_SIZE, TRAILER_SIZE);
    if (TRAILER_MAGIC.some((byte, i) => trailer[8 + i] !== byte)) return undefined;
    const at = new DataView(trailer.buffer, trailer.byteOffset).getFloat64(0, true);
    if (!(Number.isSafeInteger(at) && at > MAGIC.length && at <= size - TRAILER_SIZE - CHUNK_HEADER)) return undefined;
    try {
      const whole = await this.source.read(at, size - TRAILER_SIZE - at);
      const place = readPlace(whole, at, size);
      if (place.kind !== CHUNK.INDEX || CHUNK_HEADER + place.length !== whole.length) return undefined;
      return readIndex(this.open(whole, place));
    } catch (error) {
      if (isDamage(error)) return undefined;
      throw error;
    }
  }

  /** Whether `head` and `body` at `offset` are a chunk of this file. */
  sound(head: Uint8Array, body: Uint8Array, place: ChunkPlace): boolean {
    return chunkCheck(head, body, chunkSeed(this.id, place.offset)) === place.check;
  }
}

/** Goes through the whole file, as far as it is good. */
async function scan(file: ChunkFile, header: RecordingHeader, window: SourceWindow): Promise<Recording> {
  const { source } = file;
  const chunks: IndexedChunk[] = [{ ...file.header, kind: CHUNK.HEADER }];
  let good = file.header.offset + CHUNK_HEADER + file.header.length;
  let damage: string | undefined;
  let ended = false;
  while (good < source.size && damage === undefined && !ended) {
    try {
      if (good + CHUNK_HEADER > source.size) throw new RecordingError('a chunk is cut short');
      const place = readPlace((await window.read(good, CHUNK_HEADER)).slice(), good, source.size);
      const whole = await window.read(good, CHUNK_HEADER + place.length);
      if (!file.sound(whole, whole.subarray(CHUNK_HEADER), place)) throw new RecordingError('a chunk is damaged');
      if (place.kind === CHUNK.INDEX) ended = true;
      else chunks.push({ ...place, ...summarize(place, decodeBody(whole.subarray(CHUNK_HEADER), place.kind)) });
      good += CHUNK_HEADER + place.length;
    } catch (error) {
      if (!isDamage(error)) throw error;
      damage = `${error.message} at offset ${good}`;
    }
  }
  if (ended) damage = `what follows the index is no end of a recording at offset ${good}`;
  damage ??= `the recording breaks off at offset ${good}`;
  // A chunk whose check is right and whose contents are not was written by a broken program: what comes before it is good.
  for (;;) {
    try {
      return { ...(await assemble(file, header, chunks, good, false)), damage };
    } catch (error) {
      const bad = error instanceof ChunkError ? chunks.indexOf(error.chunk) : -1;
      if (bad < 0) throw error;
      ({ offset: good } = chunks[bad]);
      damage = `${(error as Error).message} at offset ${good}`;
      chunks.length = bad;
    }
  }
}

/** A chunk's contents are not what they should be. */
class ChunkError extends RecordingError {
  readonly chunk: IndexedChunk;

  constructor(chunk: IndexedChunk, message: string) {
    super(message);
    this.chunk = chunk;
  }
}

/** What the index would say of a chunk. */
function summarize({ kind }: ChunkPlace, body: Uint8Array): ChunkSummary {
  const r = new ByteReader(body, `a chunk of ${chunkName(kind)}`);
  switch (kind) {
    case CHUNK.EVENTS:
      return { kind, ...summarizeEvents(r) };
    case CHUNK.IMAGE:
      return { kind, ...readImagePiece(r) };
    case CHUNK.CHECKPOINT:
      return { kind, at: readInstant(r), time: r.varint(), events: r.varint() };
    case CHUNK.PAGES:
    case CHUNK.TABLES:
    case CHUNK.PAYLOADS:
      return { kind, first: r.varint(), count: r.varint() };
    default:
      throw new RecordingError(`a chunk of unknown kind ${kind}`);
  }
}

function summarizeEvents(r: ByteReader): { events: number; end: Instant } {
  const codec = new EventCodec();
  let events = 0;
  let end: Instant = { instructions: 0, sequence: 0 };
  while (r.remaining > 0) {
    const { kind, at } = codec.unpack(r);
    if (kind < NOTE.REWOUND) events++;
    end = at;
  }
  return { events, end };
}

/** Puts together what the chunks say. @throws RecordingError when a chunk of events is not what it should be */
async function assemble(
  file: ChunkFile,
  header: RecordingHeader,
  chunks: readonly IndexedChunk[],
  good: number,
  complete: boolean,
): Promise<Recording> {
  const past = new RecordedEvents(header);
  const payloads: Uint8Array[] = [];
  const checkpoints = new CheckpointReader(file, chunks);
  const stored = chunks.filter((chunk) => chunk.kind === CHUNK.CHECKPOINT);
  let nextStored = 0;
  const storedBefore = (offset: number): void => {
    while (nextStored < stored.length && stored[nextStored].offset < offset)
      past.checkpoints.push(checkpoints.at(stored[nextStored++]));
  };
  const telling = chunks.filter(({ kind }) => kind === CHUNK.EVENTS || kind === CHUNK.PAYLOADS);
  for await (const [chunk, body] of file.bodies(telling)) {
    storedBefore(chunk.offset);
    try {
      const r = new ByteReader(body, `the ${chunkName(chunk.kind)} chunk`);
      if (chunk.kind === CHUNK.EVENTS) readEvents(r, past, payloads);
      else readPayloads(r, payloads);
    } catch (error) {
      throw isDamage(error) ? new ChunkError(chunk, error.message) : error;
    }
  }
  storedBefore(Infinity);
  const sizes: Record<string, number> = {};
  for (const { kind, length } of chunks) {
    const name = chunkName(kind);
    sizes[name] = (sizes[name] ?? 0) + CHUNK_HEADER + length;
  }
  const { events, hashes, end, endTime } = past;
  return {
    header,
    events,
    hashes,
    images: collectImages(file, chunks),
    checkpoints: past.checkpoints,
    end,
    endTime,
    complete,
    good,
    sizes,
  };
}

function readEvents(r: ByteReader, past: RecordedEvents, payloads: readonly Uint8Array[]): void {
  const codec = new EventCodec();
  while (r.remaining > 0) {
    const event = codec.unpack(r);
    const payload = typeof event.payload === 'number' ? payloads[event.payload] : event.payload;
    if (payload === undefined) throw new RecordingError(`an event's payload ${event.payload} is not stored`);
    past.add(event, payload);
  }
}

function readPayloads(r: ByteReader, payloads: Uint8Array[]): void {
  const first = r.varint();
  if (first !== payloads.length) throw new RecordingError(`payload ${first} follows ${payloads.length} others`);
  for (let count = r.varint(); count > 0; count--) payloads.push(r.raw(r.varint()));
}
