import type { Decoded } from '../isa/decode.ts';
import { writes } from './dataflow.ts';
import type { Block, CodeRegion, Placed } from './region.ts';
import { type Structure, successors } from './structure.ts';
import { isFloatCsr, isTouchedCsr } from './system.ts';

/**
 * Loads or stores off one base that share a TLB probe: the first checks that all of them lie aligned on one page of plain RAM, or leaves; the others
 * then only add their offset. Groups extend along blocks that are entered in one way only.
 */
export interface AccessGroup {
  /** Number of its local among those in use at the same time. */
  readonly local: number;
  readonly store: boolean;
  /** Offset from the base's root that the check is made for: a multiple of the alignment below the first access's own. */
  anchor: number;
  /** End of the last access, from the root. */
  end: number;
  /** Strictest alignment of an access, in bytes. */
  align: number;
  /** Accesses in it; one alone is probed as ever. */
  members: number;
}

/** What is known of one access. */
export interface Shared {
  readonly group: AccessGroup;
  /** Offset of this access from the root. */
  readonly offset: number;
  /** Offset of the root from the base register here: root = register − this. */
  readonly bias: number;
  /** Makes the group's check. */
  readonly first: boolean;
}

/** How an access takes its slow path. */
export const SLOW_PATH = {
  /** It leaves the region. */
  LEAVE: 0,
  /** A TLB miss calls a helper. */
  CALL: 1,
  /** The same, and it shares no probe: where it goes, others often are on another page. */
  CALL_UNSHARED: 2,
} as const;
export type SlowPath = (typeof SLOW_PATH)[keyof typeof SLOW_PATH];

/** Which accesses share, by block and place in it. */
export type SharedAccesses = ReadonlyMap<Decoded, Shared>;

/** Bytes that a group may span: more would cross pages too often. */
const SPAN = 768;

/** A register's value: a definition plus a constant. */
interface Value {
  readonly root: number;
  readonly offset: number;
}

interface State {
  readonly values: Value[];
  readonly groups: Map<string, AccessGroup>;
  /** Bases whose accesses do not share. */
  readonly alone: Set<string>;
  readonly locals: number;
}

interface Access {
  readonly store: boolean;
  readonly bytes: number;
}

function accessOf({ row: { statement: s } }: Decoded): Access | undefined {
  if (s.kind === 'load' || s.kind === 'store') return { store: s.kind === 'store', bytes: s.width / 8 };
  return undefined;
}

class Sharing {
  readonly shared = new Map<Decoded, Shared>();
  private nextRoot = 32;
  locals = 0;
  private readonly region: CodeRegion;
  private readonly shape: Structure;
  private readonly slowPathOf: (at: number) => SlowPath;

  constructor(region: CodeRegion, shape: Structure, slowPathOf: (at: number) => SlowPath) {
    this.region = region;
    this.shape = shape;
    this.slowPathOf = slowPathOf;
  }

  run(): void {
    const { region, shape } = this;
    for (const block of region.blocks) {
      if (shape.order[block.index] >= 0 && !this.continues(block)) {
        this.walk(block, {
          values: Array.from({ length: 32 }, (_, root) => ({ root, offset: 0 })),
          groups: new Map(),
          alone: new Set(),
          locals: 0,
        });
      }
    }
    for (const [decoded, s] of this.shared) if (s.group.members < 2) this.shared.delete(decoded);
  }

  /** Whether the block is entered from one other only. */
  private continues({ index }: Block): boolean {
    return !this.shape.isMerge[index] && !this.shape.isLoop[index] && index !== this.shape.root;
  }

  private walk(block: Block, state: State): void {
    let { locals } = state;
    for (const placed of block.code) {
      const { decoded: d } = placed;
      const access = accessOf(d);
      if (access) locals = this.access(placed, access, state, locals);
      // whose memory it is may change
      else if (isTouchedCsr(d) && !isFloatCsr(d)) state.groups.clear();
      else if (d.row.format === 'AMO' && this.slowPathOf(placed.at) !== SLOW_PATH.LEAVE) forgetStores(state.groups);
      this.define(d, state.values);
    }
    for (const to of successors(this.region, block.index)) {
      const next = this.region.blocks[to];
      if (this.continues(next) && !this.shape.dispatched(block.index, to)) {
        this.walk(next, {
          values: [...state.values],
          groups: new Map(state.groups),
          alone: new Set(state.alone),
          locals,
        });
      }
    }
  }

  private access({ at, decoded: d }: Placed, { store, bytes }: Access, state: State, locals: number): number {
    const { groups, alone, values } = state;
    const slowPath = this.slowPathOf(at);
    const { root, offset: bias } = values[d.rs1];
    const key = `${root} ${store}`;
    if (slowPath === SLOW_PATH.CALL_UNSHARED) {
      alone.add(key);
      groups.delete(key);
    }
    const known = groups.get(key);
    const offset = bias + d.imm;
    const shares = d.rs1 !== 0 && !alone.has(key);
    if (shares && known && admit(known, offset, bytes)) {
      this.shared.set(d, { group: known, offset, bias, first: false });
      return locals;
    }
    // the helper's walk may begin to watch a page that another group may store to
    if (slowPath !== SLOW_PATH.LEAVE) forgetStores(groups);
    if (!shares) return locals;
    const group = { local: locals, store, anchor: offset, end: offset + bytes, align: bytes, members: 1 };
    groups.set(key, group);
    this.locals = Math.max(this.locals, locals + 1);
    this.shared.set(d, { group, offset, bias, first: true });
    return locals + 1;
  }

  private define(d: Decoded, values: Value[]): void {
    const w = writes(d).x;
    if (w === 0) return;
    const name = d.row.name;
    const plus = (v: Value, n: number): Value => ({ root: v.root, offset: v.offset + n });
    if (name === 'addi' && d.rs1 !== 0) values[d.rd] = plus(values[d.rs1], d.imm);
    else if (name === 'add' && d.rs1 === 0 && d.rs2 !== 0) values[d.rd] = values[d.rs2];
    else values[d.rd] = { root: this.nextRoot++, offset: 0 };
  }
}

function forgetStores(groups: Map<string, AccessGroup>): void {
  for (const [key, group] of groups) if (group.store) groups.delete(key);
}

/** Takes an access into a group, when span and alignment allow it. */
function admit(group: AccessGroup, offset: number, bytes: number): boolean {
  const align = Math.max(group.align, bytes);
  // the strictest access decides where the anchor may lie: any multiple below it
  const fixed = bytes > group.align ? offset : group.anchor;
  const lowest = Math.min(group.anchor, offset);
  const anchor = fixed - Math.ceil((fixed - lowest) / align) * align;
  const end = Math.max(group.end, offset + bytes);
  if (end - anchor > SPAN || (offset - anchor) % bytes !== 0 || (group.anchor - anchor) % group.align !== 0)
    return false;
  group.anchor = anchor;
  group.end = end;
  group.align = align;
  group.members++;
  return true;
}

/** Finds accesses that can share a probe. @returns them, and how many locals they need */
export function shareProbes(
  region: CodeRegion,
  shape: Structure,
  slowPathOf: (at: number) => SlowPath,
): { shared: SharedAccesses; locals: number } {
  const sharing = new Sharing(region, shape, slowPathOf);
  sharing.run();
  return sharing;
}
