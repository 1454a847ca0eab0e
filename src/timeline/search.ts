import type { Limit } from '../machine/engine/stop.ts';
import { STOP } from '../machine/engine/stop.ts';
import type { EngineView } from '../machine/view/engine-view.ts';
import { PC } from '../machine/view/machine-view.ts';
import { nextAccess } from '../machine/view/next-access.ts';
import { compareInstants, type Instant } from '../record/door.ts';
import { type Breakpoint, EVERY_INSTRUCTION, enginePoint, type Hit, hasWatchpoint, meets } from './breakpoints.ts';
import { type EngineDriver, Interrupted, type MoveOptions } from './driver.ts';

/** Stops whose condition does not hold, between looks at the signal. */
const STOPS = 256;

/** Instructions searched first for what is met often, and how many times more each time that is not enough. */
const SHORTEST = 64;
const LONGER = 16;

/** What a search does at the instruction where it begins: execute points are passed over in any case. */
export type First = 'pass' | 'watchpoints';

/** Where a search forward ends. */
export interface SearchEnd extends Partial<Instant> {
  /** Guest time in ticks. */
  readonly time?: number;
}

/** The earlier of where a search shall end and where time does. */
function soonest(
  { instructions = Infinity, sequence = 0 }: SearchEnd = {},
  reached: Instant | undefined,
): Instant | undefined {
  if (instructions === Infinity) return reached;
  const end = { instructions, sequence };
  return reached !== undefined && compareInstants(reached, end) < 0 ? reached : end;
}

/** Runs an engine forward, and finds breakpoints in both directions. */
export class Search {
  readonly driver: EngineDriver;
  readonly view: EngineView;

  constructor(driver: EngineDriver, view: EngineView) {
    this.driver = driver;
    this.view = view;
  }

  get at(): Instant {
    return this.driver.engine.instant;
  }

  /** Whether there is no instruction to execute any more. */
  get ended(): boolean {
    const { driver, at } = this;
    return driver.engine.halt !== undefined || (!driver.endless && compareInstants(at, driver.reached) >= 0);
  }

  async goTo(at: Instant, options: MoveOptions = {}): Promise<void> {
    if (compareInstants(at, this.at) !== 0) await this.driver.seek(at, options);
  }

  /** Runs forward until so many instructions were executed, meeting nothing. */
  async advance(instructions: number, options: MoveOptions = {}): Promise<void> {
    const { driver } = this;
    const { engine } = driver;
    const to = driver.endless ? instructions : Math.min(instructions, driver.reached.instructions);
    engine.setDebugPoints([]);
    while (engine.instructions < to) {
      const stop = await driver.run({ instructions: to }, options.signal);
      if (stop === STOP.HALT || stop === STOP.IDLE) return;
      if (engine.instructions < to) await this.look(options);
    }
  }

  /**
   * Makes what is due before the next instruction happen (events, turns of harts, interrupts), so that the machine is right before it.
   * @returns whether a hart's pc changed by that: it took an interrupt
   */
  async align(): Promise<boolean> {
    if (this.ended) return false;
    const { driver } = this;
    const { engine } = driver;
    const pcs = engine.harts.map((hart) => hart.get('pc'));
    engine.setDebugPoints([EVERY_INSTRUCTION]);
    engine.skipDebugPoint(false);
    try {
      await driver.run({ instructions: engine.instructions + 1 });
    } finally {
      engine.setDebugPoints([]);
    }
    // Inputs from here on come after the interrupt that may have been taken.
    if (driver.live) engine.takeInterrupt();
    return engine.harts[engine.currentHart].get('pc') !== pcs[engine.currentHart];
  }

  /** @throws Interrupted when the signal says so, after the host had time to say it */
  async look({ signal }: MoveOptions): Promise<void> {
    if (signal?.aborted) throw new Interrupted();
    await this.driver.pause();
    if (signal?.aborted) throw new Interrupted();
  }

  /** The watchpoint that the next instruction will meet. */
  watchpoint(points: readonly Breakpoint[]): Hit | undefined {
    if (!hasWatchpoint(points)) return undefined;
    const hart = this.view.activeHart();
    const access = nextAccess(this.view, hart);
    const point = access && points.find((p) => meets(access, p) && this.holds(p, hart));
    return point && access && this.hit(point, access.address);
  }

