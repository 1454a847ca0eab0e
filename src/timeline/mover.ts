import { EngineView } from '../machine/view/engine-view.ts';
import { resolver } from '../machine/view/virtual-memory.ts';
import { compareInstants, type Instant } from '../record/door.ts';
import { type Breakpoint, breakpointsOf, type Hit, type SearchFor } from './breakpoints.ts';
import { type EngineDriver, Interrupted, type MoveOptions } from './driver.ts';
import { type FoundAccess, lastAccess, type RamRange } from './last-access.ts';
import { Search, type SearchEnd } from './search.ts';
import { HartSteps, type StepEnd, type StepOptions, stepBack } from './steps.ts';

/** Somewhere to go: an instant, a number of instructions, a part of the timeline, an event by its index. */
export type Destination = Instant | number | `${number}%` | { readonly event: number };

/** What searches take besides what every move does. */
export interface SearchOptions extends MoveOptions {
  /**
   * On which side of the instruction to stop that meets a watchpoint; default `before`. A search forward that stops after such an instruction
   * meets one at the instruction where it begins; otherwise that was reported before and is passed over.
   */
  readonly watch?: 'before' | 'after';
  /** Forward: a watchpoint at the instruction where the search begins is met, also where searches stop before it. */
  readonly fromHere?: boolean;
  /** Backward: a hit is expected close by, so that short stretches are searched first. */
  readonly near?: boolean;
}

/** How a move ended. */
export interface MoveResult {
  /**
   * `there` the destination was reached, the steps were made · `hit` a breakpoint was met · `begin` and `end` of what can be reached ·
   * `halted` the guest of a live machine powered off · `interrupted` by the signal.
   */
  readonly reason: 'there' | 'hit' | 'begin' | 'end' | 'halted' | 'interrupted';
  /** Where the machine is now. */
  readonly at: Instant;
  /** The hart that made the steps or met the breakpoint, otherwise the one whose turn it is. */
  readonly hart: number;
  readonly hit?: Hit;
}

/**
 * Moves a machine through time, by instants and by harts. Moves go through {@link EngineDriver} alone, so they are the same for a recording's past, a
 * live machine and a branch. One move at a time.
 */
export class Mover {
  /** The machine where it is. Look at it, but move it only by moves. */
  readonly view: EngineView;
  protected readonly driver: EngineDriver;
  private readonly search: Search;
  private readonly aligned: boolean;

  /**
   * @param aligned moves end right before an instruction, after what is due between it and the one before: what a debugger shows. Otherwise a
   * seek ends exactly at its instant.
   */
  constructor(driver: EngineDriver, { aligned = false }: { readonly aligned?: boolean } = {}) {
    this.driver = driver;
    this.view = new EngineView(driver.engine);
    this.search = new Search(driver, this.view);
    this.aligned = aligned;
  }

  /** Where the machine is. */
  get at(): Instant {
    return this.driver.engine.instant;
  }

  /** The first instant. */
  get begin(): Instant {
    return this.driver.begin;
  }

  /** The last instant that was reached. */
  get end(): Instant {
    return this.driver.reached;
  }

  /** Whether time goes on after {@link end}. */
  get endless(): boolean {
    return this.driver.endless;
  }

  /** The instant that a destination means, between {@link begin} and {@link end}. @throws RangeError when it means none */
  locate(to: Destination): Instant {
    const at = this.instantOf(to);
    if (compareInstants(at, this.begin) < 0) return this.begin;
    return compareInstants(at, this.end) > 0 ? this.end : at;
  }

  /** Goes somewhere; what lies outside is the beginning or the end. */
  seek(to: Destination, options: MoveOptions = {}): Promise<MoveResult> {
    return this.move(async () => {
      await this.search.goTo(this.locate(to), options);
      return 'there';
    });
  }

  /** Forward by instructions: of one hart ({@link StepOptions.hart}), or over all. */
  step(count = 1, options: StepOptions = {}): Promise<MoveResult> {
    const { hart } = options;
    if (hart !== undefined)
      return this.move(() => new HartSteps(this.search, hart, options).forward(count), undefined, hart);
    return this.move(async () => {
      const to = this.at.instructions + count;
      const inside = to <= this.end.instructions;
      if (inside || !this.endless)
        await this.search.goTo(inside ? { instructions: to, sequence: 0 } : this.end, options);
      else await this.search.advance(to, options);
      return this.at.instructions < to ? 'end' : undefined;
    });
  }

  /** Back by instructions: of one hart ({@link StepOptions.hart}), or over all. */
  reverseStep(count = 1, options: StepOptions = {}): Promise<MoveResult> {
    const { hart } = options;
    if (hart !== undefined) return this.move(() => stepBack(this.search, hart, count, options), this.at, hart);
    return this.move(async () => {
      const to = this.at.instructions - count;
      const inside = to >= this.begin.instructions;
      await this.search.goTo(inside ? { instructions: to, sequence: 0 } : this.begin, options);
      return inside ? undefined : 'begin';
    }, this.at);
  }

  /** Forward to the next breakpoint that is met, or to the end. An execute point at the instruction where it begins is passed over. */
  continue(what: SearchFor | readonly Breakpoint[], options: SearchOptions = {}): Promise<MoveResult> {
    return this.move(async () => {
      const points = breakpointsOf(what);
      const after = options.watch === 'after';
      const first = after || options.fromHere ? 'watchpoints' : 'pass';
      const hit = await this.search.forward(points, undefined, first, options, () => true);
      if (hit && after && hit.point.kind !== 'execute') await this.search.advance(hit.at.instructions + 1, options);
      return hit ?? 'end';
    });
  }

