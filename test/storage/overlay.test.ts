import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { StateReader, StateWriter } from '../../src/bytes/state-stream.ts';
import { BlankBackend, CHUNK, MemoryBackend, type OverlayChunk, OverlayDisk } from '../../src/storage/index.ts';

const SIZE = 20 * CHUNK + 3 * 512;
const HASH = 'd'.repeat(64);
const contents = Uint8Array.from({ length: SIZE }, (_, i) => (i * 13 + (i >> 8)) & 0xff);
const create = (): OverlayDisk => new OverlayDisk(new MemoryBackend(contents, HASH));

/** Compares bytes: the matcher for arrays takes milliseconds per kilobyte. */
const expectSame = (got: Uint8Array, expected: Uint8Array): void => {
  if (Buffer.compare(got, expected) === 0) return;
  const at = expected.findIndex((byte, i) => byte !== got[i]);
  expect({ length: got.length, at, byte: got[at] }).toEqual({ length: expected.length, at, byte: expected[at] });
};

const read = (disk: OverlayDisk, offset = 0, length = disk.size): Uint8Array => {
  const bytes = new Uint8Array(length);
  disk.prefetch(offset, length).finish(0, bytes);
  return bytes;
};
const save = (disk: OverlayDisk): Uint8Array => {
  const w = new StateWriter();
  disk.save(w);
  return w.finish();
};

const range = fc
  .nat(SIZE / 512 - 1)
  .chain((first) =>
    fc.record({ first: fc.constant(first), count: fc.integer({ min: 1, max: Math.min(40, SIZE / 512 - first) }) }),
  );
const change = fc.record({ do: fc.constantFrom('write', 'write', 'zero'), range, fill: fc.nat(255) });
type Change = { do: string; range: { first: number; count: number }; fill: number };
const apply = (
  disk: OverlayDisk,
  model: Uint8Array | undefined,
  { do: kind, range: { first, count }, fill }: Change,
): void => {
  const [from, length] = [first * 512, count * 512];
  if (kind === 'zero') disk.zero(from, length);
  else disk.write(from, new Uint8Array(length).fill(fill));
  model?.fill(kind === 'zero' ? 0 : fill, from, from + length);
};
const SEEDED = { seed: 77, numRuns: 200 };

describe('overlay', () => {
  test('reads what a plain array would, at any place', () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 12, size: 'max' }), range, (changes, { first, count }) => {
        const disk = create();
        const model = contents.slice();
        for (const one of changes) apply(disk, model, one);
        expectSame(read(disk), model);
        expectSame(read(disk, first * 512, count * 512), model.subarray(first * 512, (first + count) * 512));
      }),
      SEEDED,
    );
  });

  test('saves, restores and saves the same bytes, over whatever was there', () => {
    fc.assert(
      fc.property(
        fc.array(change, { maxLength: 8, size: 'max' }),
        fc.array(change, { maxLength: 8, size: 'max' }),
        (changes, others) => {
          const disk = create();
          for (const one of changes) apply(disk, undefined, one);
          const other = create();
          for (const one of others) apply(other, undefined, one);
          const state = save(disk);
          other.restore(new StateReader(state));
          expectSame(read(other), read(disk));
          expectSame(save(other), state);
        },
      ),
      SEEDED,
    );
  });

  test('increments since each seal, laid over each other, are the whole; sealed chunks never change', () => {
    fc.assert(
      fc.property(fc.array(fc.array(change, { maxLength: 5 }), { minLength: 1, maxLength: 5 }), (rounds) => {
        const disk = create();
        const kept = new Map<number, OverlayChunk>();
        const copies: [OverlayChunk, Uint8Array, number][] = [];
        let since = 0;
        for (const round of rounds) {
          for (const one of round) apply(disk, undefined, one);
          const touched = new Set(
            round.flatMap(({ range: { first, count } }) =>
              Array.from({ length: count }, (_, i) => Math.floor((first + i) / 8)),
            ),
          );
          const increment = [...disk.changedSince(since)];
          expect(new Set(increment.map(({ id }) => id))).toEqual(touched);
          for (const chunk of increment) {
            kept.set(chunk.id, chunk);
            copies.push([chunk, chunk.data.slice(), chunk.mask]);
          }
          since = disk.seal();
        }
        for (const [chunk, data, mask] of copies) {
          expectSame(chunk.data, data);
          expect(chunk.mask).toBe(mask);
        }
        const copy = create();
        copy.restoreChunks(kept.values());
        expectSame(save(copy), save(disk));
        // What the copy writes stays out of the checkpoint.
        copy.write(0, new Uint8Array(CHUNK).fill(1));
        for (const [chunk, data] of copies) expectSame(chunk.data, data);
      }),
      SEEDED,
    );
  });

  test('after a restore every chunk is new to increments', () => {
    const disk = create();
    disk.write(0, new Uint8Array(512).fill(1));
    const state = save(disk);
    const before = disk.seal();
    disk.restore(new StateReader(state));
    expect([...disk.changedSince(before)].map(({ id }) => id)).toEqual([0]);
    expect([...disk.changedSince(disk.seal())]).toEqual([]);
  });

  test('the log of generations does not grow without bound', () => {
    const disk = create();
    for (let i = 0; i < 10_000; i++) {
      disk.write(0, new Uint8Array(512).fill(i));
      disk.seal();
    }
    expect((disk as unknown as { log: unknown[] }).log.length).toBeLessThan(100);
    expect([...disk.changedSince(0)].length).toBe(1);
  });

  test('discard frees whole written chunks and leaves the base alone', () => {
    const disk = create();
    disk.write(0, new Uint8Array(3 * CHUNK).fill(7));
    disk.discard(512, 5 * CHUNK);
    expectSame(read(disk, 0, CHUNK), new Uint8Array(CHUNK).fill(7));
    expectSame(read(disk, CHUNK, 2 * CHUNK), new Uint8Array(2 * CHUNK));
    expectSame(read(disk, 3 * CHUNK, CHUNK), contents.subarray(3 * CHUNK, 4 * CHUNK));
    expect(save(disk).length).toBeLessThan(2 * CHUNK);
  });

  test('refuses another base by name, damage, and accesses off the grid', () => {
    const disk = create();
    disk.write(0, new Uint8Array(512));
    const state = save(disk);
    const other = new OverlayDisk(new MemoryBackend(contents, 'e'.repeat(64)));
    expect(() => other.restore(new StateReader(state))).toThrow(`over base ${HASH}`);
    expect(() => create().restore(new StateReader(state.slice(0, 200)))).toThrow('state ends');
    expect(() => create().restoreChunks([{ id: 99, mask: 1, data: new Uint8Array(CHUNK), generation: 0 }])).toThrow(
      'does not fit',
    );
    expect(() => disk.write(100, new Uint8Array(512))).toThrow('expected multiples of 512');
    expect(() => disk.prefetch(SIZE, 512)).toThrow('of a disk of');
  });
});

test('an empty disk is zeros of its size', () => {
  const disk = new OverlayDisk(new BlankBackend(8192));
  expectSame(read(disk), new Uint8Array(8192));
  expect(disk.baseHash).toBe('blank:8192');
  expect(() => new BlankBackend(1000)).toThrow('multiple of 512');
});

test('a base whose last sector is not whole is filled up', () => {
  const disk = new OverlayDisk(new MemoryBackend(new Uint8Array(700).fill(9), HASH));
  expect(disk.size).toBe(1024);
  expect([...read(disk).subarray(698, 702)]).toEqual([9, 9, 0, 0]);
});
