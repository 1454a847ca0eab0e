import { hexBytes } from '../bytes/hex.ts';
import type { ByteSource } from '../bytes/source.ts';
import { type ChunkPlace, chunkCheck, chunkSeed, openChunk, readPlace } from './chunk.ts';
import { isDamage } from './damage.ts';
import {
  CHUNK,
  CHUNK_HEADER,
  MAGIC,
  RecordingError,
  type RecordingHeader,
  TRAILER_MAGIC,
  TRAILER_SIZE,
} from './format.ts';
import { readHeader } from './header.ts';
import { type IndexedChunk, readIndex } from './index-chunk.ts';
import { SourceWindow } from './source-window.ts';

/** Chunks of events no farther apart than this are read in one go. */
const GAP = 2 ** 15;
/** Bytes read in one go at most, unless one chunk has more. */
const MOST_AT_ONCE = 2 ** 22;

/** A recording that ended in order, to be gone on with: what is appended takes the place of its index. */
export interface RecordingTail {
  readonly header: RecordingHeader;
  /** What stays. */
  readonly chunks: readonly IndexedChunk[];
  /** Where it is gone on. */
  readonly offset: number;
}

/**
 * The end of a recording. Marks right before it are not part of what stays.
 * @throws RecordingError when it did not end in order, or is of a version that is not written
 */
export async function readTail(source: ByteSource): Promise<RecordingTail> {
  const { place, header } = await readFirst(new SourceWindow(source));
  if (header.format === 2) throw new RecordingError('the recording has format version 2: nothing can be added to it');
  const chunks = await new RecordingChunks(source, hexBytes(header.id), place).index();
  if (chunks === undefined)
    throw new RecordingError(
      'the recording has no end: it is still being made, or it broke off; nothing can be added to it',
    );
  let count = chunks.length;
  while (chunks[count - 1].kind === CHUNK.MARKS) count--;
  const last = chunks[count - 1];
  return { header, chunks: chunks.slice(0, count), offset: last.offset + CHUNK_HEADER + last.length };
}

/** The header, and its chunk. @throws RecordingError when it is no recording */
export async function readFirst(window: SourceWindow): Promise<{ place: ChunkPlace; header: RecordingHeader }> {
  const { source } = window;
  const magic = await window.read(0, Math.min(MAGIC.length, source.size));
  if (magic.length < MAGIC.length || MAGIC.some((byte, i) => magic[i] !== byte))
    throw new RecordingError('this is no recording: it does not begin as a .hsr file does');
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
  let body: Uint8Array;
  try {
    body = openChunk(whole, place, 0);
  } catch (error) {
    throw isDamage(error) ? new RecordingError(`the recording's header is damaged: ${error.message}`) : error;
  }
  return { place, header: readHeader(body) };
}

/** A recording's file, chunk by chunk. */
export class RecordingChunks {
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
