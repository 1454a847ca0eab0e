// How far a boot gets in its first moments. node build/run.mjs bench/boot-start.ts [CORE]
import { readFileSync } from 'node:fs';
import { buildGuest } from '../src/host/node/guest/index.ts';
import { tuneRuntime } from '../src/host/node/runtime-tuning.ts';
import { createHostRoom } from '../src/host/room.ts';
import { type CoreKind, coreFactory } from '../src/machine/engine/cores.ts';
import { Engine } from '../src/machine/engine/engine.ts';
import { planHardware } from '../src/machine/session/options.ts';
import { LiveDoor } from '../src/record/live-door.ts';
import { fixedSources } from '../src/record/sources.ts';

const MOMENTS = [300, 1000];
const SLICE = 500_000;

tuneRuntime();
const kind = (process.argv[2] ?? 'jit') as CoreKind;
const guest = await buildGuest({});
const named = (file: string): { file: string; bytes: Uint8Array } => ({ file, bytes: readFileSync(file) });
const hardware = await planHardware(
  { kernel: named(guest.kernel), initrd: named(guest.initrd), append: guest.commandLine, memory: '256M' },
  createHostRoom(),
);
const engine = new Engine({
  ...hardware,
  door: new LiveDoor(fixedSources(1)),
  core: coreFactory(kind),
  output: () => undefined,
});
const started = performance.now();
for (const moment of MOMENTS) {
  while (performance.now() - started < moment) engine.run({ instructions: engine.instructions + SLICE });
  process.stdout.write(`${kind}: ${(engine.instructions / 1e6).toFixed(1)} M instructions after ${moment} ms\n`);
}