  /**
   * Runs forward from here to a breakpoint that `found` accepts.
   * @param until where the search ends, if that is before the end of time: an instant, a guest time in ticks, or the first of both.
   * While all harts wait for longer than until that time, it ends before they go on
   * @param first what to do at the instruction where it begins; undefined to meet everything there
   * @returns what was accepted, the machine before that instruction
   */
  async forward(
    points: readonly Breakpoint[],
    until: SearchEnd | undefined,
    first: First | undefined,
    options: MoveOptions,
    found: (hit: Hit) => boolean,
  ): Promise<Hit | undefined> {
    const { driver } = this;
    const { engine } = driver;
    const end = soonest(until, driver.endless ? undefined : driver.reached);
    const { time } = until ?? {};
    const limit: Limit = { ...(end ?? { instructions: Infinity }), ...(time !== undefined && { time }) };
    const done = (): boolean =>
      (end !== undefined && compareInstants(this.at, end) >= 0) || (time !== undefined && engine.time >= time);
    // An interrupt comes first: its handler is not the instruction that is passed over.
    const pass = first !== undefined && !done() && !(await this.align());
    if (pass && first === 'watchpoints' && !done()) {
      const hit = this.watchpoint(points);
      if (hit && found(hit)) return hit;
    }
    const from = engine.instructions;
    let stops = 0;
    let accepted: Hit | undefined;
    let failure: { readonly error: unknown } | undefined;
    // Called within the core: it must be left before an error goes on.
    const goesOn = (index: number): boolean => {
      try {
        accepted = this.met(points, found, index);
        return accepted === undefined;
      } catch (error) {
        failure = { error };
        return false;
      }
    };
    engine.setDebugPoints(points.map(enginePoint), goesOn);
    engine.skipDebugPoint(pass);
    try {
      while (!done()) {
        const before = engine.time;
        const run = driver.run(limit, options.signal);
        const stop = typeof run === 'string' ? run : await run;
        if (stop === STOP.LIMIT && time !== undefined && engine.time === before) return undefined;
        if (stop === STOP.DEBUG) {
          if (failure !== undefined) throw failure.error;
          if (accepted !== undefined) return accepted;
          if (done()) return undefined;
          const hit = this.met(points, found, engine.debugHit.index);
          if (hit) return hit;
          engine.skipDebugPoint(true);
          if (++stops % STOPS !== 0) continue;
        } else if (stop === STOP.HALT || (stop === STOP.IDLE && !driver.endless)) return undefined;
        await this.look(options);
        if (end !== undefined) options.onProgress?.((engine.instructions - from) / (end.instructions - from));
      }
      return undefined;
    } finally {
      engine.skipDebugPoint(false);
      engine.setDebugPoints([]);
    }
  }

  /**
   * The last hit before the instruction at an instant: checkpoint by checkpoint backwards, each stretch replayed once. Moves.
   * @param frequent points that are met so often that stretches much shorter than those between checkpoints are tried first
   * @param aside what else is looked for: it ends the search with the stretch it was found in
   */
  async backward(
    points: readonly Breakpoint[],
    before: Instant,
    options: MoveOptions,
    frequent = false,
    aside?: {
      readonly begins: (at: Instant) => void;
      readonly found: () => boolean;
      /** Pages of RAM outside of which nothing can be found. */
      readonly pages?: readonly number[];
    },
  ): Promise<Hit | undefined> {
    if (points.length === 0) return undefined;
    const { begin } = this.driver;
    let distance = frequent ? SHORTEST : Infinity;
    let to: Instant = { instructions: before.instructions, sequence: 0 };
    while (compareInstants(to, begin) > 0) {
      const kept = this.driver.checkpoints().findLast(({ at }) => compareInstants(at, to) < 0)?.at ?? begin;
      const near = { instructions: before.instructions - distance, sequence: 0 };
      const from = compareInstants(near, kept) > 0 ? near : kept;
      distance *= LONGER;
      if (aside?.pages !== undefined && this.driver.untouched?.(from, to, aside.pages)) {
        to = from;
        continue;
      }
      await this.look(options);
      aside?.begins(from);
      await this.driver.seek(from);
      let last: Hit | undefined;
      await this.forward(points, to, undefined, { signal: options.signal }, (hit) => {
        last = hit;
        return false;
      });
      if (last || aside?.found()) return last;
      to = from;
      options.onProgress?.(
        1 - (to.instructions - begin.instructions) / Math.max(1, before.instructions - begin.instructions),
      );
    }
    return undefined;
  }

  /** The first point that holds and is accepted where the engine met the one at `index`: execute points before watchpoints. */
  private met(points: readonly Breakpoint[], found: (hit: Hit) => boolean, index: number): Hit | undefined {
    const { engine } = this.driver;
    const hart = this.view.activeHart();
    const named = points[index];
    let hit: Hit | undefined;
    if (this.holds(named, hart)) hit = this.hit(named, named.kind === 'execute' ? undefined : engine.debugHit.address);
    else if (points.length === 1) return undefined;
    else if (named.kind === 'execute') {
      const pc = this.view.readRegister(hart, PC)!;
      const point = points.find(
        (p) => p !== named && p.kind === 'execute' && pc >= p.start && pc < p.end && this.holds(p, hart),
      );
      if (point) hit = this.hit(point);
    }
    if (hit && found(hit)) return hit;
    // The engine looks at execute points first, and names one point of an access.
    if (named.kind !== 'execute' && hit) return undefined;
    const watch = this.watchpoint(points.filter((p) => p !== named));
    return watch && found(watch) ? watch : undefined;
  }

  private holds(point: Breakpoint, hart: number): boolean {
    return (point.hart === undefined || point.hart === hart) && (point.when?.(this.view, hart) ?? true);
  }

  private hit(point: Breakpoint, address?: bigint): Hit {
    const hart = this.view.activeHart();
    return {
      at: this.at,
      hart,
      pc: this.view.readRegister(hart, PC)!,
      point,
      ...(address !== undefined && { address: address > point.start ? address : point.start }),
    };
  }
}
