import { ByteReader } from '../bytes/reader.ts';
import type { ChunkPlace } from './chunk.ts';
import { AS_AT_START, CHUNK, FIRST_NUMBER, RecordingError, TABLE_PAGES, ZEROS } from './format.ts';
import { type IndexedChunk, readInstant } from './index-chunk.ts';
import type { CheckpointContents, StoredCheckpoint, StoredDiskChunk, StoredPage } from './recording.ts';

/** Bytes of a page, and of a chunk of a disk. */
const PAGE = 4096;

type Numbered = Extract<IndexedChunk, { readonly first: number }>;
type CheckpointChunk = Extract<IndexedChunk, { readonly kind: typeof CHUNK.CHECKPOINT }>;

interface ChunkBodies {
  body(place: ChunkPlace): Promise<Uint8Array>;
  bodies<T extends ChunkPlace>(places: readonly T[]): AsyncIterable<readonly [T, Uint8Array]>;
}

/** Reads checkpoints by themselves: of all pages and tables in the file, only the chunks that one needs. */
export class CheckpointReader {
  private readonly file: ChunkBodies;
  private readonly pages: readonly Numbered[];
  private readonly tables: readonly Numbered[];

  constructor(file: ChunkBodies, chunks: readonly IndexedChunk[]) {
    this.file = file;
    this.pages = chunks.filter((chunk): chunk is Numbered => chunk.kind === CHUNK.PAGES);
    this.tables = chunks.filter((chunk): chunk is Numbered => chunk.kind === CHUNK.TABLES);
  }

  /** The checkpoint of a chunk. */
  at(chunk: CheckpointChunk): StoredCheckpoint {
    const { at, time, events } = chunk;
    return { at, time, events, read: () => this.read(chunk) };
  }

  private async read(chunk: CheckpointChunk): Promise<CheckpointContents> {
    const name = `the checkpoint at offset ${chunk.offset}`;
    try {
      const r = new ByteReader(await this.file.body(chunk), name);
      readInstant(r);
      r.varint();
      r.varint();
      const state = r.bytes();
      const ram = readTableNumbers(r, false);
      const disks = Array.from({ length: r.varint() }, () => readTableNumbers(r, true));
      const tables = await this.readTables([ram, ...disks]);
      const pages = new Map<number, number>();
      for (const [block, number] of ram) {
        for (let i = 0; number !== AS_AT_START && i < TABLE_PAGES; i++) {
          const page = number === ZEROS ? ZEROS : tables.get(number)!.numbers[i];
          if (page !== AS_AT_START) pages.set(block * TABLE_PAGES + i, page);
        }
      }
      const chunks = disks.map((blocks) =>
        [...blocks].flatMap(([block, number]) => diskChunks(block * TABLE_PAGES, tables.get(number)!)),
      );
      return { state, pages, disks: chunks, fetch: (numbers) => this.fetch(numbers) };
    } catch (error) {
      if (error instanceof RangeError) throw new RecordingError(`${name} is damaged: ${error.message}`);
      throw error;
    }
  }

  private async readTables(all: readonly ReadonlyMap<number, number>[]): Promise<Map<number, Table>> {
    const wanted = new Set(all.flatMap((numbers) => [...numbers.values()].filter((n) => n >= FIRST_NUMBER)));
    const found = new Map<number, Table>();
    for await (const [{ first, count }, body] of this.file.bodies(chunksWith(this.tables, wanted))) {
      const r = new ByteReader(body, 'a chunk of tables', runHeader(body));
      for (let number = first; number < first + count; number++) {
        const length = r.varint();
        if (wanted.has(number)) found.set(number, readTable(new ByteReader(r.view(length), `table ${number}`)));
        else r.skip(length);
      }
    }
    return found;
  }

  private async fetch(numbers: Iterable<number>): Promise<Map<number, StoredPage>> {
    const wanted = new Set(numbers);
    const found = new Map<number, StoredPage>();
    for await (const [{ first, count }, body] of this.file.bodies(chunksWith(this.pages, wanted))) {
      const r = new ByteReader(body, 'a chunk of pages', runHeader(body));
      for (let number = first; number < first + count; number++) {
        const length = r.varint();
        if (length === 0 || length > PAGE) throw new RecordingError(`page ${number} is stored in ${length} bytes`);
        if (wanted.has(number)) found.set(number, { packed: length < PAGE, bytes: r.raw(length) });
        else r.skip(length);
      }
    }
    return found;
  }
}

/** Offset of what follows the first number and the count. */
function runHeader(body: Uint8Array): number {
  const r = new ByteReader(body, 'a chunk');
  r.varint();
  r.varint();
  return r.offset;
}

/** The chunks that hold any of these numbers. @throws RecordingError when one is in none */
function chunksWith(chunks: readonly Numbered[], wanted: ReadonlySet<number>): Numbered[] {
  const found = new Set<Numbered>();
  for (const number of wanted) {
    let low = 0;
    let high = chunks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (chunks[middle].first + chunks[middle].count <= number) low = middle + 1;
      else high = middle;
    }
    const chunk = chunks[low];
    if (chunk === undefined || chunk.first > number) throw new RecordingError(`number ${number} is not in the file`);
    found.add(chunk);
  }
  return [...found].sort((a, b) => a.offset - b.offset);
}

interface Table {
  readonly numbers: readonly number[];
  /** Of a disk: the sectors of each chunk that were written. */
  readonly masks: readonly number[];
}

function readTable(r: ByteReader): Table {
  const ofDisk = r.bool();
  const numbers: number[] = [];
  const masks: number[] = [];
  let last = 0;
  for (let i = 0; i < TABLE_PAGES; i++) {
    const mask = ofDisk ? r.u8() : 0;
    if (!ofDisk || mask !== 0) last += r.zigzag();
    masks.push(mask);
    numbers.push(last);
  }
  return { numbers, masks };
}

function diskChunks(first: number, { numbers, masks }: Table): StoredDiskChunk[] {
  return masks.flatMap((mask, i) => (mask === 0 ? [] : [{ id: first + i, mask, number: numbers[i] }]));
}

/** Numbers of tables by block. @param sparse each block is named */
function readTableNumbers(r: ByteReader, sparse: boolean): Map<number, number> {
  const numbers = new Map<number, number>();
  let block = 0;
  let last = 0;
  for (let count = r.varint(); count > 0; count--) {
    if (sparse) block += r.varint();
    last += r.zigzag();
    numbers.set(block, last);
    if (!sparse) block++;
  }
  return numbers;
}
