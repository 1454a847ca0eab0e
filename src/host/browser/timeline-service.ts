import { describeEvent } from '../../record/describe.ts';
import type { MoveOptions } from '../../timeline/driver.ts';
import type { MoveResult } from '../../timeline/mover.ts';
import type { Timeline } from '../../timeline/timeline.ts';
import type { TimelineService, WorkerMove } from './service.ts';

/** A move's end without the point that was met: it may hold functions, which do not cross. */
function crossing({ hit, ...move }: MoveResult): WorkerMove {
  if (hit === undefined) return move;
  const { point: _, ...met } = hit;
  return { ...move, hit: met };
}

/** A timeline for the page. */
export function timelineService(timeline: Timeline): TimelineService {
  let moving: AbortController | undefined;
  const move = async (act: (options: MoveOptions) => Promise<MoveResult>): Promise<WorkerMove> => {
    const mine = new AbortController();
    moving = mine;
    return crossing(await act({ signal: mine.signal }));
  };
  return {
    where: () => ({ at: timeline.at, begin: timeline.begin, end: timeline.end, guestTime: timeline.guestTime }),
    events: () => timeline.events.map((event) => describeEvent(event, timeline.log.header)),
    seek: (to) => move((options) => timeline.seek(to, options)),
    step: (count, how) => move((options) => timeline.step(count, { ...how, ...options })),
    reverseStep: (count, how) => move((options) => timeline.reverseStep(count, { ...how, ...options })),
    continue: (what, how) => move((options) => timeline.continue(what, { ...how, ...options })),
    reverseContinue: (what, how) => move((options) => timeline.reverseContinue(what, { ...how, ...options })),
    lastWrite: (address, length, hart) =>
      move((options) => timeline.lastWrite(address, length, { ...options, ...(hart !== undefined && { hart }) })),
    nextInput: () => move((options) => timeline.nextInput(options)),
    previousInput: () => move((options) => timeline.previousInput(options)),
    interrupt: () => moving?.abort(),
    hash: () => timeline.hash(),
    readPhysical: (address, length) => timeline.view.readPhysical(address, length),
  };
}
