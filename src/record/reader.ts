import { hexBytes } from '../bytes/hex.ts';
import { ByteReader } from '../bytes/reader.ts';
import { type ByteSource, MemorySource } from '../bytes/source.ts';
import { CheckpointReader } from './checkpoint-reader.ts';
import { type ChunkPlace, decodeBody, readPlace } from './chunk.ts';
import { isDamage } from './damage.ts';
import type { Instant } from './door.ts';
import { EventCodec } from './event-codec.ts';
import { CHUNK, CHUNK_HEADER, chunkName, NOTE, RecordingError, type RecordingHeader } from './format.ts';
import { readMarks } from './header.ts';
import { collectImages, readImagePiece } from './image-pieces.ts';
import { type ChunkSummary, type IndexedChunk, readInstant } from './index-chunk.ts';
import { RecordedEvents } from './recorded-events.ts';
import type { Recording } from './recording.ts';
import { RecordingChunks, readFirst } from './recording-chunks.ts';
import { SourceWindow } from './source-window.ts';
import { readVersion2 } from './version2.ts';

/** Chunks that say what happened; the others are read when they are asked for. */
const TELLING: ReadonlySet<number> = new Set([CHUNK.EVENTS, CHUNK.PAYLOADS, CHUNK.MARKS]);

/**
 * Reads what a recording says: the machine, its events, and where the rest is. Images and checkpoints are read when they are asked for, so the
 * source must stay open. What breaks off or is damaged after a good beginning is left out, and {@link Recording.damage} says where.
 * @throws RecordingError when it is no recording, of a version that is not known, or damaged from the beginning; what the source throws
 */
export async function readRecording(from: ByteSource | Uint8Array): Promise<Recording> {
  const source = from instanceof Uint8Array ? new MemorySource(from) : from;
  const window = new SourceWindow(source);
  const { place, header } = await readFirst(window);
  if (header.format === 2) return readVersion2(source, window, header);
  const file = new RecordingChunks(source, hexBytes(header.id), place);
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

/** Goes through the whole file, as far as it is good. */
async function scan(file: RecordingChunks, header: RecordingHeader, window: SourceWindow): Promise<Recording> {
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
    case CHUNK.MARKS:
      return { kind };
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
  file: RecordingChunks,
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
  const telling = chunks.filter(({ kind }) => TELLING.has(kind));
  for await (const [chunk, body] of file.bodies(telling)) {
    storedBefore(chunk.offset);
    try {
      const r = new ByteReader(body, `the ${chunkName(chunk.kind)} chunk`);
      if (chunk.kind === CHUNK.EVENTS) readEvents(r, past, payloads);
      else if (chunk.kind === CHUNK.MARKS) past.marks = readMarks(body);
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
  const { events, hashes, marks, turns, end, endTime } = past;
  return {
    header,
    events,
    hashes,
    marks,
    turns,
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
