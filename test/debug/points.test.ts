import { describe, expect, it } from 'vitest';
import { DebugTarget } from '../../src/debug/target.ts';
import { CORES } from '../../src/machine/engine/cores.ts';
import { PC } from '../../src/machine/view/machine-view.ts';
import type { Breakpoint } from '../../src/timeline/breakpoints.ts';
import { buildProgram, GCC, have, LIST_PROGRAM } from './programs.ts';
import { bareEngine, SnapshotBase } from './snapshot-base.ts';

/** Every hit of some points from the beginning on: instant and pc; also after going back to the beginning. */
async function hits(target: DebugTarget, points: readonly Breakpoint[], most: number): Promise<string[]> {
  const found: string[] = [];
  await target.mover.seek(0);
  while (found.length < most) {
    const stop = await target.mover.continue(points);
    if (!stop.hit) break;
    found.push(
      `${target.instant.instructions} ${target.readRegister(stop.hart, PC)!.toString(16)} ${points.indexOf(stop.hit.point)}`,
    );
  }
  return found;
}

describe.runIf(have(GCC))('points', () => {
  it('are met at the same instants on every core, also with code that was running before they were set', async () => {
    const program = buildProgram(LIST_PROGRAM);
    const targets = CORES.map((core) => {
      const base = new SnapshotBase(bareEngine(program, { core }), { spacing: 50_000, limit: 300_000 });
      return new DebugTarget(base);
    });
    let seed = 9;
    const random = (n: number): number => {
      seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
      return (seed >>> 8) % n;
    };
    const size = BigInt(program.code.length);
    let met = 0;
    for (let round = 0; round < 10; round++) {
      const at = (): bigint => BigInt(program.address) + ((BigInt(random(1 << 20)) % size) & ~1n);
      const points: Breakpoint[] = Array.from({ length: 1 + random(4) }, () => {
        const start = at();
        if (random(3) > 0) return { kind: 'execute', start, end: start + BigInt([1, 1, 4, 64, 200][random(5)]) };
        return {
          kind: (['read', 'write', 'access'] as const)[random(3)],
          start,
          end: start + BigInt([1, 8, 300][random(3)]),
        };
      });
      // A run without points in between gets the code translated.
      const all: string[][] = [];
      for (const target of targets) {
        await target.mover.seek(0);
        await target.mover.seek(150_000);
        all.push(await hits(target, points, 60));
      }
      met += all[0].length;
      for (let n = 1; n < all.length; n++)
        expect(all[n], `${CORES[n]} against ${CORES[0]}, round ${round}`).toEqual(all[0]);
    }
    expect(met).toBeGreaterThan(100);
  }, 60_000);
});
