import { expect, test } from 'vitest';
import { createTsCore } from '../../../src/core/ts/core.ts';
import { createWasmCore } from '../../../src/core/wasm/core.ts';
import { EXIT } from '../../../src/isa/layout.ts';
import { differences, fuzzRig, Random, randomMachine } from './fuzz.ts';
import type { Rig } from './rig.ts';

const TICKS = 2500;

/** What a host does between slices, alike for both. */
function attend(rig: Rig, exit: number, clear: boolean): void {
  if (exit === EXIT.DEBUG) rig.setMachine('debugSkip', 1n, 4);
  if (exit === EXIT.WAIT) {
    rig.set('lines', rig.get('lines', 0, 4) ^ 0x80n, 0, 4);
    rig.set('waiting', 0n, 0, 4);
  }
  if (clear) rig.core.clearDirty();
}

test.each([0, 1, 2, 3])('random machines do the same on the TypeScript and the WebAssembly core, part %i', (part) => {
  for (let seed = 1 + part * 12; seed <= 12 + part * 12; seed++) {
    const rigs = [fuzzRig(createTsCore), fuzzRig(createWasmCore)] as const;
    for (const rig of rigs) randomMachine(rig, seed);
    const random = new Random(seed + 77);
    for (let done = 0; done < TICKS; ) {
      const ticks = 1 + random.below(random.chance(20) ? 1000 : 40);
      const [a, b] = rigs.map((rig) => rig.run(ticks));
      done += ticks;
      const same =
        a === b &&
        Buffer.compare(rigs[0].harts(), rigs[1].harts()) === 0 &&
        Buffer.compare(rigs[0].ram(), rigs[1].ram()) === 0;
      if (!same)
        expect([a, ...differences(...rigs)], `seed ${seed}, within ${ticks} ticks before ${done}`).toEqual([b]);
      const clear = random.chance(2);
      for (const rig of rigs) attend(rig, a, clear);
    }
    expect(differences(...rigs)).toEqual([]);
  }
});
