import { type BlockBackend, checkRange } from './backend.ts';
import { type CachePolicy, POLICIES, type PolicyName } from './cache/policy.ts';

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

/** How a cache is to work. What is left out stays as it is. */
export interface CacheOptions {
  /** What stays when there is no room for all; default `s3fifo`. */
  readonly policy?: PolicyName;
  /** Bytes that are kept; at least one chunk is. */
  readonly bytes?: number;
}

/** What a cache did so far. Counts are of chunks that reads wanted, each time. */
export interface CacheStatistics {
  readonly policy: PolicyName;
  /** Bytes that it may keep, and keeps. */
  readonly capacity: number;
  readonly bytes: number;
  readonly hits: number;
  readonly misses: number;
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
  private policy!: CachePolicy;
  private readonly kept = new Map<number, Uint8Array>();
  private readonly coming = new Map<number, Promise<Uint8Array>>();
  private cache = { policy: 's3fifo' as PolicyName, bytes: 0 };
  private held = 0;
  private hits = 0;
  private misses = 0;

  /** @param cacheBytes how much is kept; at least one chunk is */
  constructor(source: ChunkSource, cacheBytes: number) {
    this.source = source;
    this.size = source.size;
    this.hash = source.hash;
    this.setCache({ bytes: cacheBytes });
  }

  /** Changes policy or size while it is used; what is kept stays as far as there is room. The guest notices nothing. */
  setCache(options: CacheOptions): void {
    this.cache = { ...this.cache, ...options };
    const capacity = Math.max(1, Math.floor(this.cache.bytes / this.source.chunkSize));
    this.policy = POLICIES[this.cache.policy](capacity, (index) => this.drop(index));
    for (const index of [...this.kept.keys()]) this.policy.use(index);
  }

  get statistics(): CacheStatistics {
    const { cache, held, hits, misses } = this;
    return { policy: cache.policy, capacity: cache.bytes, bytes: held, hits, misses };
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
    if (chunk === undefined) this.misses++;
    else {
      this.hits++;
      this.policy.use(index);
    }
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
    this.drop(index);
    this.kept.set(index, chunk);
    this.held += chunk.length;
    this.policy.use(index);
  }

  private drop(index: number): void {
    this.held -= this.kept.get(index)?.length ?? 0;
    this.kept.delete(index);
  }
}
