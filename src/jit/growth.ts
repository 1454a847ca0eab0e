import type { CachedRegion } from './code-cache.ts';

/** Code that became hot. */
export interface Request {
  /** Where it lies in RAM. */
  readonly ram: number;
  readonly hart: number;
  readonly va: bigint;
  readonly prv: number;
  /** RAM offset of the entry of the region that control came from, 0: it came from the interpreter. */
  readonly from: number;
  /** Virtual address of that entry. */
  readonly fromVa: bigint;
}

/** A region to make. */
export interface Job {
  readonly hart: number;
  /** Virtual address of its base, and the RAM page there. */
  readonly base: bigint;
  readonly basePage: number;
  readonly prv: number;
  /** Offsets of its roots from the base. */
  readonly roots: readonly number[];
  readonly growth: number;
  /** Jumps through registers go on inside. */
  readonly inside: boolean;
  /** Regions it takes the place of. */
  readonly replaces: readonly CachedRegion[];
  /** Requests for code that has no region yet, which it should serve. */
  readonly serves: readonly Request[];
}

/** What the planner asks. */
export interface RegionLookup {
  /** The region that is entered at a RAM offset. */
  entered(ram: number): CachedRegion | undefined;
  /** Tells that a region was entered at this virtual address of one of its entries. */
  runsAt(region: CachedRegion, ram: number, va: bigint, hart: number): void;
  /** Whether a region is still in use. */
  has(region: CachedRegion): boolean;
  /** Whether what will replace a region is being made. */
  isReplaced(region: CachedRegion): boolean;
  /** Whether a region's base is mapped for this hart now as it was. */
  inPlace(region: CachedRegion, hart: number): boolean;
}

/** How the planner weighs what transitions cost against what translating costs. */
export interface TransitionCosts {
  /** Transitions that a request to link two regions represents. */
  readonly link: number;
  /** Transitions that a request for code without a region represents. */
  readonly miss: number;
  /** Transitions that cost as much time as translating one instruction, V8's optimising compiler included. */
  readonly instruction: number;
}

/** How often a region is translated again to take in code it goes to, up to how many instructions, and how far from its base that may be. */
const MAX_GROWTH = 8;
const MAX_GROWN = 1200;
const REACH = 1n << 28n;
/** Two regions come together when the transitions between them cost one in so many of what translating them does. */
const JOIN_SHARE = 4;
/** Links are looked at when this part of the regions that have any was reported on. */
const NOTED_SHARE = 4;
/** A region larger than this is not copied into others. */
const MAX_COPY = 300;

/** Transitions to one place that a region can take in. */
interface Link {
  readonly request: Request;
  transitions: number;
}

interface Node {
  readonly region: CachedRegion;
  readonly hart: number;
  /** Regions it goes to often, at one of their roots. */
  readonly goesTo: { readonly node: Node; readonly link: Link }[];
  loops: number;
}

/**
 * Decides which regions requests become: new ones, ones that take in what they go to, and ones that merge several. Translating code again is paid
 * for by the transitions seen so far: a group waits until they have cost as much time as it will (so at most twice the time is spent
 * that knowing the future would have needed).
 */
export class Planner {
  private readonly links = new Map<CachedRegion, Map<number, Link>>();
  /** Reports since links were looked at. */
  private noted = 0;
  private readonly world: RegionLookup;
  private readonly costs: TransitionCosts;

  constructor(world: RegionLookup, costs: TransitionCosts) {
    this.world = world;
    this.costs = costs;
  }

  /** Forgets what was seen. */
  clear(): void {
    this.links.clear();
  }

  /** A region was translated again from the same code. */
  replaced(old: CachedRegion, by: CachedRegion): void {
    const links = this.links.get(old);
    if (links) this.links.set(by, links);
    this.links.delete(old);
  }

  /** @param useless called with requests that nothing can come of */
  plan(requests: readonly Request[], useless: (request: Request) => void): Job[] {
    const jobs: Job[] = [];
    for (const request of requests) {
      const from = request.from === 0 ? undefined : this.world.entered(request.from);
      const to = this.world.entered(request.ram);
      if (from) this.world.runsAt(from, request.from, request.fromVa, request.hart);
      if (to) this.world.runsAt(to, request.ram, request.va, request.hart);
      // what is being made has more to say
      if (to && (this.world.isReplaced(to) || (from && this.world.isReplaced(from)))) continue;
      const grows = this.growable(from, request) && near(from, request.va);
      if (!to) {
        if (grows && from.instructions < MAX_GROWN && from.instructions * this.costs.instruction <= this.costs.miss)
          jobs.push(taking(from, request));
        else jobs.push(fresh(request));
      } else if (grows && this.growable(to, request)) this.note(from, request);
      else useless(request);
    }
    // looking at all links costs as much as there are: not before many of them have changed
    if (this.noted * NOTED_SHARE < this.links.size) return once(jobs);
    this.noted = 0;
    const taken = new Set(jobs.flatMap((j) => j.replaces));
    for (const group of this.groups(taken)) {
      const job = this.merge(group);
      if (job) jobs.push(job);
    }
    return once(jobs);
  }

  private growable(region: CachedRegion | undefined, { hart, prv }: Request): region is CachedRegion {
    return (
      region !== undefined &&
      region.origin.prv === prv &&
      region.origin.growth < MAX_GROWTH &&
      !this.world.isReplaced(region) &&
      this.world.inPlace(region, hart)
    );
  }

  private note(from: CachedRegion, request: Request): void {
    this.noted++;
    let links = this.links.get(from);
    if (!links) this.links.set(from, (links = new Map()));
    const link = links.get(request.ram);
    if (link) link.transitions += this.costs.link;
    else links.set(request.ram, { request, transitions: this.costs.link });
  }

