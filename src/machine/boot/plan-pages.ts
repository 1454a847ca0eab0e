import { PAGE_SIZE } from '../../isa/layout.ts';
import { RAM_BASE } from '../board/memory-map.ts';
import type { PageSource } from '../memory/absent-pages.ts';
import type { BootPlan } from './plan.ts';

/** What a boot plan puts into RAM, page by page; all other pages are zero at power-on. */
export class PlanPages implements PageSource {
  /** Pages that are not all zeros, each once, in no particular order. */
  readonly pages: ReadonlySet<number>;
  private readonly plan: BootPlan;

  constructor(plan: BootPlan) {
    this.plan = plan;
    const pages = new Set<number>();
    for (const { address, bytes } of plan.placements) {
      const start = address - RAM_BASE;
      const end = Math.ceil((start + bytes.length) / PAGE_SIZE);
      for (let page = Math.floor(start / PAGE_SIZE); page < end; page++) pages.add(page);
    }
    this.pages = pages;
  }

  read(page: number, into: Uint8Array): void {
    into.fill(0);
    const start = RAM_BASE + page * PAGE_SIZE;
    for (const { address, bytes, ready } of this.plan.placements) {
      const from = Math.max(start, address);
      const to = Math.min(start + PAGE_SIZE, address + bytes.length);
      if (from >= to) continue;
      ready?.(from - address, to - from);
      into.set(bytes.subarray(from - address, to - address), from - start);
    }
  }
}
