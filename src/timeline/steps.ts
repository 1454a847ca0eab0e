import { ADDRESS_END, type Breakpoint, type Hit } from './breakpoints.ts';
import {
  type Context,
  contextOf,
  interruptedContext,
  sameContext,
  trapEntries,
  trappedAt,
  trapReturn,
} from './contexts.ts';
import type { MoveOptions } from './driver.ts';
import { lastExecuted } from './last-executed.ts';
import type { Search } from './search.ts';

/** How a hart is stepped. */
export interface StepOptions extends MoveOptions {
  /** The hart whose instructions are counted; those of all harts if not given. */
  readonly hart?: number;
  /** Watchpoints among these end a step of a hart; execute points end one through a {@link range}. */
  readonly points?: readonly Breakpoint[];
  /** On which side of the instruction to stop that meets a watchpoint; default `before`. */
  readonly watch?: 'before' | 'after';
  /** Steps go over the handler of an interrupt that is taken between two instructions: to where it returns, or from there back. */
  readonly overInterrupts?: boolean;
  /** On until the hart's pc has left [start, end): forward to the first instruction outside, back to the last one. */
  readonly range?: readonly [bigint, bigint];
}

/** What ended a step early: a breakpoint, or an end of time. */
export type StepEnd = Hit | 'begin' | 'end' | undefined;

/** Instructions stepped at once where nothing can be met. */
const STRETCH = 2_000_000;

/** Steps of one hart, forward. */
export class HartSteps {
  private readonly search: Search;
  private readonly hart: number;
  private readonly options: StepOptions;
  private readonly points: readonly Breakpoint[];

  constructor(search: Search, hart: number, options: StepOptions) {
    this.search = search;
    this.hart = hart;
    this.options = options;
    this.points = options.points ?? [];
  }

  /** Until the hart has executed `count` instructions. @throws Interrupted */
  async forward(count: number): Promise<StepEnd> {
    const { range, overInterrupts } = this.options;
    if (range) return this.through(...range);
    const end = await this.instructions(count);
    if (end !== undefined || !overInterrupts) return end;
    return this.fromHandler(await this.search.align());
  }

  private async instructions(count: number): Promise<StepEnd> {
    const { search, hart, options } = this;
    const { engine } = search.driver;
    for (let left = count; left > 0; ) {
      // Whose turn it is, and what it takes first, shows only after the boundary.
      const end = await this.fromHandler(await search.align());
      if (end !== undefined) return end;
      if (search.ended) return 'end';
      const watch = search.watchpoint(this.points);
      if (watch && options.watch !== 'after') return watch;
      const single = search.view.harts === 1 && this.points.length === 0;
      const before = engine.instructions;
      const last = engine.currentHart;
      await search.advance(before + (single ? Math.min(left, STRETCH) : 1), options);
      const made = engine.instructions - before;
      if (made === 0) return 'end';
      // Others are stepped in place of a hart that sleeps.
      if (last === hart || this.sleeps) left -= made;
      if (watch) return watch;
      await search.look(options);
    }
    return undefined;
  }

  /** Until the hart's pc is outside [start, end), or at an execute point inside. */
  private async through(start: bigint, end: bigint): Promise<StepEnd> {
    const { search, hart, points, options } = this;
    const outside = outsidePoints(hart, [start, end]);
    for (;;) {
      const found = await search.forward([...points, ...outside], undefined, 'watchpoints', options, () => true);
      if (found === undefined) return 'end';
      if (found.point.kind !== 'execute' && options.watch === 'after')
        await search.advance(found.at.instructions + 1, options);
      if (!outside.includes(found.point)) return found;
      if (!options.overInterrupts || interruptedContext(search.view, hart) === undefined) return undefined;
      const met = await this.fromHandler(true);
      if (met !== undefined) return met;
      const { pc } = contextOf(search.view, hart);
      if (pc < start || pc >= end) return undefined;
    }
  }

  /** Where the hart has just taken an interrupt that is to be gone over: to where its handler returns. */
  private async fromHandler(taken: boolean): Promise<StepEnd> {
    const { search, hart, options } = this;
    if (!taken || !options.overInterrupts || search.view.activeHart() !== hart) return undefined;
    const context = interruptedContext(search.view, hart);
    if (!context) return undefined;
    const back = returnTo(context, hart);
    const found = await search.forward([...this.points, back], undefined, 'watchpoints', options, () => true);
    if (found === undefined) return 'end';
    if (found.point.kind !== 'execute' && options.watch === 'after')
      await search.advance(found.at.instructions + 1, options);
    return found.point === back ? undefined : found;
  }

