import { hexBytes, toHex } from '../bytes/hex.ts';
import { ByteReader } from '../bytes/reader.ts';
import { ByteWriter } from '../bytes/writer.ts';
import type { ChunkPlace } from './chunk.ts';
import type { Instant } from './door.ts';
import { CHUNK, CHUNK_HEADER, MAGIC } from './format.ts';

/** What the index says of a chunk besides its place, by kind. */
export type ChunkSummary =
  | { readonly kind: typeof CHUNK.HEADER | typeof CHUNK.MARKS }
  | {
      readonly kind: typeof CHUNK.EVENTS;
      /** Events proper in it. */
      readonly events: number;
      /** How far the machine had come. */
      readonly end: Instant;
    }
  | {
      readonly kind: typeof CHUNK.IMAGE;
      /** SHA-256 of the whole file. */
      readonly hash: string;
      /** Bytes of the whole file. */
      readonly size: number;
      /** Offset of this piece in it. */
      readonly at: number;
    }
  | {
      readonly kind: typeof CHUNK.CHECKPOINT;
      readonly at: Instant;
      readonly time: number;
      /** Index of the event that enters next. */
      readonly events: number;
    }
  | {
      readonly kind: typeof CHUNK.PAGES | typeof CHUNK.TABLES | typeof CHUNK.PAYLOADS;
      /** Number of the first in it, and how many there are. */
      readonly first: number;
      readonly count: number;
    };

export type IndexedChunk = ChunkPlace & ChunkSummary;

/** Puts the index together as chunks are written; a few bytes each. */
export class IndexWriter {
  private readonly w = new ByteWriter();
  private count = 0;

  add(length: number, check: number, summary: ChunkSummary): void {
    const { w } = this;
    this.count++;
    w.u8(summary.kind);
    w.varint(length);
    w.u32(check);
    switch (summary.kind) {
      case CHUNK.HEADER:
      case CHUNK.MARKS:
        return;
      case CHUNK.EVENTS:
        w.varint(summary.events);
        w.varint(summary.end.instructions);
        w.varint(summary.end.sequence);
        return;
      case CHUNK.IMAGE:
        w.raw(hexBytes(summary.hash));
        w.varint(summary.size);
        w.varint(summary.at);
        return;
      case CHUNK.CHECKPOINT:
        w.varint(summary.at.instructions);
        w.varint(summary.at.sequence);
        w.varint(summary.time);
        w.varint(summary.events);
        return;
      default:
        w.varint(summary.first);
        w.varint(summary.count);
    }
  }

  /** The body of the index. */
  finish(): Uint8Array {
    const w = new ByteWriter(this.w.length + 8);
    w.varint(this.count);
    w.raw(this.w.finish());
    return w.finish();
  }
}

/** The chunks that an index names; they lie one after the other from the file's magic on. @throws RangeError when it is none */
export function readIndex(body: Uint8Array): IndexedChunk[] {
  const r = new ByteReader(body, 'the index');
  const count = r.varint();
  const chunks: IndexedChunk[] = [];
  let offset = MAGIC.length;
  while (chunks.length < count) {
    const kind = r.u8();
    const place = { offset, length: r.varint(), check: r.u32() };
    chunks.push({ ...place, ...readSummary(kind, r) });
    offset += CHUNK_HEADER + place.length;
  }
  return chunks;
}

function readSummary(kind: number, r: ByteReader): ChunkSummary {
  switch (kind) {
    case CHUNK.HEADER:
    case CHUNK.MARKS:
      return { kind };
    case CHUNK.EVENTS:
      return { kind, events: r.varint(), end: readInstant(r) };
    case CHUNK.IMAGE:
      return { kind, hash: toHex(r.view(32)), size: r.varint(), at: r.varint() };
    case CHUNK.CHECKPOINT:
      return { kind, at: readInstant(r), time: r.varint(), events: r.varint() };
    case CHUNK.PAGES:
    case CHUNK.TABLES:
    case CHUNK.PAYLOADS:
      return { kind, first: r.varint(), count: r.varint() };
    default:
      throw new RangeError(`the index names a chunk of unknown kind ${kind}`);
  }
}

export function readInstant(r: ByteReader): Instant {
  return { instructions: r.varint(), sequence: r.varint() };
}
