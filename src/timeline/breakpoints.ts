import { DEBUG } from '../isa/layout.ts';
import type { DebugPoint } from '../machine/engine/debug-points.ts';
import type { EngineView } from '../machine/view/engine-view.ts';
import type { DataAccess } from '../machine/view/next-access.ts';
import type { Instant } from '../record/door.ts';

/** What is waited for: an instruction about to execute, or an access to memory; `access` is a read or a write. */
export type BreakpointKind = 'execute' | 'read' | 'write' | 'access';

/** A breakpoint or watchpoint on virtual addresses [start, end). */
export interface Breakpoint {
  readonly kind: BreakpointKind;
  readonly start: bigint;
  readonly end: bigint;
  /** Only this hart. */
  readonly hart?: number;
  /** Asked when the point is met, the machine before the instruction; false passes it over. Must not throw or change anything. */
  readonly when?: (view: EngineView, hart: number) => boolean;
  /** What a core may do on its own where the point is met, instead of reporting it: see {@link Core.setActions}. For scans, without `hart` and `when`. */
  readonly action?: CallableFunction;
}

/** A breakpoint that was met: the machine is before the instruction. */
export interface Hit {
  readonly at: Instant;
  readonly hart: number;
  readonly pc: bigint;
  readonly point: Breakpoint;
  /** For reads and writes: the first address touched within the point. */
  readonly address?: bigint;
}

/** What a search looks for; addresses are virtual, one or a range [start, end). */
export interface SearchFor {
  readonly execute?: bigint | readonly [bigint, bigint];
  readonly read?: bigint | readonly [bigint, bigint];
  readonly write?: bigint | readonly [bigint, bigint];
  /** Any of these as well. */
  readonly points?: readonly Breakpoint[];
  /** Only where this holds, see {@link Breakpoint.when}; without any point, the first instruction before which it does. */
  readonly when?: (view: EngineView, hart: number) => boolean;
  /** Only this hart. */
  readonly hart?: number;
}

/** One past the highest address that a point can hold. */
export const ADDRESS_END = 0xffff_ffff_ffff_ffffn;
/** Every instruction, for {@link Engine.setDebugPoints}. */
export const EVERY_INSTRUCTION: DebugPoint = { kind: DEBUG.EXECUTE, start: 0n, end: ADDRESS_END };

const BITS = {
  execute: DEBUG.EXECUTE,
  read: DEBUG.READ,
  write: DEBUG.WRITE,
  access: DEBUG.READ | DEBUG.WRITE,
} as const;

/** A breakpoint as engines take it; hart and condition are looked at where it is met. */
export const enginePoint = ({ kind, start, end, action }: Breakpoint): DebugPoint => ({
  kind: BITS[kind],
  start,
  end,
  ...(action !== undefined && { action }),
});

/** Whether any of them is met by accesses to memory. */
export const hasWatchpoint = (points: readonly Breakpoint[]): boolean => points.some(({ kind }) => kind !== 'execute');

/** Whether an access meets a watchpoint. */
export function meets(access: DataAccess, { kind, start, end }: Breakpoint): boolean {
  if (kind === 'execute' || (kind === 'read' && !access.reads) || (kind === 'write' && !access.writes)) return false;
  return access.address < end && access.address + BigInt(access.length) > start;
}

/** The breakpoints a search is made of. */
export function breakpointsOf(search: SearchFor | readonly Breakpoint[]): readonly Breakpoint[] {
  if (isList(search)) return search;
  const { hart, when } = search;
  const found: Breakpoint[] = [];
  for (const kind of ['execute', 'read', 'write'] as const) {
    const at = search[kind];
    if (at === undefined) continue;
    const [start, end] = typeof at === 'bigint' ? [at, at + 1n] : at;
    found.push({ kind, start, end });
  }
  found.push(...(search.points ?? []));
  if (found.length === 0 && when !== undefined) found.push({ kind: 'execute', start: 0n, end: ADDRESS_END });
  if (hart === undefined && when === undefined) return found;
  return found.map((point) => ({
    ...point,
    ...(hart !== undefined && { hart }),
    when: (view, h) => (when?.(view, h) ?? true) && (point.when?.(view, h) ?? true),
  }));
}

const isList = (search: SearchFor | readonly Breakpoint[]): search is readonly Breakpoint[] => Array.isArray(search);
