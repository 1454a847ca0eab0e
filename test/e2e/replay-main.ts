// What session.test.ts runs in each JavaScript runtime, with RECORDING CORE [INSTRUCTIONS]: replays it, or its beginning, and prints what was compared.
import { readFileSync } from 'node:fs';
import { type CoreKind, Timeline } from '../../src/index.ts';

/** What a replay came to. */
export interface Replayed {
  /** State hashes compared, all equal. */
  readonly compared: number;
  /** State hash where it ended. */
  readonly hash: string;
}

const [file, core, instructions] = process.argv.slice(2);
const timeline = await Timeline.open(new Uint8Array(readFileSync(file)), {}, { core: core as CoreKind });
const compared = await timeline.verify({ ...(instructions !== undefined && { until: Number(instructions) }) });
process.stdout.write(`${JSON.stringify({ compared, hash: timeline.hash() } satisfies Replayed)}\n`);
