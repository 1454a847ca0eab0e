import { join } from 'node:path';
import { type HttpDisk, type HttpDiskOptions, openHttpDisk } from '../http-disk.ts';
import { ChunkFile } from './chunk-file.ts';
import { cacheDirectory } from './guest/index.ts';

/** Whether a disk is named by where a server has it. */
export const isUrl = (file: string): boolean => /^https?:\/\//.test(file);

/**
 * Opens a disk on a web server; what is fetched is kept in the user's cache, for the next run and for other machines.
 * @param options.known what it was when it was recorded: then it opens without the server, too @throws HttpDiskError
 */
export const openUrl = (
  url: string,
  { known, cache }: Pick<HttpDiskOptions, 'known' | 'cache'> = {},
): Promise<HttpDisk> =>
  openHttpDisk(url, {
    ...(known && { known }),
    ...(cache && { cache }),
    store: (name, chunkSize, size) => new ChunkFile(join(cacheDirectory(), 'chunks'), name, chunkSize, size),
  });
