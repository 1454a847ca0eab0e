/** `node build/run.mjs test/debug/gdb-random-long.ts [SEQUENCES] [SEED]`: the long form of the random gdb sequences in gdb.test.ts; 1,000 by default. */
import { randomSequences } from './gdb-random.ts';

const [count = '1000', seed = '1'] = process.argv.slice(2);
const compared = await randomSequences(Number(count), Number(seed), (done) =>
  process.stderr.write(`\r${done} sequences`),
);
process.stdout.write(`\n${count} sequences, ${compared} moves: registers as in a straight run\n`);
