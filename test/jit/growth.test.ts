/** Which regions become one. */
import { expect, test } from 'vitest';
import type { CachedRegion } from '../../src/jit/code-cache.ts';
import { Planner, type RegionLookup, type Request } from '../../src/jit/growth.ts';

const COSTS = { link: 1000, miss: 1000, instruction: 10 };
const NEVER = (): void => expect.unreachable();

/** A region of 100 instructions on a page of its own, entered at its beginning and at 8, where a call returns to. */
function region(id: number, base: bigint): CachedRegion {
  const basePage = id * 4096;
  return {
    id,
    origin: { base, prv: 0, roots: [0], growth: 0, inside: false },
    basePage,
    func: id,
    entries: [basePage, basePage + 8],
    roots: new Set([basePage]),
    ranges: [{ start: basePage, end: basePage + 400 }],
    pages: [id],
    mapped: [{ delta: 0, ram: basePage }],
    name: `region ${id}`,
    instructions: 100,
    bytes: 1,
  };
}

/** Regions whose file is mapped at `at` now. */
function world(regions: readonly CachedRegion[], at: bigint): RegionLookup {
  const isAt = (r: CachedRegion, base: bigint): boolean => base === at + BigInt(r.basePage);
  return {
    entered: (ram) => regions.find((r) => r.entries.includes(ram)),
    runsAt: (r, ram, va) => {
      const base = va - BigInt(ram - r.basePage);
      if (isAt(r, base)) r.origin = { ...r.origin, base };
    },
    has: () => true,
    isReplaced: () => false,
    inPlace: (r) => isAt(r, r.origin.base),
  };
}

const going = (at: bigint, from: number, ram: number): Request => ({
  ram,
  hart: 0,
  va: at + BigInt(ram),
  prv: 0,
  from,
  fromVa: at + BigInt(from),
});

test('regions come together where their file is mapped now', () => {
  const [old, now] = [0x1000_0000n, 0x3f00_0000n];
  const regions = [region(1, old + 4096n), region(2, old + 8192n)];
  const planner = new Planner(world(regions, now), COSTS);
  const jobs = [1, 2, 3].flatMap(() => planner.plan([going(now, 4096, 8192), going(now, 8192, 4104)], NEVER));
  expect(jobs[0]).toMatchObject({ base: now + 4096n, basePage: 4096, roots: [0, 4096], replaces: regions });
});

test('returns count: a caller and what it calls come together', () => {
  const at = 0x1000_0000n;
  const regions = [region(1, at + 4096n), region(2, at + 8192n)];
  const planner = new Planner(world(regions, at), COSTS);
  const jobs = [1, 2, 3].flatMap(() => planner.plan([going(at, 8192, 4104)], NEVER));
  expect(jobs[0]?.replaces).toHaveLength(2);
});

test('the commonest transitions decide where there is no room for all', () => {
  const at = 0x1000_0000n;
  const regions = [1, 2, 3].map((id) => ({ ...region(id, at + BigInt(id) * 4096n), instructions: 500 }));
  const planner = new Planner(world(regions, at), COSTS);
  const often = going(at, 4096, 12288);
  const jobs = [1, 2, 3, 4, 5, 6, 7].flatMap(() => planner.plan([often, often, going(at, 4096, 8192)], NEVER));
  expect(jobs[0]?.replaces.map((r) => r.id).sort()).toEqual([1, 3]);
});
