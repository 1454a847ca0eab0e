import { toHex } from '../bytes/hex.ts';
import { ByteReader } from '../bytes/reader.ts';
import type { ChunkPlace } from './chunk.ts';
import { CHUNK, RecordingError } from './format.ts';
import type { IndexedChunk } from './index-chunk.ts';
import type { EmbeddedImage } from './recording.ts';

/** Pieces kept of those read last. */
const KEPT = 8;

type Piece = Extract<IndexedChunk, { readonly kind: typeof CHUNK.IMAGE }>;

interface ChunkBodies {
  body(place: ChunkPlace): Promise<Uint8Array>;
}

/** What a piece says before its bytes. */
export function readImagePiece(r: ByteReader): { hash: string; size: number; at: number } {
  return { hash: toHex(r.view(32)), size: r.varint(), at: r.varint() };
}

/** The files of which all pieces are there. */
export function collectImages(file: ChunkBodies, chunks: readonly IndexedChunk[]): Map<string, EmbeddedImage> {
  const pieces = new Map<string, Piece[]>();
  for (const chunk of chunks) {
    if (chunk.kind !== CHUNK.IMAGE) continue;
    const others = pieces.get(chunk.hash);
    if (others === undefined) pieces.set(chunk.hash, [chunk]);
    else others.push(chunk);
  }
  const images = new Map<string, EmbeddedImage>();
  for (const [hash, parts] of pieces) {
    const image = new PiecedImage(file, parts);
    if (image.whole) images.set(hash, image);
  }
  return images;
}

/** A file in pieces of one size, the last one shorter. */
class PiecedImage implements EmbeddedImage {
  readonly size: number;
  /** Whether its first and last piece are there; they are written in order. */
  readonly whole: boolean;
  private readonly file: ChunkBodies;
  private readonly pieces: readonly Piece[];
  private readonly pieceSize: number;
  /** Oldest use first. */
  private readonly kept = new Map<number, Promise<Uint8Array>>();

  constructor(file: ChunkBodies, pieces: readonly Piece[]) {
    this.file = file;
    this.pieces = pieces;
    this.size = pieces[0].size;
    this.pieceSize = pieces[1]?.at ?? this.size;
    this.whole =
      pieces.length === Math.max(1, Math.ceil(this.size / Math.max(1, this.pieceSize))) &&
      pieces.every(({ at, size }, i) => at === i * this.pieceSize && size === this.size);
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const into = new Uint8Array(length);
    for (let at = 0; at < length; ) {
      const index = Math.floor((offset + at) / this.pieceSize);
      const within = offset + at - index * this.pieceSize;
      const piece = await this.piece(index);
      const part = piece.subarray(within, Math.min(piece.length, within + length - at));
      into.set(part, at);
      at += part.length;
    }
    return into;
  }

  private piece(index: number): Promise<Uint8Array> {
    let piece = this.kept.get(index);
    this.kept.delete(index);
    piece ??= this.load(index);
    this.kept.set(index, piece);
    if (this.kept.size > KEPT) this.kept.delete(this.kept.keys().next().value!);
    // A piece that could not be read is tried again the next time it is wanted.
    piece.catch(() => this.kept.delete(index));
    return piece;
  }

  private async load(index: number): Promise<Uint8Array> {
    const place = this.pieces[index];
    const r = new ByteReader(await this.file.body(place), 'a piece of a file');
    const { at } = readImagePiece(r);
    const expected = Math.min(this.pieceSize, this.size - at);
    if (at !== place.at || r.remaining !== expected)
      throw new RecordingError(`the piece of a file at offset ${place.offset} has ${r.remaining} bytes at ${at}`);
    return r.view(expected);
  }
}
