import { PAGE_SIZE } from '../isa/layout.ts';
import type { OverlayChunk } from '../storage/index.ts';

/** Written chunks of a disk; shared, never changed. */
export type ChunkList = readonly OverlayChunk[];

/** Memory of a list's entry, and of a chunk. */
const ENTRY_BYTES = 8;
const CHUNK_BYTES = PAGE_SIZE + 120;

/** Counts what the written disk chunks take that only checkpoints keep: those that the disks have themselves are not counted. */
export class DiskChunks {
  /** Bytes. */
  size = 0;
  /** How many checkpoints keep a list. */
  private readonly lists = new Map<ChunkList, number>();
  /** How many lists have a chunk's data. */
  private readonly kept = new Map<Uint8Array, number>();
  private present: readonly ChunkList[] = [];
  private presentData = new Set<Uint8Array>();

  /** The disks have these now. */
  setPresent(lists: readonly ChunkList[]): void {
    if (lists.length === this.present.length && lists.every((list, i) => list === this.present[i])) return;
    this.present = lists;
    for (const data of this.presentData) if (this.kept.has(data)) this.size += CHUNK_BYTES;
    this.presentData = new Set(lists.flatMap((list) => list.map(({ data }) => data)));
    for (const data of this.presentData) if (this.kept.has(data)) this.size -= CHUNK_BYTES;
  }

  /** A checkpoint keeps these. */
  use(lists: readonly ChunkList[]): void {
    for (const list of lists) {
      const uses = this.lists.get(list) ?? 0;
      this.lists.set(list, uses + 1);
      if (uses > 0) continue;
      this.size += list.length * ENTRY_BYTES;
      for (const { data } of list) {
        const before = this.kept.get(data) ?? 0;
        this.kept.set(data, before + 1);
        if (before === 0 && !this.presentData.has(data)) this.size += CHUNK_BYTES;
      }
    }
  }

  /** A checkpoint is dropped. */
  release(lists: readonly ChunkList[]): void {
    for (const list of lists) {
      const uses = this.lists.get(list)! - 1;
      if (uses > 0) {
        this.lists.set(list, uses);
        continue;
      }
      this.lists.delete(list);
      this.size -= list.length * ENTRY_BYTES;
      for (const { data } of list) {
        const left = this.kept.get(data)! - 1;
        if (left > 0) {
          this.kept.set(data, left);
          continue;
        }
        this.kept.delete(data);
        if (!this.presentData.has(data)) this.size -= CHUNK_BYTES;
      }
    }
  }
}
