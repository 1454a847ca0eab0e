import { createHash } from 'node:crypto';
import { closeSync, fstatSync, mkdirSync, openSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { crc32c } from '../../bytes/checksum.ts';
import type { ChunkStore } from '../http-disk.ts';

/** Bytes of a record of the index: chunk and CRC-32C of its bytes, u32 each. */
const RECORD = 8;

/**
 * Chunks of one disk in a sparse file, with an index that only grows. A chunk counts once its record is there, and is compared with it when it is
 * read: what a crash left half written, or damage, is fetched again. Machines that share the file write the same bytes.
 */
export class ChunkFile implements ChunkStore {
  private readonly data: number;
  private readonly index: number;
  private readonly chunkSize: number;
  private readonly size: number;
  private readonly sums = new Map<number, number>();

  /** @param name of what is kept: another name, another file */
  constructor(folder: string, name: string, chunkSize: number, size: number) {
    mkdirSync(folder, { recursive: true });
    const file = join(folder, createHash('sha256').update(`${name}\n${chunkSize}\n${size}`).digest('hex').slice(0, 32));
    this.chunkSize = chunkSize;
    this.size = size;
    this.data = openSync(`${file}.chunks`, 'a+');
    closeSync(this.data);
    this.data = openSync(`${file}.chunks`, 'r+');
    this.index = openSync(`${file}.index`, 'a+');
    const records = Buffer.alloc(Math.floor(fstatSync(this.index).size / RECORD) * RECORD);
    readSync(this.index, records, 0, records.length, 0);
    for (let at = 0; at < records.length; at += RECORD)
      this.sums.set(records.readUInt32LE(at), records.readUInt32LE(at + 4));
  }

  get(index: number): Uint8Array | undefined {
    const sum = this.sums.get(index);
    if (sum === undefined) return undefined;
    const bytes = new Uint8Array(Math.min(this.chunkSize, this.size - index * this.chunkSize));
    const got = readSync(this.data, bytes, 0, bytes.length, index * this.chunkSize);
    if (got === bytes.length && crc32c(bytes) === sum) return bytes;
    this.sums.delete(index);
    return undefined;
  }

  put(index: number, bytes: Uint8Array): void {
    const sum = crc32c(bytes);
    writeSync(this.data, bytes, 0, bytes.length, index * this.chunkSize);
    const record = Buffer.alloc(RECORD);
    record.writeUInt32LE(index, 0);
    record.writeUInt32LE(sum, 4);
    writeSync(this.index, record);
    this.sums.set(index, sum);
  }
}
