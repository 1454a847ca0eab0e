/** What written disk chunks cost that only checkpoints keep, against a count made anew each time. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { OverlayChunk } from '../../src/storage/index.ts';
import { DiskChunks } from '../../src/timeline/disk-chunks.ts';

const chunk = (id: number): OverlayChunk => ({ id, mask: 255, data: new Uint8Array(4096), generation: 0 });

/** What {@link DiskChunks} has to come to. */
function expected(kept: readonly (readonly OverlayChunk[])[], present: readonly OverlayChunk[]): number {
  const lists = new Set(kept);
  const data = new Set([...lists].flatMap((list) => list.map((one) => one.data)));
  for (const one of present) data.delete(one.data);
  return [...lists].reduce((sum, list) => sum + list.length * 8, 0) + data.size * (4096 + 120);
}

test('a chunk that a checkpoint keeps counts once the disk has written over it', () => {
  const chunks = new DiskChunks();
  const before = [chunk(0), chunk(1)];
  chunks.setPresent([before]);
  chunks.use([before]);
  expect(chunks.size).toBe(16);
  chunks.setPresent([[before[0]!, chunk(1)]]);
  expect(chunks.size).toBe(16 + 4096 + 120);
  chunks.release([before]);
  expect(chunks.size).toBe(0);
});

test('any order of checkpoints taken, dropped and disks written', () => {
  const pool = Array.from({ length: 6 }, (_, id) => chunk(id));
  const list = fc.uniqueArray(fc.integer({ min: 0, max: 5 })).map((ids) => ids.map((id) => pool[id]!));
  const step = fc.oneof(
    list.map((chunks) => ({ kind: 'use' as const, chunks })),
    list.map((chunks) => ({ kind: 'present' as const, chunks })),
    fc.nat().map((which) => ({ kind: 'again' as const, which })),
    fc.nat().map((which) => ({ kind: 'release' as const, which })),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const chunks = new DiskChunks();
      const kept: (readonly OverlayChunk[])[] = [];
      let present: readonly OverlayChunk[] = [];
      for (const one of steps) {
        if (one.kind === 'present') chunks.setPresent([(present = one.chunks)]);
        else if (one.kind === 'use') {
          chunks.use([one.chunks]);
          kept.push(one.chunks);
        } else if (kept.length > 0) {
          const at = one.which % kept.length;
          if (one.kind === 'again') {
            chunks.use([kept[at]!]);
            kept.push(kept[at]!);
          } else chunks.release([...kept.splice(at, 1)]);
        }
        expect(chunks.size).toBe(expected(kept, present));
      }
    }),
    { numRuns: 500 },
  );
});
