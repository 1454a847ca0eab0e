import type { Engine } from '../../machine/engine/engine.ts';
import { POLICIES, type PolicyName } from '../../storage/cache/policy.ts';
import { BlockTrace, CACHE_BLOCK } from '../../storage/cache/trace.ts';
import { explained, openRecording, type RecordingFlags } from '../recordings.ts';
import { formatBytes, parseChoice, parseDuration, parseSize } from '../values.ts';

/** Flags of `hindsight cache`. */
export interface CacheFlags extends RecordingFlags {
  readonly policy?: string;
  readonly size?: string;
  /** Time of a read that misses. */
  readonly miss: string;
  readonly json?: boolean;
}

/** How a cache of one policy and size did. */
interface Outcome {
  readonly policy: PolicyName;
  readonly bytes: number;
  readonly hits: number;
  readonly misses: number;
}

const NAMES = Object.keys(POLICIES) as PolicyName[];
/** Milliseconds of a read that hits: of memory. */
const HIT = 0.001;
/** Sizes in a table unless the user names some: parts of all that is used. */
const PARTS = [1 / 64, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1];
const BAR = 40;
const LARGEST = 2 ** 50;

/** Has the machine's disks tell what is asked of them from now on. */
function watchDisks(engine: Engine, trace: BlockTrace): void {
  engine.board.disks.forEach((disk, index) => {
    disk.watch((write, offset, length) => trace.add(index, write, offset, length));
  });
}

/** `hindsight cache`: what caches of other policies and sizes would have done with a recorded machine's disk traffic. */
export async function cache(file: string, flags: CacheFlags): Promise<number> {
  const policies = flags.policy?.split(',').map((name) => parseChoice('--policy', name, NAMES)) ?? NAMES;
  const asked = flags.size?.split(',').map((text) => parseSize('--size', text, CACHE_BLOCK, LARGEST));
  const miss = parseDuration('--miss', flags.miss);
  const { timeline } = await openRecording(file, flags, { spacing: Infinity, straight: true });
  const trace = new BlockTrace();
  watchDisks(timeline.engine, trace);
  await explained(timeline, timeline.verify());
  const all = trace.blocks * CACHE_BLOCK;
  const fit = (part: number): number => Math.max(1, Math.round(trace.blocks * part)) * CACHE_BLOCK;
  const sizes = [...new Set(asked ?? PARTS.map(fit))].sort((a, b) => a - b);
  const outcomes = policies.flatMap((policy) =>
    sizes.map((bytes): Outcome => ({ policy, bytes, ...trace.simulate(policy, bytes) })),
  );
  const mean = ({ hits, misses }: Outcome): number =>
    trace.reads === 0 ? 0 : (hits * HIT + misses * miss) / trace.reads;
  if (flags.json) {
    const report = {
      reads: trace.reads,
      writes: trace.length - trace.reads,
      blocks: trace.blocks,
      blockSize: CACHE_BLOCK,
    };
    const rows = outcomes.map((o) => ({ ...o, hitRate: rate(o), meanReadMs: mean(o) }));
    process.stdout.write(`${JSON.stringify({ ...report, outcomes: rows })}\n`);
    return 0;
  }
  const lines = [
    `${trace.reads} blocks of ${CACHE_BLOCK} bytes read, ${trace.length - trace.reads} written; ${formatBytes(all)} of them different`,
  ];
  if (trace.reads > 0)
    lines.push('', ...table(outcomes, sizes, policies, mean, flags.miss), '', ...curve(outcomes, sizes, policies));
  process.stdout.write(`${lines.join('\n')}\n`);
  return 0;
}

const rate = ({ hits, misses }: Outcome): number => (hits + misses === 0 ? 0 : hits / (hits + misses));
const at = (outcomes: readonly Outcome[], policy: PolicyName, bytes: number): Outcome =>
  outcomes.find((o) => o.policy === policy && o.bytes === bytes)!;

function table(
  outcomes: readonly Outcome[],
  sizes: readonly number[],
  policies: readonly PolicyName[],
  mean: (o: Outcome) => number,
  miss: string,
): string[] {
  const head = `${'hits, mean read'.padEnd(16)}${sizes.map((s) => formatBytes(s).padStart(18)).join('')}`;
  const rows = policies.map((policy) => {
    const cells = sizes.map((bytes) => {
      const outcome = at(outcomes, policy, bytes);
      return `${(100 * rate(outcome)).toFixed(1)} %  ${mean(outcome).toFixed(3)} ms`.padStart(18);
    });
    return `${policy.padEnd(16)}${cells.join('')}`;
  });
  return [head, ...rows, `(a hit takes ${HIT} ms, a miss ${miss})`];
}

/** Miss ratio over size, a bar each. */
function curve(outcomes: readonly Outcome[], sizes: readonly number[], policies: readonly PolicyName[]): string[] {
  return policies.flatMap((policy) => [
    `misses of ${policy}`,
    ...sizes.map((bytes) => {
      const ratio = 1 - rate(at(outcomes, policy, bytes));
      return `${formatBytes(bytes).padStart(9)} ${'█'.repeat(Math.round(ratio * BAR)).padEnd(BAR, '·')} ${(100 * ratio).toFixed(1)} %`;
    }),
  ]);
}
