import { expect, test } from 'vitest';
import { ChunkedBackend, type ChunkSource } from '../../src/storage/index.ts';

const CHUNK = 1024;
const contents = Uint8Array.from({ length: 4 * CHUNK + 512 }, (_, i) => (i * 3 + (i >> 7)) & 0xff);

function source(overrides: Partial<ChunkSource> = {}): ChunkSource & { fetched: number[] } {
  const fetched: number[] = [];
  return {
    size: contents.length,
    hash: 'f'.repeat(64),
    chunkSize: CHUNK,
    fetched,
    fetch: async (index) => {
      fetched.push(index);
      return contents.slice(index * CHUNK, (index + 1) * CHUNK);
    },
    ...overrides,
  };
}

test('reads across chunks, each fetched once while it is kept', async () => {
  const from = source();
  const base = new ChunkedBackend(from, 10 * CHUNK);
  const into = new Uint8Array(3000);
  await Promise.all([base.read(1000, into), base.read(1500, new Uint8Array(100))]);
  expect(into).toEqual(contents.subarray(1000, 4000));
  expect(from.fetched).toEqual([0, 1, 2, 3]);
  const again = new Uint8Array(1000);
  expect(base.read(2000, again)).toBeUndefined();
  expect(again).toEqual(contents.subarray(2000, 3000));
  const last = new Uint8Array(512);
  await base.read(4 * CHUNK, last);
  expect(last).toEqual(contents.subarray(4 * CHUNK));
});

test('keeps what is used again when much is read once, never more than fits', async () => {
  const from = source();
  const base = new ChunkedBackend(from, 2 * CHUNK);
  for (const index of [0, 0, 0, 1, 2, 3, 0, 1]) await base.read(index * CHUNK, new Uint8Array(CHUNK));
  expect(from.fetched).toEqual([0, 1, 2, 3, 1]);
});

test('a failed fetch rejects the read and is tried again by the next', async () => {
  let fail = true;
  const base = new ChunkedBackend(
    source({
      fetch: async (index) => {
        if (fail) throw new Error(`https://example.org/disk chunk ${index}: 503`);
        return contents.slice(index * CHUNK, (index + 1) * CHUNK);
      },
    }),
    CHUNK,
  );
  await expect(base.read(0, new Uint8Array(512))).rejects.toThrow('503');
  fail = false;
  await expect(base.read(0, new Uint8Array(512))).resolves.toBeUndefined();
});

test('a chunk of the wrong length is refused', async () => {
  const base = new ChunkedBackend(source({ fetch: async () => new Uint8Array(10) }), CHUNK);
  await expect(base.read(0, new Uint8Array(512))).rejects.toThrow('disk chunk 0 has 10 bytes, expected 1024');
});

test('policy and size change while it is used: what is kept stays as far as there is room', async () => {
  const from = source();
  const base = new ChunkedBackend(from, 10 * CHUNK);
  const read = async (index: number): Promise<void> => void (await base.read(index * CHUNK, new Uint8Array(512)));
  for (const index of [0, 1, 2, 3, 4]) await read(index);
  expect(base.statistics).toEqual({
    policy: 's3fifo',
    capacity: 10 * CHUNK,
    bytes: contents.length,
    hits: 0,
    misses: 5,
  });
  base.setCache({ policy: 'lru' });
  for (const index of [0, 1, 2, 3, 4]) await read(index);
  expect(base.statistics).toMatchObject({ policy: 'lru', hits: 5, misses: 5 });
  base.setCache({ bytes: 2 * CHUNK });
  expect(base.statistics).toMatchObject({ capacity: 2 * CHUNK, bytes: CHUNK + 512 });
  for (const index of [3, 4]) await read(index);
  expect(from.fetched).toEqual([0, 1, 2, 3, 4]);
  await read(0);
  expect(from.fetched).toEqual([0, 1, 2, 3, 4, 0]);
  expect(base.statistics).toMatchObject({ bytes: CHUNK + 512, hits: 7, misses: 6 });
});
