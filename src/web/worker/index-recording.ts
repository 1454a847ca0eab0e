import { GuestInfo } from '../../debug/guest-info.ts';
import { createHostRoom } from '../../host/room.ts';
import type { Breakpoint } from '../../timeline/breakpoints.ts';
import { GrowingCheckpoints } from './growing-checkpoints.ts';
import type { News, PointLane, RemoteDisk, SiteFile } from './protocol.ts';
import { type Inspected, openRecording } from './recordings.ts';
import { Sampler } from './sampler.ts';
import { SYSCALL_ENTRY } from './steps.ts';
import { Telling } from './telling.ts';

/** Stretches that the index of a recording is made in, and the shortest of them in instructions. */
const STRETCHES = 3000;
const SHORTEST = 200_000;
/** Milliseconds between reports of how far it is, and reports between checkpoints that are handed over. */
const REPORT_EVERY = 100;
const SHARE_EVERY = 10;
/** Bytes for checkpoints here: those that were handed over are needed no longer. */
const BUDGET = 48 * 2 ** 20;

/** Functions of Linux where something with a lane begins (arch/riscv/kernel/traps.c, block/blk-mq.c). */
const ENTRIES: readonly (readonly [string, PointLane])[] = [
  [SYSCALL_ENTRY, 'syscalls'],
  ['do_irq', 'interrupts'],
  ['blk_mq_start_request', 'disk'],
];

/** Replays a recording from its beginning to its end, tells what happened, and hands over checkpoints. */
export async function indexRecording(
  inspected: Inspected,
  files: readonly SiteFile[],
  disks: readonly RemoteDisk[],
  tell: (news: News) => void,
): Promise<void> {
  const room = createHostRoom();
  const telling = new Telling(tell);
  let sampler: Sampler | undefined;
  const { ports } = inspected.recording.header;
  const timeline = await openRecording(inspected, files, disks, {
    straight: true,
    spacing: Infinity,
    budget: BUDGET,
    output(port, bytes) {
      // While it is opened nothing comes out that is new.
      if (sampler === undefined) return;
      tellEvents();
      sampler.output(ports.indexOf(port), bytes);
    },
  });
  const { begin, end, events } = timeline;
  const { engine } = timeline.session;
  const info = new GuestInfo(timeline.view);
  sampler = new Sampler(timeline.session, info, telling, room.now, false);
  let told = 0;
  // In order with what comes out: times in a lane ascend.
  function tellEvents(): void {
    while (told < events.length && events[told].at.instructions <= engine.instructions) sampler!.event(events[told++]);
  }
  const length = Math.max(1, end.instructions - begin.instructions);
  const stretch = Math.max(SHORTEST, Math.ceil(length / STRETCHES));
  let entries: ReadonlyMap<bigint, PointLane> = new Map();
  let points: readonly Breakpoint[] = [];
  // Checkpoints are numbered by the file that they are in: a recording that holds some gets no others.
  const checkpoints = inspected.recording.checkpoints.length === 0 ? new GrowingCheckpoints(timeline) : undefined;
  const share = (): void => {
    const file = checkpoints?.take();
    if (file !== undefined) tell({ kind: 'checkpoints', file });
  };
  let reportedAt = room.now();
  let reports = 0;
  for (let at = begin.instructions; at < end.instructions; ) {
    if (points.length === 0 && sampler.knowsKernel) {
      entries = entriesOf(info);
      points = [...entries.keys()].map((start) => ({ kind: 'execute', start, end: start + 1n }));
    }
    at = Math.min(at + stretch, end.instructions);
    const to = at === end.instructions ? end : { instructions: at, sequence: 0 };
    if (points.length === 0) await timeline.seek(to);
    else
      await timeline.scan(points, to, ({ pc }) => {
        telling.point(entries.get(pc)!, engine.instructions, engine.time);
        return true;
      });
    tellEvents();
    sampler.sample();
    checkpoints?.maybeTake();
    if (room.now() - reportedAt < REPORT_EVERY) continue;
    reportedAt = room.now();
    telling.flush();
    tell({ kind: 'index', done: (at - begin.instructions) / length });
    if (++reports % SHARE_EVERY === 0) share();
    await room.yieldToHost();
  }
  telling.flush();
  share();
  tell({ kind: 'index', done: 1 });
  await timeline.close();
}

/** Lanes by the address that is reached when something of theirs begins. */
function entriesOf(info: GuestInfo): ReadonlyMap<bigint, PointLane> {
  const entries = new Map<bigint, PointLane>();
  for (const [name, lane] of ENTRIES) {
    const address = info.address(name);
    if (address !== undefined) entries.set(address, lane);
  }
  return entries;
}
