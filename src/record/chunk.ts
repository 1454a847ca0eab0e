import { crc32c } from '../bytes/checksum.ts';
import { compress, decompress } from '../bytes/compress.ts';
import { ByteReader } from '../bytes/reader.ts';
import { ByteWriter } from '../bytes/writer.ts';
import { CHUNK_HEADER, chunkName, MAX_BODY, RecordingError, STORAGE } from './format.ts';

/** Bodies shorter than this are not worth compressing. */
const WORTH_COMPRESSING = 64;

/** A chunk's place in the file. */
export interface ChunkPlace {
  readonly kind: number;
  /** Offset of the chunk, which begins with its header. */
  readonly offset: number;
  /** Bytes of its body. */
  readonly length: number;
  readonly check: number;
}

/**
 * What the check of a chunk begins with: recording and offset, so that a chunk is known wherever it is found, and one that was moved or is
 * another recording's is refused. The header, before which no id is known, begins with 0.
 * @param id of the recording, 8 bytes
 */
export function chunkSeed(id: Uint8Array, offset: number): number {
  const w = new ByteWriter(16);
  w.raw(id);
  w.f64(offset);
  return crc32c(w.finish());
}

/** A whole chunk. @param squeeze compress it if that makes it smaller */
export function encodeChunk(kind: number, raw: Uint8Array, seed: number, squeeze: boolean): Uint8Array {
  const packed = squeeze && raw.length > WORTH_COMPRESSING ? compress(raw) : raw;
  const w = new ByteWriter(CHUNK_HEADER + packed.length + 8);
  w.u8(kind);
  w.u32(0);
  w.u32(0);
  if (packed.length + 4 < raw.length) {
    w.u8(STORAGE.COMPRESSED);
    w.varint(raw.length);
    w.raw(packed);
  } else {
    w.u8(STORAGE.PLAIN);
    w.raw(raw);
  }
  const whole = w.finish();
  const view = new DataView(whole.buffer);
  view.setUint32(1, whole.length - CHUNK_HEADER, true);
  view.setUint32(5, chunkCheck(whole.subarray(0, 5), whole.subarray(CHUNK_HEADER), seed), true);
  return whole;
}

/** The check of a chunk: CRC-32C of kind, length and body. */
export function chunkCheck(head: Uint8Array, body: Uint8Array, seed: number): number {
  return crc32c(body, crc32c(head.subarray(0, 5), seed));
}

/** The place that a chunk's header tells. @throws RecordingError when it cannot be one, or goes beyond `size` */
export function readPlace(head: Uint8Array, offset: number, size: number): ChunkPlace {
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  const length = view.getUint32(1, true);
  if (length < 1 || offset + CHUNK_HEADER + length > size) throw new RecordingError('a chunk is cut short');
  return { kind: head[0], offset, length, check: view.getUint32(5, true) };
}

/** What was stored as a chunk's body. */
export function decodeBody(stored: Uint8Array, kind: number): Uint8Array {
  if (stored[0] === STORAGE.PLAIN) return stored.subarray(1);
  if (stored[0] !== STORAGE.COMPRESSED)
    throw new RecordingError(`a chunk of ${chunkName(kind)} is stored in an unknown way`);
  const r = new ByteReader(stored, `a chunk of ${chunkName(kind)}`, 1);
  const size = r.varint();
  if (size > MAX_BODY) throw new RecordingError(`a chunk of ${chunkName(kind)} says it has ${size} bytes`);
  const body = new Uint8Array(size);
  decompress(r.view(r.remaining), body);
  return body;
}

/** A chunk from its bytes, checked. @throws RecordingError when it is damaged or another one */
export function openChunk(whole: Uint8Array, place: ChunkPlace, seed: number): Uint8Array {
  const body = whole.subarray(CHUNK_HEADER, CHUNK_HEADER + place.length);
  const found = readPlace(whole, place.offset, place.offset + whole.length);
  if (
    found.kind !== place.kind ||
    found.length !== place.length ||
    found.check !== place.check ||
    chunkCheck(whole, body, seed) !== place.check
  )
    throw new RecordingError(`the ${chunkName(place.kind)} chunk at offset ${place.offset} is damaged`);
  return decodeBody(body, place.kind);
}
