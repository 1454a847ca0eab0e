import { PAGE_SIZE } from '../isa/layout.ts';
import { compareInstants, type Instant } from '../record/door.ts';
import type { Breakpoint, Hit } from './breakpoints.ts';
import type { MoveOptions } from './driver.ts';
import type { Search } from './search.ts';

/** A stretch of RAM, in bytes from its beginning. */
export interface RamRange {
  readonly start: number;
  readonly end: number;
}

/** An access that was made to memory: the machine is before it. */
export interface FoundAccess {
  readonly at: Instant;
  /** The hart that made the access; whose turn it was, when a device did. */
  readonly hart: number;
  /** Absent when a device made it. */
  readonly hit?: Hit;
  /** Name of the device that wrote; `machine` for firmware and what is loaded at power-on. */
  readonly device?: string;
}

/**
 * The last access before an instant: one that a hart makes through one of the points, or a write to the ranges by a device. Moves.
 * @param ranges where what the points watch lies in RAM, for writes: stretches in which no page of theirs was written are passed over
 * @throws Interrupted
 */
export async function lastAccess(
  search: Search,
  points: readonly Breakpoint[],
  ranges: readonly RamRange[],
  before: Instant,
  options: MoveOptions,
): Promise<FoundAccess | undefined> {
  const { engine } = search.driver;
  let from: Instant = before;
  let written: FoundAccess | undefined;
  const former = engine.observeRam((offset, length, device) => {
    if (!ranges.some(({ start, end }) => offset < end && offset + length > start)) return;
    const at = engine.instant;
    // On the way to a stretch others pass by, which are searched later.
    if (compareInstants(at, from) < 0 || compareInstants(at, before) >= 0) return;
    const name = device === undefined ? 'machine' : engine.portName(device);
    written = { at, hart: engine.currentHart, device: name };
  });
  try {
    const hit = await search.backward(points, before, options, false, {
      begins: (at) => {
        from = at;
      },
      found: () => written !== undefined,
      ...(ranges.length > 0 && { pages: pagesOf(ranges) }),
    });
    if (hit === undefined) return written;
    const later = written !== undefined && compareInstants(written.at, hit.at) > 0;
    return later ? written : { at: hit.at, hart: hit.hart, hit };
  } finally {
    engine.observeRam(former);
  }
}

/** Numbers of the pages that ranges of RAM lie on. */
function pagesOf(ranges: readonly RamRange[]): number[] {
  const pages = new Set<number>();
  for (const { start, end } of ranges)
    for (let page = Math.floor(start / PAGE_SIZE); page * PAGE_SIZE < end; page++) pages.add(page);
  return [...pages];
}
