import { PAGE_SIZE } from '../isa/layout.ts';
import { RAM_BASE } from '../machine/board/memory-map.ts';
import type { Engine } from '../machine/engine/engine.ts';
import type { PageStore } from './page-store.ts';

/**
 * Pages of a machine at power-on, without reading its RAM: what the boot plan places there is shared with the plan.
 * @returns the pages that are not zero, with their ids, each used once
 */
export function pristinePages({ plan, memory }: Engine, store: PageStore): Map<number, number> {
  const ids = new Map<number, number>();
  const mixed = new Set<number>();
  for (const { address, bytes } of plan.placements) {
    const start = address - RAM_BASE;
    const first = Math.floor(start / PAGE_SIZE);
    const last = Math.ceil((start + bytes.length) / PAGE_SIZE);
    for (let page = first; page < last; page++) {
      const at = page * PAGE_SIZE - start;
      if (at >= 0 && at + PAGE_SIZE <= bytes.length) ids.set(page, store.borrow(bytes.subarray(at, at + PAGE_SIZE)));
      else mixed.add(page);
    }
  }
  for (const page of mixed) ids.set(page, store.keep(memory.ramWords, (page * PAGE_SIZE) / 4));
  return ids;
}
