// Two cores side by side over a boot, compared by state hash; the first instruction at which they differ is named.
// node build/run.mjs test/machine/lockstep-boot.ts KERNEL INITRD "COMMAND LINE" [CORE_A CORE_B [INSTRUCTIONS [STEP [HARTS]]]]
import { readFileSync } from 'node:fs';
import { createHostRoom } from '../../src/host/room.ts';
import { HART_STATE_FIELDS } from '../../src/isa/layout.ts';
import { type CoreKind, coreFactory } from '../../src/machine/engine/cores.ts';
import { Engine } from '../../src/machine/engine/engine.ts';
import { planHardware } from '../../src/machine/session/options.ts';
import { restoreMachine, saveMachine } from '../../src/machine/state/save.ts';
import { stateHash } from '../../src/machine/state/state-hash.ts';
import { LiveDoor } from '../../src/record/live-door.ts';
import { fixedSources } from '../../src/record/sources.ts';

const [kernel, initrd, append, kindA = 'wasm', kindB = 'ts', count = '600e6', stride = '100000', harts = '1'] =
  process.argv.slice(2);
const file = (name: string): { file: string; bytes: Uint8Array } => ({
  file: name,
  bytes: new Uint8Array(readFileSync(name)),
});
const hardware = await planHardware(
  { kernel: file(kernel), initrd: file(initrd), append, harts: Number(harts) },
  createHostRoom(),
);
const machine = (kind: string, show: boolean): Engine =>
  new Engine({
    ...hardware,
    door: new LiveDoor(fixedSources(0)),
    core: coreFactory(kind as CoreKind),
    output: (_port, bytes) => void (show && process.stdout.write(bytes)),
  });
const a = machine(kindA, true);
const b = machine(kindB, false);

const equalAt = (instructions: number): boolean => {
  a.run({ instructions });
  b.run({ instructions });
  return stateHash(a) === stateHash(b);
};
const step = Number(stride);
let good = 0;
let saved = saveMachine(a);
let since = 0;
while (good < Number(count) && equalAt(good + step)) {
  good += step;
  if (++since < 50) continue;
  since = 0;
  saved = saveMachine(a);
}
if (good >= Number(count)) {
  process.stdout.write(`\nequal up to ${good}\n`);
} else {
  // Bisect from the last saved state; a replayed stretch is equal as long as its beginning is.
  let low = good - since * step;
  const start = saved;
  let high = good + step;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    for (const engine of [a, b]) restoreMachine(engine, start);
    if (equalAt(middle)) low = middle;
    else high = middle;
  }
  for (const engine of [a, b]) restoreMachine(engine, start);
  equalAt(low);
  const hart = a.currentHart;
  const pc = a.harts[hart].get('pc');
  const physical = a.core.translate(hart, pc, 2);
  const word = physical > 0n && a.ram.contains(Number(physical), 4) ? a.ram.readU32(Number(physical)) : 0;
  process.stdout.write(
    `\nequal up to ${low}; instruction at pc 0x${pc.toString(16)} (0x${word.toString(16)}) of hart ${hart} differs:\n`,
  );
  equalAt(high);
  for (const [name, width, items = 1] of HART_STATE_FIELDS as readonly (readonly [string, number, number?])[]) {
    for (let i = 0; i < items; i++) {
      const get = (engine: Engine): bigint =>
        width === 8 ? engine.harts[hart].get(name as never, i) : BigInt(engine.harts[hart].get32(name as never));
      if (get(a) !== get(b))
        process.stdout.write(`  ${name}[${i}]: ${kindA} 0x${get(a).toString(16)}, ${kindB} 0x${get(b).toString(16)}\n`);
    }
  }
  for (let page = 0; page < a.memory.pages; page++) {
    for (let i = page * 1024; i < (page + 1) * 1024; i++) {
      if (a.memory.ramWords[i] !== b.memory.ramWords[i]) {
        process.stdout.write(
          `  RAM 0x${(0x8000_0000 + i * 4).toString(16)}: ${kindA} 0x${a.memory.ramWords[i].toString(16)}, ${kindB} 0x${b.memory.ramWords[i].toString(16)}\n`,
        );
      }
    }
  }
  process.exitCode = 1;
}
