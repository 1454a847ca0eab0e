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
export interface GrowthWorld {
  /** The region that is entered at a RAM offset. */
  entered(ram: number): CachedRegion | undefined;
  /** Whether a region's base is mapped for this hart now as it was. */
  inPlace(region: CachedRegion, hart: number): boolean;
}

/** How often a region is made anew to take in code it goes to, up to how many instructions, and how far from its base that may be. */
const MAX_GROWTH = 8;
const MAX_GROWN = 1200;
const REACH = 1n << 28n;
/** A region larger than this is not copied into others. */
const MAX_COPY = 300;

interface Node {
  readonly region: CachedRegion;
  readonly hart: number;
  /** Regions it goes to often, at one of their roots. */
  readonly goesTo: { readonly node: Node; readonly request: Request }[];
  /** Hot code without a region that it goes to. */
  readonly misses: Request[];
  loops: boolean;
  // strongly connected components (R. Tarjan, 1972)
  index: number;
  low: number;
  onStack: boolean;
}

/** Decides which regions a batch of requests becomes: new ones, ones that take in what they go to, and ones that are several made one. */
export function planBatch(requests: readonly Request[], world: GrowthWorld): Job[] {
  const jobs: Job[] = [];
  const nodes = new Map<CachedRegion, Node>();
  const nodeOf = (region: CachedRegion, hart: number): Node => {
    let node = nodes.get(region);
    if (!node) nodes.set(region, (node = { region, hart, goesTo: [], misses: [], loops: false, index: -1, low: 0, onStack: false }));
    return node;
  };
  const growable = (region: CachedRegion | undefined, { hart, prv }: Request): region is CachedRegion =>
    region !== undefined && region.origin.prv === prv && region.origin.growth < MAX_GROWTH && world.inPlace(region, hart);
  for (const request of requests) {
    const from = request.from === 0 ? undefined : world.entered(request.from);
    const to = world.entered(request.ram);
    const grows = growable(from, request) && near(from, request.va);
    if (!to) {
      if (grows && from.instructions < MAX_GROWN) nodeOf(from, request.hart).misses.push(request);
      else jobs.push(fresh(request));
    } else if (grows && to.roots.has(request.ram) && growable(to, request)) {
      // places that calls return to are left alone: it is the callee that moves in
      if (to === from) nodeOf(from, request.hart).loops = true;
      else nodeOf(from, request.hart).goesTo.push({ node: nodeOf(to, request.hart), request });
    }
  }
  for (const component of components([...nodes.values()])) {
    const size = component.reduce((n, { region }) => n + region.instructions, 0);
    // too large together: each for itself
    for (const group of size <= MAX_GROWN ? [component] : component.map((n) => [n])) {
      const job = merge(group);
      if (job) jobs.push(job);
    }
  }
  return jobs;
}

function near(region: CachedRegion, va: bigint): boolean {
  const distance = BigInt.asIntN(64, va - region.origin.base);
  return distance >= -REACH && distance <= REACH;
}

/** A region of its own for a request. */
export function fresh(request: Request): Job {
  return {
    hart: request.hart, base: request.va & ~0xfffn, basePage: (request.ram & ~0xfff) >>> 0, prv: request.prv, roots: [Number(request.va & 0xfffn)],
    growth: 0, inside: false, replaces: [], serves: [request],
  };
}

function merge(group: readonly Node[]): Job | undefined {
  const [{ region: first, hart }] = group;
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
  let loops = false;
  const serves: Request[] = [];
  for (const { region } of group) {
    size += region.instructions;
    growth = Math.max(growth, region.origin.growth);
    for (const r of region.origin.roots) add(region.origin.base + BigInt(r));
  }
  for (const node of group) {
    loops ||= node.loops;
    for (const miss of node.misses) {
      add(miss.va);
      serves.push(miss);
    }
    for (const { node: to, request } of node.goesTo) {
      if (members.has(to) || to.region.instructions > MAX_COPY || size + to.region.instructions > MAX_GROWN) continue;
      size += to.region.instructions;
      add(request.va);
    }
  }
  if (roots.size === before && (!loops || first.origin.inside)) return undefined;
  return { hart, base, basePage: first.basePage, prv, roots: [...roots], growth: growth + 1, inside: true, replaces: group.map((n) => n.region), serves };
}

function components(nodes: readonly Node[]): Node[][] {
  const found: Node[][] = [];
  const stack: Node[] = [];
  let next = 0;
  const visit = (node: Node): void => {
    node.index = node.low = next++;
    stack.push(node);
    node.onStack = true;
    for (const { node: to } of node.goesTo) {
      if (to.index < 0) {
        visit(to);
        node.low = Math.min(node.low, to.low);
      } else if (to.onStack) node.low = Math.min(node.low, to.index);
    }
    if (node.low !== node.index) return;
    const component: Node[] = [];
    let member: Node;
    do {
      member = stack.pop()!;
      member.onStack = false;
      component.push(member);
    } while (member !== node);
    found.push(component);
  };
  for (const node of nodes) if (node.index < 0) visit(node);
  return found;
}
