import type { MoveOptions } from './driver.ts';
import type { Search } from './search.ts';

/** How far back a hart's last instruction is looked for first, and by how much farther each time that is not enough. */
const NEAR = 64;
const FARTHER = 64;
/** Parts that a stretch is cut into to find where the hart executed last. */
const PARTS = 64;

/**
 * The last instant before `before` at which a hart executed, in instructions; undefined when it never did. A hart that sleeps may have done so
 * for long: stretches are replayed at full speed, and the hart's own count of instructions tells in which of them it ran. Moves.
 * @throws Interrupted
 */
export async function lastExecuted(
  search: Search,
  hart: number,
  before: number,
  options: MoveOptions,
): Promise<number | undefined> {
  const begin = search.driver.begin.instructions;
  let to = before;
  for (let distance = NEAR; to > begin; distance *= FARTHER) {
    let from = Math.max(begin, before - distance);
    let length = Math.ceil((to - from) / PARTS);
    let found = await lastPart(search, hart, from, to, length, options);
    if (found === undefined) {
      to = from;
      continue;
    }
    while (length > 1) {
      from = found;
      to = Math.min(to, from + length);
      length = Math.ceil(length / PARTS);
      found = (await lastPart(search, hart, from, to, length, options)) ?? from;
    }
    return found;
  }
  return undefined;
}

/** Where the last part of [from, to) begins in which the hart executed. */
async function lastPart(
  search: Search,
  hart: number,
  from: number,
  to: number,
  length: number,
  options: MoveOptions,
): Promise<number | undefined> {
  const state = search.driver.engine.harts[hart];
  await search.goTo({ instructions: from, sequence: 0 }, { signal: options.signal });
  let count = state.get('ticksEnd');
  let last: number | undefined;
  for (let at = from; at < to; at += length) {
    await search.advance(Math.min(at + length, to), { signal: options.signal });
    await search.look(options);
    const now = state.get('ticksEnd');
    if (now !== count) last = at;
    count = now;
  }
  return last;
}
