import type { CodeRegion } from './region.ts';
import { type Structure, successors } from './structure.ts';

/**
 * Where a region looks whether enough ticks are left, so that it stops exactly: at its labels and loops' heads, each time for the longest way
 * to the next such place. With fewer left the interpreter goes on: it can stop anywhere.
 * @returns per block the ticks that must be left when it starts, or 0 where nobody looks
 */
export function tickChecks(region: CodeRegion, shape: Structure, longest = 160): Int32Array {
  const count = region.blocks.length;
  const checks = new Int32Array(count);
  const isCheck = new Uint8Array(count);
  for (const l of shape.labels) isCheck[l] = 1;
  const nodes = region.blocks
    .map((_, i) => i)
    .filter((i) => shape.order[i] >= 0)
    .sort((a, b) => shape.order[b] - shape.order[a]);
  for (const i of nodes) if (shape.isLoop[i]) isCheck[i] = 1;
  const need = new Int32Array(count);
  for (const i of nodes) {
    let rest = 0;
    for (const s of successors(region, i)) if (!isCheck[s] && !shape.dispatched(i, s)) rest = Math.max(rest, need[s]);
    need[i] = region.blocks[i].code.length + rest;
    if (need[i] > longest) isCheck[i] = 1;
  }
  for (const i of nodes) if (isCheck[i]) checks[i] = need[i];
  return checks;
}
