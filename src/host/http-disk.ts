import { SECTOR } from '../storage/backend.ts';
import { type CacheOptions, type CacheStatistics, ChunkedBackend, type ChunkSource } from '../storage/chunked.ts';
import { HttpSource, ServerBusyError } from './sources.ts';

/** Bytes that are fetched at a time. */
const CHUNK = 128 * 1024;
/** Bytes of it that are kept in memory. */
const MEMORY = 64 * 2 ** 20;
/** Milliseconds before a fetch that failed is tried again. */
const RETRIES = [250, 1000, 4000];
/** What the name of a disk on a server begins with; what the server tells versions apart by follows. */
export const HTTP_NAME = 'http:';

/** A disk on a server cannot be used; the message names it and says what to do. */
class HttpDiskError extends Error {
  override name = 'HttpDiskError';
}

/** The server does not answer, now. */
class UnreachableError extends HttpDiskError {}

/** Where chunks are kept between runs. */
export interface ChunkStore {
  get(index: number): Uint8Array | undefined;
  put(index: number, bytes: Uint8Array): void;
}

export interface HttpDiskOptions {
  /** How chunks are kept in memory; 64 MiB by S3-FIFO if not said. */
  readonly cache?: CacheOptions;
  /** Opens the store for the chunks of a disk of that name and size; without one they are kept in memory only. */
  readonly store?: (name: string, chunkSize: number, size: number) => ChunkStore;
  /** What the disk is known to be: it opens although the server cannot be reached, and reads what the store has. */
  readonly known?: { readonly hash: string; readonly size: number };
  /** Milliseconds of the waits between tries; for tests. */
  readonly retries?: readonly number[];
}

/** Where the chunks came from that reads wanted. */
export interface HttpDiskStatistics {
  readonly memory: CacheStatistics;
  /** Chunks that the store had, and bytes of them. */
  readonly stored: { readonly chunks: number; readonly bytes: number };
  /** Chunks that the server sent, and bytes of them. */
  readonly fetched: { readonly chunks: number; readonly bytes: number };
}

/** A disk on a web server, behind a cache in memory and a store; see {@link openHttpDisk}. */
export class HttpDisk extends ChunkedBackend {
  private readonly counts: Omit<HttpDiskStatistics, 'memory'>;

  constructor(source: ChunkSource, counts: Omit<HttpDiskStatistics, 'memory'>) {
    super(source, MEMORY);
    this.counts = counts;
  }

  /** What each tier did so far. */
  get tiers(): HttpDiskStatistics {
    return { memory: this.statistics, ...this.counts };
  }
}

/**
 * A disk image on a web server, fetched piece by piece where the guest reads it (RFC 9110, section 14). While a piece is on its way the machine waits
 * and guest time does not pass. Its name is what the server tells versions apart by: a strong ETag or a date.
 * @throws HttpDiskError when the server knows no ranges, or does not say when a file changed
 */
export async function openHttpDisk(url: string, options: HttpDiskOptions = {}): Promise<HttpDisk> {
  const retries = options.retries ?? RETRIES;
  const source = await tried(url, retries, () => HttpSource.open(url)).catch((error: unknown) => {
    if (options.known === undefined || !(error instanceof UnreachableError)) throw error;
    return undefined;
  });
  if (source !== undefined && source.version === undefined)
    throw new HttpDiskError(
      `disk ${url}: the server says neither ETag nor Last-Modified, so nobody could tell whether it changed: download it`,
    );
  const size = source === undefined ? options.known!.size : Math.ceil(source.size / SECTOR) * SECTOR;
  if (size === 0) throw new HttpDiskError(`disk ${url} is empty`);
  const hash = source === undefined ? options.known!.hash : `${HTTP_NAME}${source.version}`;
  const store = options.store?.(`${url}\n${hash}`, CHUNK, size);
  const stored = { chunks: 0, bytes: 0 };
  const fetched = { chunks: 0, bytes: 0 };
  const count = (tier: { chunks: number; bytes: number }, bytes: Uint8Array): Uint8Array => {
    tier.chunks++;
    tier.bytes += bytes.length;
    return bytes;
  };
  const disk = new HttpDisk(
    {
      size,
      hash,
      chunkSize: CHUNK,
      async fetch(index) {
        const kept = store?.get(index);
        if (kept !== undefined) return count(stored, kept);
        const at = index * CHUNK;
        if (source === undefined)
          throw new HttpDiskError(
            `disk ${url}: the server cannot be reached, and what is at byte ${at} is not kept here`,
          );
        const bytes = new Uint8Array(Math.min(CHUNK, size - at));
        bytes.set(await tried(url, retries, () => source.read(at, Math.min(CHUNK, source.size - at))));
        store?.put(index, bytes);
        return count(fetched, bytes);
      },
    },
    { stored, fetched },
  );
  if (options.cache !== undefined) disk.setCache(options.cache);
  return disk;
}

/** Tries again what failed on the way to the server, or what it says it may do later; what else it says is final. */
async function tried<T>(url: string, waits: readonly number[], action: () => Promise<T>): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await action();
    } catch (error) {
      const lost =
        error instanceof TypeError || error instanceof ServerBusyError || (error as Error).name === 'TimeoutError';
      if (!lost) throw new HttpDiskError(`disk ${(error as Error).message}`, { cause: error });
      if (attempt >= waits.length) {
        const { cause } = error as { cause?: Error };
        throw new UnreachableError(
          `disk ${url}: the server cannot be reached (${cause?.message ?? (error as Error).message}), tried ${attempt + 1} times`,
          { cause: error },
        );
      }
      await new Promise((resolve) => setTimeout(resolve, waits[attempt]));
    }
  }
}
