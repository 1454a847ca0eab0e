import { type BlockBackend, checkRange } from './backend.ts';
import { type CachePolicy, POLICIES } from './cache/policy.ts';

/** Where a {@link ChunkedBackend} has its bytes from: a file, a server, a cache on this machine. */
export interface ChunkSource {
  /** Size of the contents in bytes, a multiple of 512. */
  readonly size: number;
  /** SHA-256 of the contents. */
  readonly hash: string;
  /** Bytes of a chunk; only the last one may be shorter. */
  readonly chunkSize: number;
  /** Fetches chunk `index`: bytes `index · chunkSize` and following. An error (or rejection) names the source. */
  fetch(index: number): Promise<Uint8Array>;
}

/**
 * A base that arrives in chunks, some time after it was asked for, with those kept that are used again (S3-FIFO). Reads wanting the same chunk share
 * one fetch; a fetch that failed is tried again by the next read.
 */
export class ChunkedBackend implements BlockBackend {
  readonly size: number;
  readonly hash: string;
  readonly immediate = false;
  private readonly source: ChunkSource;
  /** Decides what stays: reading something large once does not push out what is read again and again. */
  private readonly policy: CachePolicy;
  private readonly kept = new Map<number, Uint8Array>();
  private readonly coming = new Map<number, Promise<Uint8Array>>();

  /** @param cacheBytes how much is kept; at least one chunk is */
  constructor(source: ChunkSource, cacheBytes: number) {
    this.source = source;
    this.size = source.size;
    this.hash = source.hash;
    const capacity = Math.max(1, Math.floor(cacheBytes / source.chunkSize));
    this.policy = POLICIES.s3fifo(capacity, (index) => this.kept.delete(index));
  }

  read(offset: number, into: Uint8Array): void | Promise<void> {
    checkRange(offset, into.length, this.size);
    const { chunkSize } = this.source;
    const waiting: Promise<void>[] = [];
    for (let at = 0; at < into.length; ) {
      const index = Math.floor((offset + at) / chunkSize);
      const within = offset + at - index * chunkSize;
      const piece = into.subarray(at, at + Math.min(chunkSize - within, into.length - at));
      const copy = (chunk: Uint8Array): void => piece.set(chunk.subarray(within, within + piece.length));
      const kept = this.recall(index);
      if (kept !== undefined) copy(kept);
      else waiting.push(this.fetch(index).then(copy));
      at += piece.length;
    }
    if (waiting.length > 0) return Promise.all(waiting).then(() => undefined);
  }

  private recall(index: number): Uint8Array | undefined {
    const chunk = this.kept.get(index);
    if (chunk !== undefined) this.policy.use(index);
    return chunk;
  }

  private fetch(index: number): Promise<Uint8Array> {
    let promise = this.coming.get(index);
    if (promise === undefined) {
      promise = this.source
        .fetch(index)
        .then((chunk) => {
          const expected = Math.min(this.source.chunkSize, this.size - index * this.source.chunkSize);
          if (chunk.length !== expected)
            throw new RangeError(`disk chunk ${index} has ${chunk.length} bytes, expected ${expected}`);
          this.keep(index, chunk);
          return chunk;
        })
        .finally(() => this.coming.delete(index));
      this.coming.set(index, promise);
    }
    return promise;
  }

  private keep(index: number, chunk: Uint8Array): void {
    this.policy.use(index);
    this.kept.set(index, chunk);
  }
}
