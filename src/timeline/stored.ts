import { compress } from '../bytes/compress.ts';
import { ByteWriter } from '../bytes/writer.ts';
import { PAGE_SIZE } from '../isa/layout.ts';
import type { Instant } from '../record/door.ts';
import { AS_AT_START, FIRST_NUMBER, TABLE_PAGES, ZEROS } from '../record/format.ts';
import type { PackedCheckpoint, PackedRun } from '../record/writer.ts';
import type { OverlayChunk } from '../storage/index.ts';
import type { ChunkList } from './disk-chunks.ts';
import { type PageStore, ZERO_PAGE } from './page-store.ts';
import type { PageTable, TableBlock } from './page-table.ts';

/** Bytes of pages in one chunk, about. */
const RUN_BYTES = 2 ** 20;

/** What a checkpoint is made of. */
export interface MachineContents {
  readonly at: Instant;
  readonly time: number;
  readonly events: number;
  readonly state: Uint8Array;
  readonly ram: PageTable;
  readonly disks: readonly ChunkList[];
}

/** What was written of a table of a disk last. */
interface WrittenTable {
  readonly chunks: ChunkList;
  readonly number: number;
}

/**
 * Turns checkpoints into what a recording stores: pages and tables that are not in it yet, each under a number, and a checkpoint that names its
 * tables. So what is equal is stored once, and every checkpoint can be read by itself.
 */
export class CheckpointPacker {
  private readonly store: PageStore;
  private readonly start: PageTable | undefined;
  private readonly pages = new Runs();
  private readonly tables = new Runs();
  private readonly numbered = new WeakMap<TableBlock, number>();
  private readonly diskTables: Map<number, WrittenTable>[] = [];
  private readonly diskPages = new WeakMap<Uint8Array, number>();

  /** @param start RAM at the recording's start, if the machine was there: what lies as it lay then is not stored */
  constructor(store: PageStore, start?: PageTable) {
    this.store = store;
    this.start = start;
  }

  /** Numbers what follows from these on, at least. */
  numberFrom(pages: number, tables: number): void {
    this.pages.numberFrom(pages);
    this.tables.numberFrom(tables);
  }

  pack({ at, time, events, state, ram, disks }: MachineContents): PackedCheckpoint {
    const w = new ByteWriter();
    w.varint(at.instructions);
    w.varint(at.sequence);
    w.varint(time);
    w.varint(events);
    w.bytes(state);
    w.varint(ram.blocks.length);
    let last = 0;
    ram.blocks.forEach((block, i) => {
      const number = this.ramTable(block, i);
      w.zigzag(number - last);
      last = number;
    });
    w.varint(disks.length);
    disks.forEach((chunks, disk) => this.disk(w, chunks, disk));
    return { pages: this.pages.take(), tables: this.tables.take(), body: w.finish(), at, time, events };
  }

  private ramTable(block: TableBlock, index: number): number {
    const known = this.numbered.get(block);
    if (known !== undefined) return known;
    const start = this.start?.blocks[index];
    const numbers = Array.from(block.ids, (id, i) => {
      if (start !== undefined && start.ids[i] === id) return AS_AT_START;
      return id === ZERO_PAGE ? ZEROS : this.page(id);
    });
    const number = numbers.every((n) => n === AS_AT_START) ? AS_AT_START : this.table(numbers);
    // The same block at another place has other pages at the start.
    if (start === undefined || block === start || !numbers.includes(AS_AT_START)) this.numbered.set(block, number);
    return number;
  }

  private page(id: number): number {
    const known = this.store.numberOf(id);
    if (known !== 0) return known;
    const number = this.pages.add(this.store.packed(id).bytes);
    this.store.setNumber(id, number);
    return number;
  }

  private table(numbers: readonly number[], masks?: readonly number[]): number {
    if (masks === undefined && numbers.every((n) => n === ZEROS)) return ZEROS;
    const w = new ByteWriter();
    w.bool(masks !== undefined);
    let last = 0;
    for (let i = 0; i < TABLE_PAGES; i++) {
      if (masks !== undefined) w.u8(masks[i]);
      if (masks?.[i] === 0) continue;
      w.zigzag(numbers[i] - last);
      last = numbers[i];
    }
    return this.tables.add(w.finish());
  }

  private disk(w: ByteWriter, chunks: ChunkList, disk: number): void {
    this.diskTables[disk] ??= new Map();
    const written = this.diskTables[disk];
    const byTable = new Map<number, OverlayChunk[]>();
    for (const chunk of chunks) {
      const index = Math.floor(chunk.id / TABLE_PAGES);
      const others = byTable.get(index);
      if (others === undefined) byTable.set(index, [chunk]);
      else others.push(chunk);
    }
    w.varint(byTable.size);
    let lastIndex = 0;
    let lastNumber = 0;
    for (const [index, list] of byTable) {
      const before = written.get(index);
      const same = before?.chunks.length === list.length && before.chunks.every((chunk, i) => chunk === list[i]);
      const number = same ? before.number : this.diskTable(list);
      if (!same) written.set(index, { chunks: list, number });
      w.varint(index - lastIndex);
      w.zigzag(number - lastNumber);
      lastIndex = index;
      lastNumber = number;
    }
  }

  private diskTable(list: ChunkList): number {
    const numbers: number[] = new Array<number>(TABLE_PAGES).fill(0);
    const masks: number[] = new Array<number>(TABLE_PAGES).fill(0);
    for (const { id, mask, data } of list) {
      masks[id % TABLE_PAGES] = mask;
      numbers[id % TABLE_PAGES] = this.diskPage(data);
    }
    return this.table(numbers, masks);
  }

  private diskPage(data: Uint8Array): number {
    let number = this.diskPages.get(data);
    if (number === undefined) {
      if (data.every((byte) => byte === 0)) number = ZEROS;
      else {
        const packed = compress(data);
        number = this.pages.add(packed.length < PAGE_SIZE ? packed : data);
      }
      this.diskPages.set(data, number);
    }
    return number;
  }
}

/** Numbers things and puts them into runs, each after its length. */
class Runs {
  private done: PackedRun[] = [];
  private w = new ByteWriter();
  private first = FIRST_NUMBER;
  private count = 0;

  add(bytes: Uint8Array): number {
    this.w.varint(bytes.length);
    this.w.raw(bytes);
    const number = this.first + this.count++;
    if (this.w.length >= RUN_BYTES) this.end();
    return number;
  }

  numberFrom(first: number): void {
    this.end();
    this.first = Math.max(this.first, first);
  }

  take(): readonly PackedRun[] {
    this.end();
    return this.done.splice(0);
  }

  private end(): void {
    const { first, count } = this;
    if (count === 0) return;
    this.done.push({ first, count, body: this.w.take() });
    this.first += count;
    this.count = 0;
  }
}
