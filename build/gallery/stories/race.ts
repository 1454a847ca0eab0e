import { readNumber } from '../../../src/machine/view/virtual-memory.ts';
import type { Instant } from '../../../src/record/door.ts';
import { compile } from '../program.ts';
import { type Past, recordShell, type Story } from '../story.ts';

/** Where the counter lies, and its bytes; see programs/counter.c. */
const COUNTER = 0x1000_0000n;
const SIZE = 8n;
const SEEDS = 32;
const RUNS = ['./counter', './counter', './counter'];
const RIGHT = /counted 96 of 96/g;

/** A store that is about to be made. */
interface Store {
  readonly at: Instant;
  readonly hart: number;
  /** What the counter holds before it. */
  readonly value: bigint;
}

/** A race that shows under one schedule in many. */
export const race: Story = {
  name: 'a-race-under-one-schedule-in-many',
  async record() {
    const { bytes } = compile('counter');
    for (let seed = 1; seed <= SEEDS; seed++) {
      const recorded = await recordShell({ '/root/counter': bytes }, RUNS, { harts: 2, chaos: true, seed });
      if ([...recorded.shown.matchAll(RIGHT)].length < RUNS.length) return recorded;
    }
    throw new Error(`no seed up to ${SEEDS} shows the race`);
  },
  async tell(past) {
    const { timeline } = past;
    const { other, lost, after } = await lostUpdate(past);
    await timeline.seek(lost.at);
    past.note(`3. Hart ${lost.hart} stores ${after}, but the counter is ${lost.value} already: a count is lost.`);
    await timeline.seek(other.at);
    past.note(`2. Hart ${other.hart} stores ${lost.value} in between.`);
    await timeline.seek(lost.at);
    const load = await timeline.reverseContinue({ read: [COUNTER, COUNTER + SIZE], hart: lost.hart });
    past.met(load, 'load');
    past.note(`1. Hart ${lost.hart} loads the counter, and its turn ends before it stores.`);
  },
};

/** The first store that does not count on, and the one before it. */
async function lostUpdate({
  timeline,
}: Past): Promise<{ readonly other: Store; readonly lost: Store; readonly after: bigint }> {
  await timeline.seek(timeline.begin);
  let before: Store | undefined;
  let last: Store | undefined;
  for (;;) {
    const { reason, hit } = await timeline.continue({ write: [COUNTER, COUNTER + SIZE] });
    if (reason !== 'hit' || hit === undefined) throw new Error('the story has no store that loses a count');
    const value = readNumber(timeline.view, hit.hart, COUNTER, Number(SIZE)) ?? 0n;
    if (before !== undefined && last !== undefined && value > 0n && value <= last.value)
      return { other: before, lost: last, after: value };
    before = last;
    last = { at: hit.at, hart: hit.hart, value };
  }
}
