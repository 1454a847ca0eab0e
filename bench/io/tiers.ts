/** What the path through a tier costs, and how long it takes to compare caches by a recording's traffic. */
import { POLICIES, type PolicyName } from '../../src/storage/cache/policy.ts';
import { BlockTrace, CACHE_BLOCK } from '../../src/storage/cache/trace.ts';
import { type BlockBackend, ChunkedBackend, MemoryBackend } from '../../src/storage/index.ts';
import { cpuTime, median, print } from '../figures.ts';

const SIZE = 64 * 2 ** 20;
const CHUNK = 128 * 1024;
const READS = 500_000;
const REQUESTS = 1_000_000;
/** Different blocks among them, and how many are used most. */
const BLOCKS = 100_000;
const PARTS = [1 / 16, 1 / 4, 1 / 2];

/** Numbers below 2^32 from a seed (xorshift, Marsaglia 2003). */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

/** Nanoseconds of a read of one block at a random place. */
function readCost(backend: BlockBackend): number {
  const random = randomNumbers(7);
  const into = new Uint8Array(CACHE_BLOCK);
  const begun = cpuTime();
  for (let i = 0; i < READS; i++) void backend.read((random() % (SIZE / CACHE_BLOCK)) * CACHE_BLOCK, into);
  return ((cpuTime() - begun) * 1e6) / READS;
}

/** A read of a block of 4 KiB that a tier in memory has, beside a disk that is in memory. */
async function hitCost(rounds: number): Promise<void> {
  const bytes = new Uint8Array(SIZE).fill(1);
  const memory = new MemoryBackend(bytes, '0'.repeat(64));
  const fetch = (index: number): Promise<Uint8Array> =>
    Promise.resolve(bytes.slice(index * CHUNK, (index + 1) * CHUNK));
  const costs: [number[], number[]] = [[], []];
  const tier = new ChunkedBackend({ size: SIZE, hash: memory.hash, chunkSize: CHUNK, fetch }, SIZE);
  for (let at = 0; at < SIZE; at += CHUNK) await tier.read(at, new Uint8Array(CHUNK));
  for (let i = 0; i <= rounds; i++) {
    const pair = [readCost(memory), readCost(tier)] as const;
    // The first round is V8's.
    if (i > 0) pair.forEach((cost, j) => costs[j]!.push(cost));
  }
  const [plain, hit] = costs.map(median) as [number, number];
  print('a read of 4 KiB: disk in memory, tier that has it', `${plain.toFixed(0)} ns, ${hit.toFixed(0)} ns`);
  print('the tier adds', `${(hit - plain).toFixed(0)} ns (aim 1000)`);
}

/** Ten policies and sizes on so many requests, a fifth of them writes, some blocks used more than others. */
function comparison(): void {
  const random = randomNumbers(11);
  const trace = new BlockTrace();
  for (let i = 0; i < REQUESTS; i++) {
    const block = Math.floor(BLOCKS * (random() / 2 ** 32) ** 3);
    trace.add(0, random() % 5 === 0, block * CACHE_BLOCK, CACHE_BLOCK);
  }
  const kinds = Object.keys(POLICIES) as PolicyName[];
  const runs = kinds.flatMap((policy) => PARTS.map((part) => ({ policy, part }))).slice(0, 10);
  const begun = cpuTime();
  for (const { policy, part } of runs) trace.simulate(policy, trace.blocks * part * CACHE_BLOCK);
  print(
    `${REQUESTS} requests under ${runs.length} policies and sizes`,
    `${((cpuTime() - begun) / 1000).toFixed(2)} s (aim 10)`,
  );
}

export async function tiers(rounds: number): Promise<void> {
  await hitCost(rounds);
  comparison();
}
