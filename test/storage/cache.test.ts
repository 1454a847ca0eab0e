import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { POLICIES, type PolicyName } from '../../src/storage/cache/policy.ts';
import { BlockTrace, CACHE_BLOCK } from '../../src/storage/cache/trace.ts';

const NAMES = Object.keys(POLICIES) as PolicyName[];

/** Hits of a list of keys. */
function hits(name: PolicyName, capacity: number, keys: readonly number[]): number {
  const cache = POLICIES[name](capacity);
  return keys.filter((key) => cache.use(key)).length;
}

describe.each(NAMES)('cache policy %s', (name) => {
  test('keeps what it says it keeps, never more than fits, and tells of all that goes', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20 }), fc.array(fc.nat(40), { maxLength: 400 }), (capacity, keys) => {
        const there = new Set<number>();
        const cache = POLICIES[name](capacity, (key) => expect(there.delete(key)).toBe(true));
        for (const key of keys) {
          expect(cache.has(key)).toBe(there.has(key));
          expect(cache.use(key)).toBe(there.has(key));
          there.add(key);
          expect(cache.size).toBe(there.size);
          expect(cache.size).toBeLessThanOrEqual(capacity);
        }
        for (const key of there) expect(cache.has(key)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  test('with room for everything only the first use misses', () => {
    const keys = Array.from({ length: 5000 }, (_, i) => (i * 7919) % 100);
    expect(hits(name, 200, keys)).toBe(4900);
  });
});

test.each<[PolicyName, number]>([
  ['arc', 200],
  ['s3fifo', 200],
  // Several uses right after each other count as one to 2Q; it has to see a block again before it forgot it.
  ['2q', 80],
])('a scan does not push out what is used again and again: %s, unlike LRU', (name, scan) => {
  const keys: number[] = [];
  for (let round = 0; round < 40; round++) {
    for (let again = 0; again < 3; again++) for (let hot = 0; hot < 50; hot++) keys.push(hot);
    for (let once = 0; once < scan; once++) keys.push(1000 + round * scan + once);
  }
  const hot = 40 * 3 * 50;
  expect(hits('lru', 100, keys)).toBeLessThan(0.7 * hot);
  expect(hits(name, 100, keys)).toBeGreaterThan(0.9 * hot);
});

test('LRU over a trace agrees with stack distances', () => {
  const trace = new BlockTrace();
  const keys = Array.from({ length: 3000 }, (_, i) => (Math.imul(i, 2_654_435_761) >>> 7) % (1 + (i % 90)));
  for (const key of keys) trace.add(0, false, key * CACHE_BLOCK, CACHE_BLOCK);
  const distances = keys.map((key, i) => {
    const before = keys.lastIndexOf(key, i - 1);
    return i === 0 || before < 0 ? Number.POSITIVE_INFINITY : new Set(keys.slice(before + 1, i)).size;
  });
  for (const blocks of [1, 5, 20, 60])
    expect(trace.simulate('lru', blocks * CACHE_BLOCK).hits).toBe(distances.filter((d) => d < blocks).length);
});

test('a trace counts the blocks of requests, of each disk, reads and writes', () => {
  const trace = new BlockTrace();
  trace.add(0, true, 4096, 4096);
  trace.add(0, false, 4096 + 512, 4096);
  trace.add(1, false, 4096, 512);
  expect([trace.length, trace.reads, trace.blocks]).toEqual([4, 3, 3]);
  // What was written is in the cache; the same block of another disk is another block.
  expect(trace.simulate('lru', 2 ** 20)).toEqual({ hits: 1, misses: 2 });
});