  /**
   * Regions that are worth being one: those that go to each other most come together first, up to a size, where what that saves pays for a fair
   * share of translating both again.
   */
  private groups(taken: ReadonlySet<CachedRegion>): Node[][] {
    const nodes = new Map<CachedRegion, Node>();
    const nodeOf = (region: CachedRegion, hart: number): Node => {
      let node = nodes.get(region);
      if (!node) nodes.set(region, (node = { region, hart, goesTo: [], loops: 0 }));
      return node;
    };
    const edges: { readonly from: Node; readonly to: Node; readonly transitions: number }[] = [];
    for (const [from, links] of [...this.links]) {
      if (!this.world.has(from)) {
        this.links.delete(from);
        continue;
      }
      if (taken.has(from) || this.world.isReplaced(from)) continue;
      for (const [ram, link] of links) {
        const to = this.world.entered(ram);
        if (!to || taken.has(to) || this.world.isReplaced(to)) continue;
        const node = nodeOf(from, link.request.hart);
        if (to === from) {
          node.loops += link.transitions;
          continue;
        }
        const other = nodeOf(to, link.request.hart);
        node.goesTo.push({ node: other, link });
        edges.push({ from: node, to: other, transitions: link.transitions });
      }
    }
    const groups = new Map<Node, Node[]>([...nodes.values()].map((n) => [n, [n]]));
    const size = (group: readonly Node[]): number => group.reduce((n, { region }) => n + region.instructions, 0);
    const mapped = new Map<Node, boolean>();
    const isMapped = (n: Node): boolean => {
      let known = mapped.get(n);
      if (known === undefined) mapped.set(n, (known = this.world.inPlace(n.region, n.hart)));
      return known;
    };
    for (const { from, to, transitions } of edges.sort((x, y) => y.transitions - x.transitions)) {
      const one = groups.get(from)!;
      const other = groups.get(to)!;
      const both = size(one) + size(other);
      if (one === other || both > MAX_GROWN || transitions * JOIN_SHARE < both * this.costs.instruction) continue;
      if (!isMapped(from) || !isMapped(to) || !near(from.region, to.region.origin.base)) continue;
      for (const n of other) {
        groups.set(n, one);
        one.push(n);
      }
    }
    return [...new Set(groups.values())];
  }

  private merge(group: readonly Node[]): Job | undefined {
    const [{ region: first, hart }] = group;
    if (!group.every(({ region, hart: h }) => this.world.inPlace(region, h))) return undefined;
    const { base, prv } = first.origin;
    const members = new Set(group);
    const roots = new Set(first.origin.roots);
    const before = roots.size;
    const add = (va: bigint): void => {
      const distance = BigInt.asIntN(64, va - base);
      if (distance >= -REACH && distance <= REACH) roots.add(Number(distance));
    };
    let size = 0;
    let growth = 0;
    let spent = 0;
    let loops = false;
    for (const { region } of group) {
      size += region.instructions;
      growth = Math.max(growth, region.origin.growth);
      for (const r of region.origin.roots) add(region.origin.base + BigInt(r));
    }
    for (const node of group) {
      loops ||= node.loops > 0;
      spent += node.loops;
      // the commonest first
      for (const { node: to, link } of node.goesTo.sort((a, b) => b.link.transitions - a.link.transitions)) {
        if (members.has(to)) spent += link.transitions;
        else if (
          // places that calls return to are left alone: it is the callee that moves in
          to.region.roots.has(link.request.ram) &&
          to.region.instructions <= MAX_COPY &&
          size + to.region.instructions <= MAX_GROWN &&
          link.transitions >= to.region.instructions * this.costs.instruction
        ) {
          size += to.region.instructions;
          spent += link.transitions;
          add(link.request.va);
        }
      }
    }
    if (
      spent < size * this.costs.instruction ||
      (group.length === 1 && roots.size === before && (!loops || first.origin.inside))
    )
      return undefined;
    return {
      hart,
      base,
      basePage: first.basePage,
      prv,
      roots: [...roots],
      growth: growth + 1,
      inside: true,
      replaces: group.map((n) => n.region),
      serves: [],
    };
  }
}

/** Jobs that take the same region's place become one. */
function once(jobs: readonly Job[]): Job[] {
  const first = new Map<CachedRegion, number>();
  const result: Job[] = [];
  for (const job of jobs) {
    const same = job.replaces.length === 1 ? first.get(job.replaces[0]) : undefined;
    if (same === undefined) {
      for (const r of job.replaces) first.set(r, result.length);
      result.push(job);
    } else {
      const other = result[same];
      result[same] = {
        ...other,
        roots: [...new Set([...other.roots, ...job.roots])],
        serves: [...other.serves, ...job.serves],
      };
    }
  }
  return result;
}

function near(region: CachedRegion, va: bigint): boolean {
  const distance = BigInt.asIntN(64, va - region.origin.base);
  return distance >= -REACH && distance <= REACH;
}

/** A region of its own for a request. */
export function fresh(request: Request): Job {
  return {
    hart: request.hart,
    base: request.va & ~0xfffn,
    basePage: (request.ram & ~0xfff) >>> 0,
    prv: request.prv,
    roots: [Number(request.va & 0xfffn)],
    growth: 0,
    inside: false,
    replaces: [],
    serves: [request],
  };
}

/** A region translated again, with what it goes to. */
function taking(region: CachedRegion, request: Request): Job {
  const {
    origin: { base, prv, roots, growth },
    basePage,
  } = region;
  return {
    hart: request.hart,
    base,
    basePage,
    prv,
    roots: [...roots, Number(BigInt.asIntN(64, request.va - base))],
    growth: growth + 1,
    inside: true,
    replaces: [region],
    serves: [request],
  };
}