  /** Back to the last breakpoint that was met before, or to the beginning. */
  reverseContinue(what: SearchFor | readonly Breakpoint[], options: SearchOptions = {}): Promise<MoveResult> {
    return this.move(async () => {
      const hit = await this.search.backward(breakpointsOf(what), this.at, options, options.near);
      if (!hit) await this.search.goTo(this.begin);
      else if (options.watch === 'after' && hit.point.kind !== 'execute')
        await this.search.goTo({ instructions: hit.at.instructions + 1, sequence: 0 });
      else await this.search.goTo(hit.at);
      return hit ?? 'begin';
    }, this.at);
  }

  /**
   * Runs forward and calls back wherever a point is met, until `each` says false (`hit`), `until` is reached (`there`) or time ends.
   * Several points at one instruction are one hit: points should not overlap. @param each must not change the machine
   */
  scan(
    points: readonly Breakpoint[],
    until: SearchEnd,
    each: (hit: Hit) => boolean,
    options: MoveOptions & {
      /** Points at the instruction where it begins were met before. */ readonly pass?: boolean;
    } = {},
  ): Promise<MoveResult> {
    return this.move(async () => {
      const hit = await this.search.forward(
        points,
        until,
        options.pass ? 'pass' : undefined,
        options,
        (met) => !each(met),
      );
      if (hit) return hit;
      return this.search.ended ? 'end' : 'there';
    });
  }

  /**
   * The last store to [address, address + length) before here. Does not move.
   * @param options `hart`: the address is as this hart sees it now, and the same address in other address spaces does not count
   */
  async lastWrite(
    address: bigint,
    length = 1,
    options: MoveOptions & { readonly hart?: number } = {},
  ): Promise<MoveResult> {
    const { hart } = options;
    const from = this.at;
    const physical = hart === undefined ? undefined : resolver(this.view, hart)(address);
    const point: Breakpoint = {
      kind: 'write',
      start: address,
      end: address + BigInt(length),
      ...(physical !== undefined && { when: (view, h) => resolver(view, h)(address) === physical }),
    };
    return this.move(async () => {
      const hit = await this.search.backward([point], from, options);
      await this.search.goTo(from);
      return hit ?? 'begin';
    }, from);
  }

  /**
   * The last access before here that a hart makes through one of the points, or that a device makes by writing to RAM. Does not move.
   * @param ranges of RAM that devices' writes are looked for in
   * @returns undefined when there was none, `interrupted` when the signal ended the search
   */
  async lastAccess(
    points: readonly Breakpoint[],
    ranges: readonly RamRange[],
    options: MoveOptions = {},
  ): Promise<FoundAccess | 'interrupted' | undefined> {
    const from = this.at;
    let found: FoundAccess | undefined;
    const { reason } = await this.move(async () => {
      found = await lastAccess(this.search, points, ranges, from, options);
      await this.search.goTo(from);
      return 'there';
    }, from);
    return reason === 'interrupted' ? 'interrupted' : found;
  }

  /** To the next event that entered, or the end. */
  nextInput(options: MoveOptions = {}): Promise<MoveResult> {
    const event = this.driver.events.findIndex(({ at }) => compareInstants(at, this.at) > 0);
    return this.seek(event < 0 ? this.end : { event }, options);
  }

  /** To the last event that entered before here, or the beginning. */
  previousInput(options: MoveOptions = {}): Promise<MoveResult> {
    const event = this.driver.events.findLastIndex(({ at }) => compareInstants(at, this.at) < 0);
    return this.seek(event < 0 ? this.begin : { event }, options);
  }

  /** Makes what is due before the next instruction happen. */
  align(): Promise<void> {
    return this.driver.exclusively(async () => {
      await this.search.align();
    });
  }

  /**
   * Makes a move, one at a time, and says how it ended.
   * @param back where to return to when it is interrupted @param hart that it is about
   * @throws SessionBusyError (as a rejection) naming what is under way
   */
  protected move(act: () => Promise<StepEnd | 'there'>, back?: Instant, hart?: number): Promise<MoveResult> {
    return this.driver.exclusively(() => this.moveAlone(act, back, hart));
  }

  private async moveAlone(act: () => Promise<StepEnd | 'there'>, back?: Instant, hart?: number): Promise<MoveResult> {
    let end: StepEnd | MoveResult['reason'];
    try {
      end = await act();
    } catch (error) {
      if (!(error instanceof Interrupted)) throw error;
      if (back !== undefined) await this.search.goTo(back);
      end = 'interrupted';
    }
    if (this.aligned) await this.search.align();
    const { at } = this;
    const active = this.view.activeHart();
    if (typeof end === 'object') return { reason: 'hit', at, hart: end.hart, hit: end };
    const halted = end === 'end' && this.endless && this.driver.engine.halt !== undefined;
    if (end === undefined || end === 'there') return { reason: 'there', at, hart: hart ?? active };
    return { reason: halted ? 'halted' : end, at, hart: active };
  }

  private instantOf(to: Destination): Instant {
    if (typeof to === 'number') return { instructions: Math.floor(to), sequence: 0 };
    if (typeof to === 'string') {
      const part = Number(to.slice(0, -1)) / 100;
      if (!to.endsWith('%') || Number.isNaN(part))
        throw new RangeError(`"${to}" is no place in a recording: expected a percentage such as 50%`);
      const { begin, end } = this;
      return {
        instructions: Math.round(begin.instructions + (end.instructions - begin.instructions) * part),
        sequence: 0,
      };
    }
    if (!('event' in to)) return to;
    const event = this.driver.events[to.event];
    if (event === undefined)
      throw new RangeError(`there is no event ${to.event}: there are ${this.driver.events.length}, from 0 on`);
    return event.at;
  }
}
