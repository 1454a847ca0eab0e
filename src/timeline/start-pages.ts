import { PAGE_SIZE } from '../isa/layout.ts';
import type { Engine } from '../machine/engine/engine.ts';
import type { PageStore } from './page-store.ts';

/**
 * Pages of a machine where it starts, without reading its RAM: what was not touched since is shared with the boot plan or the snapshot.
 * @param changed pages that were changed since RAM was zero, each once @returns the pages that are not zero, with their ids, each used once
 */
export function startPages({ memory }: Engine, changed: readonly number[], store: PageStore): Map<number, number> {
  const { absent, ramWords } = memory;
  const ids = new Map<number, number>();
  for (const page of changed) {
    const source = absent.has(page) ? absent.source : undefined;
    ids.set(page, source === undefined ? store.keep(ramWords, (page * PAGE_SIZE) / 4) : store.lend(source, page));
  }
  return ids;
}
