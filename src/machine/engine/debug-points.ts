import type { Core } from '../../core/core.ts';
import { DEBUG, MACHINE, MACHINE_AT, MAX_PLACES, NARROW_POINT } from '../../isa/layout.ts';
import type { MachineMemory } from '../memory/memory.ts';

/** An address range that stops a run. */
export interface DebugPoint {
  /** DEBUG bits. */
  readonly kind: number;
  readonly start: bigint;
  /** Behind the last address. */
  readonly end: bigint;
}

/** So many observed places and the old ones are let go. */
const MANY_PLACES = 32;

/** Writes debug points to where cores look for them. */
export class PointTable {
  private readonly memory: MachineMemory;
  /** Places of pages that the core observes. */
  private readonly places = new Set<number>();

  constructor(memory: MachineMemory) {
    this.memory = memory;
  }

  install(points: readonly DebugPoint[], core: Core): void {
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
