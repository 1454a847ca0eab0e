import type { CodeRegion } from './region.ts';

/**
 * How a region's blocks nest as WebAssembly's blocks and loops: from the dominator tree, as in N. Ramsey, "Beyond Relooper" (ICFP 2022).
 * A dispatcher node goes to any label; it is the root when there are several entries or a block jumps to places of the region
 * that are only known at run time, and edges that would enter a loop in its middle go through it.
 */
export interface Structure {
  /** Node number of the dispatcher (= number of blocks), or −1: the function starts at its one entry. */
  readonly dispatcher: number;
  readonly root: number;
  /** Blocks that have a label, in order: the entries first, then the loops' heads. */
  readonly labels: readonly number[];
  /** Place in reverse postorder; −1: unreachable. */
  readonly order: Int32Array;
  /** Dominator-tree children that several forward edges meet at, last in order first. */
  readonly mergeChildren: readonly (readonly number[])[];
  readonly isMerge: Uint8Array;
  readonly isLoop: Uint8Array;
  /** Whether the edge goes through the dispatcher. */
  dispatched(from: number, to: number): boolean;
}

/** Direct successors inside the region. */
export function successors(region: CodeRegion, block: number): number[] {
  const e = region.blocks[block].ending;
  const out: number[] = [];
  if (e.kind === 'next' && e.next.block >= 0) out.push(e.next.block);
  if (e.kind === 'branch') {
    if (e.taken.block >= 0) out.push(e.taken.block);
    if (e.next.block >= 0 && e.next.block !== e.taken.block) out.push(e.next.block);
  }
  if (e.kind === 'jump' && e.taken.block >= 0) out.push(e.taken.block);
  return out;
}

interface Graph {
  readonly successors: number[][];
  readonly root: number;
}

/** Reverse postorder of the nodes reachable from the root. */
function reversePostorder({ successors: next, root }: Graph): number[] {
  const seen = new Uint8Array(next.length);
  const post: number[] = [];
  const stack: number[] = [root];
  const at: number[] = [0];
  seen[root] = 1;
  while (stack.length > 0) {
    const top = stack.length - 1;
    const n = stack[top];
    if (at[top] < next[n].length) {
      const s = next[n][at[top]++];
      if (!seen[s]) {
        seen[s] = 1;
        stack.push(s);
        at.push(0);
      }
    } else {
      post.push(n);
      stack.pop();
      at.pop();
    }
  }
  return post.reverse();
}

/** Immediate dominators by order (Cooper, Harvey, Kennedy, "A Simple, Fast Dominance Algorithm"). */
function dominators(nodes: readonly number[], order: Int32Array, predecessors: readonly number[][]): Int32Array {
  const idom = new Int32Array(order.length).fill(-1);
  idom[nodes[0]] = nodes[0];
  for (let changed = true; changed; ) {
    changed = false;
    for (let i = 1; i < nodes.length; i++) {
      const n = nodes[i];
      let d = -1;
      for (let p of predecessors[n]) {
        if (idom[p] < 0) continue;
        if (d < 0) {
          d = p;
          continue;
        }
        while (p !== d) {
          while (order[p] > order[d]) p = idom[p];
          while (order[d] > order[p]) d = idom[d];
        }
      }
      if (idom[n] !== d) {
        idom[n] = d;
        changed = true;
      }
    }
  }
  return idom;
}

/** @param jumpsInside whether some block goes on at a label that is chosen at run time */
export function structure(region: CodeRegion, jumpsInside: boolean): Structure {
  const count = region.blocks.length;
  const labels = [...region.entries];
  const viaDispatcher = new Set<number>();
  const direct = region.blocks.map((_, i) => successors(region, i));
  let dispatcher = labels.length > 1 || jumpsInside ? count : -1;
  for (;;) {
    const next = direct.map((list, from) => {
      const kept = list.filter((to) => !viaDispatcher.has(from * count + to));
      return kept.length < list.length ? [...kept, count] : kept;
    });
    next.push(dispatcher >= 0 ? [...labels] : []);
    if (jumpsInside) region.blocks.forEach((b, i) => b.ending.kind === 'indirect' && next[i].push(count));
    const root = dispatcher >= 0 ? dispatcher : labels[0];
    const nodes = reversePostorder({ successors: next, root });
    const order = new Int32Array(count + 1).fill(-1);
    nodes.forEach((n, i) => (order[n] = i));
    const predecessors: number[][] = next.map(() => []);
    for (const n of nodes) for (const s of next[n]) predecessors[s].push(n);
    const idom = dominators(nodes, order, predecessors);
    const dominates = (a: number, b: number): boolean => {
      while (order[b] > order[a]) b = idom[b];
      return a === b;
    };
    let again = false;
    for (const from of nodes) {
      if (from === count) continue;
      for (const to of next[from]) {
        if (to === count || order[to] > order[from] || dominates(to, from)) continue;
        viaDispatcher.add(from * count + to);
        if (!labels.includes(to)) labels.push(to);
        again = true;
      }
    }
    if (again) {
      dispatcher = count;
      continue;
    }
    const isMerge = new Uint8Array(count + 1);
    const isLoop = new Uint8Array(count + 1);
    const forward = new Int32Array(count + 1);
    for (const from of nodes) {
      for (const to of next[from]) {
        if (order[to] <= order[from]) isLoop[to] = 1;
        // what the dispatcher's table leads to always needs a label of its own
        else if (++forward[to] > 1 || from === count) isMerge[to] = 1;
      }
    }
    const mergeChildren: number[][] = next.map(() => []);
    const inner = nodes.filter(
      (n) => n < count && isLoop[n] && !labels.includes(n) && region.blocks[n].pages.length === 1,
    );
    if (inner.length > 0) {
      // loops can be entered, so that a long one goes on after an interrupt
      labels.push(...inner);
      dispatcher = count;
      continue;
    }
    for (let i = nodes.length - 1; i > 0; i--) if (isMerge[nodes[i]]) mergeChildren[idom[nodes[i]]].push(nodes[i]);
    return {
      dispatcher,
      root,
      labels,
      order,
      mergeChildren,
      isMerge,
      isLoop,
      dispatched: (from, to) => viaDispatcher.has(from * count + to),
    };
  }
}
