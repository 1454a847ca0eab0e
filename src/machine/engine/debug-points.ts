import type { Core } from '../../core/core.ts';
import {
  DEBUG,
  EXACT_POINT,
  EXIT,
  MACHINE,
  MACHINE_AT,
  MAX_DEBUG_POINTS,
  MAX_PLACES,
  MAX_POINTS,
  NARROW_POINT,
  POINTS_AT,
} from '../../isa/layout.ts';
import { type HartState, PRIVILEGE } from '../memory/hart-state.ts';
import type { MachineMemory } from '../memory/memory.ts';

/** An address range that stops a run. */
export interface DebugPoint {
  /** DEBUG bits. */
  readonly kind: number;
  readonly start: bigint;
  /** Behind the last address. */
  readonly end: bigint;
  /** Of an execute point of one address: see {@link Core.setActions}. */
  readonly action?: CallableFunction;
}

/** So many observed places and the old ones are let go. */
const MANY_PLACES = 32;

const EVERYWHERE: DebugPoint = { kind: DEBUG.EXECUTE, start: 0n, end: 0xffff_ffff_ffff_ffffn };
/** Of MACHINE.lastTrap: the trap was an interrupt. */
const INTERRUPT_BIT = 0x8000_0000;

/** The debug points of a machine, where cores look for them. */
export class InstalledPoints {
  private readonly memory: MachineMemory;
  /** Those that are ranges or met by accesses, and where they are among all. */
  private ranges: readonly DebugPoint[] = [];
  private rangeIndexes: readonly number[] = [];
  /** Execute points of one address by it: where they are among all. */
  private exact: ReadonlyMap<bigint, number> = new Map();
  /** Indexes among all of the exact ones, in the order of their addresses. */
  private order: readonly number[] = [];
  private actions: readonly (CallableFunction | undefined)[] = [];
  /** Asked where an exact point is met. */
  private look: ((index: number) => boolean) | undefined;
  /** Places of pages that the core observes. */
  private readonly places = new Set<number>();

  constructor(memory: MachineMemory) {
    this.memory = memory;
  }

  /** Whether there are any. */
  get any(): boolean {
    return this.ranges.length > 0 || this.exact.size > 0;
  }

  /** Index and address of the point that was met last. */
  get hit(): { readonly index: number; readonly address: bigint } {
    const address = this.memory.view.getBigUint64(MACHINE_AT + MACHINE.debugAddress, true);
    const index = this.memory.machine32('debugHit') >>> 0;
    return { index: index >= EXACT_POINT ? this.exact.get(address)! : this.rangeIndexes[index], address };
  }

  /**
   * Sets these in place of the ones before.
   * @param look asked where an execute point of one address is met, while no point is of another kind: whether the run goes on. Without it, runs end there.
   * Execute points of one address cost nothing where they are not met, however many there are.
   * @throws RangeError for more than MAX_POINTS of those, or MAX_DEBUG_POINTS others
   */
  set(points: readonly DebugPoint[], core: Core, look?: (index: number) => boolean): void {
    this.look = look;
    if (points.length === 0 && !this.any) return;
    const exact = new Map<bigint, number>();
    const others: number[] = [];
    for (const [i, { kind, start, end }] of points.entries()) {
      if (kind !== DEBUG.EXECUTE || end !== start + 1n) others.push(i);
      else if (!exact.has(start)) exact.set(start, i);
    }
    if (others.length > MAX_DEBUG_POINTS)
      throw new RangeError(`${others.length} watchpoints and ranges: expected at most ${MAX_DEBUG_POINTS}`);
    if (exact.size > MAX_POINTS) throw new RangeError(`${exact.size} debug points: expected at most ${MAX_POINTS}`);
    const addresses = new BigUint64Array(this.memory.view.buffer, POINTS_AT, exact.size);
    addresses.set([...exact.keys()]);
    addresses.sort();
    this.memory.setMachine32('pointCount', exact.size);
    this.memory.setMachine32('asksHost', Number(look !== undefined && others.length === 0));
    this.order = Array.from(addresses, (address) => exact.get(address)!);
    this.actions = this.order.map((i) => points[i].action);
    this.attach(core);
    this.exact = exact;
    this.ranges = others.map((i) => points[i]);
    this.rangeIndexes = others;
    this.install(this.ranges, core);
  }

  /** Gives a core what is called at points. */
  attach(core: Core): void {
    if (core.setActions !== undefined) core.setActions(this.actions.some((action) => action) ? this.actions : []);
  }

  /** An exact point was met within a run. @param place among the addresses at POINTS_AT @returns whether the run goes on */
  asked(place: number): boolean {
    return this.look?.(this.order[place]) ?? false;
  }

  /** @param skip pass over the execute and watch points at the first instruction of the next run */
  skip(skip: boolean): void {
    this.memory.setMachine32('debugSkip', Number(skip));
  }

  /** Has a core take what is due before the next instruction of a hart, and execute nothing. */
  stopBeforeNext(hart: number, core: Core): void {
    this.install([EVERYWHERE], core);
    this.skip(false);
    const exit = core.run(hart, 1);
    if (exit !== EXIT.DEBUG && exit !== EXIT.WAIT)
      throw new Error(`a core passed a debug point that is everywhere (exit ${exit})`);
    this.install(this.ranges, core);
  }

  /** Whether the hart has just taken an interrupt: nothing of its handler was executed. */
  atInterruptHandler(hart: HartState): boolean {
    const trap = this.memory.machine32('lastTrap');
    if (trap < INTERRUPT_BIT) return false;
    const vector = hart.get(hart.get32('prv') === PRIVILEGE.machine ? 'mtvec' : 'stvec');
    const base = vector & ~3n;
    return hart.get('pc') === (vector & 1n ? base + 4n * BigInt(trap - INTERRUPT_BIT) : base);
  }

  private install(points: readonly DebugPoint[], core: Core): void {
    const { memory } = this;
    memory.setMachine32('debugCount', points.length);
    const places = this.observe(points);
    points.forEach(({ kind, start, end }, i) => {
      memory.view.setBigUint64(MACHINE_AT + MACHINE.debugKind + i * 8, BigInt(kind), true);
      memory.view.setBigUint64(MACHINE_AT + MACHINE.debugStart + i * 8, start, true);
      memory.view.setBigUint64(MACHINE_AT + MACHINE.debugEnd + i * 8, end, true);
    });
    core.debugPointsChanged(places);
  }

  /**
   * Has the places of narrow execute points observed. Those of earlier points stay so, at next to no cost, until there are many: the same point
   * set again and again changes nothing. @returns whether the places are others now
   */
  private observe(points: readonly DebugPoint[]): boolean {
    const { memory, places } = this;
    const needed = new Set<number>();
    for (const { kind, start, end } of points) {
      if ((kind & DEBUG.EXECUTE) === 0 || end - start > BigInt(NARROW_POINT)) continue;
      for (let at = start & ~1n; at < end; at += 2n) needed.add(Number(at & 0xfffn));
    }
    if ([...needed].every((place) => places.has(place))) return false;
    if (places.size + needed.size > MANY_PLACES) places.clear();
    for (const place of needed) places.add(place);
    // MAX_DEBUG_POINTS of the widest would be too many: then pages are observed.
    const list = places.size > MAX_PLACES ? [] : [...places];
    memory.setMachine32('placeCount', list.length);
    list.forEach((place, i) => memory.view.setUint16(MACHINE_AT + MACHINE.places + i * 2, place, true));
    return true;
  }
}
