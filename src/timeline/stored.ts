import { compress, decompress } from '../bytes/compress.ts';
import { StateError, StateReader, StateWriter } from '../bytes/state-stream.ts';
import { PAGE_SIZE } from '../isa/layout.ts';
import type { Instant } from '../record/door.ts';
import type { OverlayChunk } from '../storage/index.ts';
import type { Checkpoint } from './checkpoints.ts';
import type { PageStore } from './page-store.ts';
import type { PageTable } from './page-table.ts';

/**
 * A checkpoint in a recording: what differs from the one stored before; for the first, from the machine at power-on.
 *
 * ```
 * instant   instructions f64, sequence u32     time f64     events u32     state bytes
 * pages     count u32, each: page u32, compressed bool, contents bytes; zero pages have none
 * disks     count u32, each: removed chunks count u32 + ids u32; written chunks count u32, each: id u32, sectors u8, compressed contents bytes
 * ```
 */
export interface StoredCheckpoint {
  readonly at: Instant;
  readonly time: number;
  readonly events: number;
  readonly state: Uint8Array;
  readonly pages: readonly { readonly page: number; readonly packed: boolean; readonly bytes: Uint8Array }[];
  readonly disks: readonly { readonly removed: readonly number[]; readonly written: readonly OverlayChunk[] }[];
}

/** Writes a checkpoint as the difference from another. */
export function packCheckpoint(
  checkpoint: Checkpoint,
  before: { readonly ram: PageTable; readonly disks: Checkpoint['disks'] },
  store: PageStore,
): Uint8Array {
  const w = new StateWriter();
  w.f64(checkpoint.at.instructions);
  w.u32(checkpoint.at.sequence);
  w.f64(checkpoint.time);
  w.u32(checkpoint.events);
  w.bytes(checkpoint.state);
  const pages = [...checkpoint.ram.difference(before.ram)];
  w.u32(pages.length);
  for (const page of pages) {
    const { packed, bytes } = store.packed(checkpoint.ram.get(page));
    w.u32(page);
    w.bool(packed);
    w.bytes(bytes);
  }
  w.u32(checkpoint.disks.length);
  checkpoint.disks.forEach((chunks, i) => {
    const old = new Map(before.disks[i]?.map((chunk) => [chunk.id, chunk]));
    const written = chunks.filter(
      (chunk) => old.get(chunk.id)?.data !== chunk.data || old.get(chunk.id)?.mask !== chunk.mask,
    );
    const kept = new Set(chunks.map(({ id }) => id));
    const removed = [...old.keys()].filter((id) => !kept.has(id));
    w.u32(removed.length);
    for (const id of removed) w.u32(id);
    w.u32(written.length);
    for (const { id, mask, data } of written) {
      w.u32(id);
      w.u8(mask);
      w.bytes(compress(data));
    }
  });
  return w.finish();
}

/** Reads what {@link packCheckpoint} wrote. @throws StateError when it is damaged */
export function unpackCheckpoint(body: Uint8Array, pageCount: number): StoredCheckpoint {
  const r = new StateReader(body);
  const at = { instructions: r.f64(), sequence: r.u32() };
  const time = r.f64();
  const events = r.u32();
  const state = r.bytes();
  const pages = Array.from({ length: r.u32() }, () => {
    const page = r.u32();
    if (page >= pageCount) throw new StateError(`a checkpoint has page ${page}, the machine has ${pageCount}`);
    return { page, packed: r.bool(), bytes: r.bytes() };
  });
  const disks = Array.from({ length: r.u32() }, () => {
    const removed = Array.from({ length: r.u32() }, () => r.u32());
    const written = Array.from({ length: r.u32() }, () => {
      const id = r.u32();
      const mask = r.u8();
      const data = new Uint8Array(PAGE_SIZE);
      decompress(r.bytes(), data);
      return { id, mask, data, generation: 0 };
    });
    return { removed, written };
  });
  return { at, time, events, state, pages, disks };
}
