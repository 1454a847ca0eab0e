import { condition } from '../../debug/expression/scope.ts';
import { type AccessOrigin, Origins } from '../../debug/origin.ts';
import type { Breakpoint } from '../../timeline/breakpoints.ts';
import type { MoveOptions } from '../../timeline/driver.ts';
import type { MoveResult } from '../../timeline/mover.ts';
import type { AccessSearch, PlaceSearch } from './protocol.ts';
import type { LookedAt } from './questions/looked-at.ts';
import { addressOf } from './questions/memory.ts';

/** The access to memory that is nearest to here, on one side. Does not move. */
export function findAccess(
  { timeline, info }: LookedAt,
  { kind, direction, address, length, hart, process }: AccessSearch,
  options: MoveOptions,
): Promise<AccessOrigin | 'interrupted' | undefined> {
  const origins = new Origins(timeline, info);
  const question = { kind, address, length, space: process === undefined ? { hart } : { process } };
  return direction > 0 ? origins.nextAccess(question, options) : origins.lastAccess(question, options);
}

/** Goes to where a place is reached, or memory is touched, on one side of here. @throws DebugError when the place or the condition cannot be read */
export function goToPlace(
  lookedAt: LookedAt,
  { kind, place, length, when, direction, hart }: PlaceSearch,
  options: MoveOptions,
): Promise<MoveResult> {
  const start = addressOf(lookedAt, hart, place);
  const point: Breakpoint = {
    kind,
    start,
    end: start + BigInt(kind === 'execute' ? 1 : length),
    ...(when !== '' && { when: condition(when, lookedAt.info) }),
  };
  const { timeline } = lookedAt;
  return direction > 0 ? timeline.continue([point], options) : timeline.reverseContinue([point], options);
}