  private get sleeps(): boolean {
    const state = this.search.driver.engine.harts[this.hart];
    return state.get32('hsm') !== 0 || state.get32('waiting') !== 0;
  }
}

/** Every instruction of a hart but those in [start, end). */
function outsidePoints(hart: number, [start, end]: readonly [bigint, bigint]): Breakpoint[] {
  const all: Breakpoint[] = [
    { kind: 'execute', start: 0n, end: start, hart },
    { kind: 'execute', start: end, end: ADDRESS_END, hart },
  ];
  return all.filter((p) => p.start < p.end);
}

const returnTo = (context: Context, hart: number): Breakpoint => ({
  kind: 'execute',
  start: context.pc,
  end: context.pc + 1n,
  hart,
  when: (view, h) => sameContext(context, contextOf(view, h)),
});

/**
 * Back until a hart has un-executed `count` instructions; watchpoints are met by a single step only.
 * @throws Interrupted
 */
export async function stepBack(search: Search, hart: number, count: number, options: StepOptions): Promise<StepEnd> {
  const { overInterrupts, points = [], watch, range } = options;
  if (range) return backOut(search, hart, range, options);
  const before = contextOf(search.view, hart);
  for (;;) {
    const { instructions: from } = search.at;
    let at: number | undefined = from;
    if (search.view.harts === 1) at = from - count < search.driver.begin.instructions ? undefined : from - count;
    else for (let i = 0; i < count && at !== undefined; i++) at = await lastExecuted(search, hart, at, options);
    if (at === undefined) {
      await search.goTo(search.driver.begin, options);
      return 'begin';
    }
    await search.goTo({ instructions: at, sequence: 0 }, options);
    await search.align();
    if (count !== 1) return undefined;
    const met = search.watchpoint(points);
    if (met) {
      if (watch === 'after') await search.goTo({ instructions: at + 1, sequence: 0 }, options);
      return met;
    }
    if (!overInterrupts || !(await backOverInterrupt(search, hart, before, options))) return undefined;
  }
}

/** Back to the last instruction of a hart outside [start, end), or to a breakpoint. */
async function backOut(
  search: Search,
  hart: number,
  range: readonly [bigint, bigint],
  options: StepOptions,
): Promise<StepEnd> {
  const { points = [] } = options;
  const outside = outsidePoints(hart, range);
  for (;;) {
    const hit = await search.backward([...points, ...outside], search.at, options, true);
    await search.goTo(hit?.at ?? search.driver.begin, options);
    if (hit === undefined) return 'begin';
    if (!outside.includes(hit.point)) return hit;
    if (!options.overInterrupts || trapReturn(search.view, hart) === undefined) return undefined;
    await search.goTo({ instructions: hit.at.instructions + 1, sequence: 0 }, options);
    await search.align();
    const before = contextOf(search.view, hart);
    await search.goTo(hit.at, options);
    if (!(await backOverInterrupt(search, hart, before, options))) return undefined;
  }
}

/** Where a hart is about to return from an interrupt to `before`: goes back to its being taken. @returns false when it is not: nothing moved */
async function backOverInterrupt(
  search: Search,
  hart: number,
  before: Context,
  options: MoveOptions,
): Promise<boolean> {
  const { view } = search;
  const entries = trapEntries(view, hart);
  if (entries === undefined || trapReturn(view, hart) !== before.pc) return false;
  const there = search.at;
  const taken: Breakpoint = {
    kind: 'execute',
    start: entries[0],
    end: entries[1],
    hart,
    // The last trap of this very context decides: a fault or a call is not gone over.
    when: (v, h) => {
      const at = contextOf(v, h);
      const trapped = trappedAt(v, h) ?? 0n;
      return at.sp === before.sp && at.satp === before.satp && trapped <= before.pc && before.pc - trapped <= 4n;
    },
  };
  const hit = await search.backward([taken], there, { signal: options.signal });
  if (hit) {
    await search.goTo(hit.at, options);
    await search.align();
    if (interruptedContext(view, hart)?.pc === before.pc) return true;
  }
  await search.goTo(there, options);
  return false;
}
