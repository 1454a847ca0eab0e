import { expect, it } from 'vitest';
import { commandLine } from '../../src/guest/cmdline.ts';
import { createHostRoom } from '../../src/host/room.ts';
import { type CoreKind, coreFactory } from '../../src/machine/engine/cores.ts';
import type { Engine } from '../../src/machine/engine/engine.ts';
import { STOP } from '../../src/machine/engine/stop.ts';
import { Machine } from '../../src/machine/session/machine.ts';
import type { Hardware } from '../../src/machine/session/options.ts';
import { restoreMachine, saveMachine } from '../../src/machine/state/save.ts';
import { stateHash } from '../../src/machine/state/state-hash.ts';
import { bareMachine, describeGuest, hardware, theImages } from './guest.ts';
import { seeded } from './seeded.ts';

const BOOT = { exec: 'echo ready', stdin: 'none' } as const;
const STEP = 100_000;
/** Longest stretch that a changed core runs before its hash is compared. */
const STRETCH = 1_000_000;
/** Longest stretch of a slow core among the changes of core. */
const LONGEST_TS = 400_000;

/** Hashes of one boot: at every {@link STEP} instructions, then at its end. */
interface Boot {
  readonly hashes: readonly string[];
  readonly end: { readonly instructions: number; readonly hash: string };
}

let parts: Hardware;
let known: Boot;

function differ(at: number, a: Engine, b: Engine): Error {
  const pc = (engine: Engine): string =>
    `${engine.core.kind} at pc 0x${engine.harts[engine.currentHart].get('pc').toString(16)}`;
  return new Error(
    `the machines differ after ${at} instructions: ${pc(a)}, ${pc(b)}; test/machine/lockstep-boot.ts finds the first instruction`,
  );
}

describeGuest('a boot of Debian to its power-off', () => {
  it('has the same hash on the interpreter, the translator and the TypeScript core at every 100,000 instructions', async () => {
    parts = await hardware(BOOT);
    const wasm = bareMachine(parts, 'wasm');
    const others = [bareMachine(parts, 'jit'), bareMachine(parts, 'ts')];
    const hashes: string[] = [];
    for (let at = STEP; ; at += STEP) {
      const stop = wasm.engine.run({ instructions: at });
      const hash = stateHash(wasm.engine);
      for (const { engine } of others) {
        if (engine.run({ instructions: at }) !== stop || stateHash(engine) !== hash)
          throw differ(at, wasm.engine, engine);
      }
      if (stop === STOP.HALT) {
        known = { hashes, end: { instructions: wasm.engine.instructions, hash } };
        break;
      }
      expect(stop).toBe(STOP.LIMIT);
      hashes.push(hash);
    }
    expect(wasm.text()).toContain('end 0');
    for (const other of others) {
      expect(other.text()).toBe(wasm.text());
      expect(other.engine.instant).toEqual(wasm.engine.instant);
    }
    expect(new Set(known.hashes).size).toBe(known.hashes.length);
  });

  it('has it a second time, with changes of core, saves and restores at random instants', () => {
    const random = seeded(20_26);
    let machine = bareMachine(parts, 'jit').engine;
    const kinds: readonly CoreKind[] = ['ts', 'wasm', 'jit'];
    const { end, hashes } = known;
    const instants = Array.from({ length: 12 }, () => Math.floor(random() * end.instructions)).sort((a, b) => a - b);
    instants.forEach((at, i) => {
      machine.run({ instructions: at });
      const saved = saveMachine(machine);
      // Every third goes on in a new machine, every third back in this one from where it has run on to.
      if (i % 3 === 0) machine = bareMachine(parts, 'wasm').engine;
      else if (i % 3 === 1) machine.run({ instructions: at + Math.floor(random() * STRETCH) });
      if (i % 3 < 2) restoreMachine(machine, saved);
      machine.changeCore(coreFactory(kinds[i % kinds.length]));
      machine.run({ instructions: at + Math.floor(random() * LONGEST_TS) });
      machine.changeCore(coreFactory(i % 2 === 0 ? 'jit' : 'wasm'));
      const next = Math.ceil(machine.instructions / STEP);
      machine.run({ instructions: next * STEP });
      expect(stateHash(machine), `change ${i} after ${at} instructions`).toBe(hashes[next - 1] ?? end.hash);
    });
    expect(machine.run({ instructions: Infinity })).toBe(STOP.HALT);
    expect({ instructions: machine.instructions, hash: stateHash(machine) }).toEqual(end);
  });

  it("has it a third time through the library, whatever the lengths of the host's slices", async () => {
    await using machine = await Machine.create(
      { ...theImages(), append: commandLine(BOOT), core: 'wasm', clock: 'virtual' },
      createHostRoom(),
    );
    const { reason } = await machine.run();
    expect(reason).toBe('halt');
    expect({ instructions: machine.instant.instructions, hash: machine.hash() }).toEqual(known.end);
  });
});
