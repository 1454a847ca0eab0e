// Random moves through a recorded Linux boot, each landing compared with the hash of a straight run.
// node build/run.mjs test/timeline/fuzz-long.ts [MOVES [SEED [HARTS [CORE]]]]
import { readFileSync } from 'node:fs';
import { DEFAULT_COMMAND_LINE } from '../../src/guest/cmdline.ts';
import { buildGuest } from '../../src/host/node/guest/index.ts';
import { createHostRoom } from '../../src/host/room.ts';
import type { CoreKind } from '../../src/machine/engine/cores.ts';
import { Machine } from '../../src/machine/session/machine.ts';
import { planHardware } from '../../src/machine/session/options.ts';
import { openTimeline } from '../../src/timeline/open.ts';
import { fuzzTimeline } from './fuzz.ts';

const BATCH = 250;
/** Room for checkpoints: with less, more time goes into replaying. */
const BUDGET = 3 * 2 ** 30;
const [moves = '10000', seed = '1', harts = '1', core = 'jit'] = process.argv.slice(2);
const guest = await buildGuest();
const file = (name: string): { file: string; bytes: Uint8Array } => ({
  file: name,
  bytes: new Uint8Array(readFileSync(name)),
});
const room = createHostRoom();
const options = {
  kernel: file(guest.kernel),
  initrd: file(guest.initrd),
  append: DEFAULT_COMMAND_LINE,
  memory: '128M',
  harts: Number(harts),
  core: core as CoreKind,
};
const pieces: Uint8Array[] = [];
const vm = await Machine.create({ ...options, record: { write: (bytes) => void pieces.push(bytes) } }, room);
let text = '';
let typed = false;
vm.on('console', (bytes) => {
  text += new TextDecoder('latin1').decode(bytes);
  if (!typed && text.includes('# ')) {
    typed = true;
    vm.write('for i in 1 2 3; do date; head -c 16 /dev/urandom | md5sum; sleep 1; done; poweroff -f\n');
  }
});
const { instant } = await vm.run({ instructions: 2e9 });
await vm.close();
process.stderr.write(`recorded ${instant.instructions} instructions, ${vm.recording.events.length} events\n`);

const { timeline } = await openTimeline(Buffer.concat(pieces), options, room, {
  core: core as CoreKind,
  budget: BUDGET,
});
const started = performance.now();
const times = await fuzzTimeline(timeline, await planHardware(options, room), {
  moves: Number(moves),
  seed: Number(seed),
  core: core as CoreKind,
  room,
  typed: 'echo another life\n',
  life: 2_000_000,
  batch: BATCH,
  progress: (done) =>
    void (
      done % BATCH === 0 &&
      process.stderr.write(`${done} moves, ${((performance.now() - started) / 1000).toFixed(0)} s\n`)
    ),
  now: () => performance.now(),
});
process.stdout.write(
  `${moves} moves, seed ${seed}, ${harts} harts, ${core}: all landed right, in ${((performance.now() - started) / 1000).toFixed(1)} s\n`,
);
for (const [kind, list] of times) {
  list.sort((a, b) => a - b);
  const at = (part: number): string => list[Math.min(list.length - 1, Math.floor(list.length * part))].toFixed(1);
  process.stdout.write(`${kind}: ${list.length} times, p50 ${at(0.5)} ms, p99 ${at(0.99)} ms\n`);
}
