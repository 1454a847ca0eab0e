/** What earlier runs remember is translated at once, and whatever it says, the guest does the same. */
import { expect, test } from 'vitest';
import { rig } from '../../bench/jit/rig.ts';
import { assembleNamed } from '../../src/isa/encode.ts';
import { NEW_CODE_COUNT_AT } from '../../src/jit/area.ts';
import { Assembler } from './assembler.ts';
import { difference } from './lockstep.ts';
import { Random } from './random.ts';

const RAM = 1 << 20;
/** More jumps than any of these programs makes. */
const NEVER = 16_000;

/** Counts to `turns` in a loop that calls a function on the next page, then waits in a loop of its own. */
function program(turns: number): Uint8Array {
  const a = new Assembler();
  a.op('addi', { rd: 10, rs1: 0, imm: turns });
  a.label('loop');
  a.op('addi', { rd: 10, rs1: 10, imm: -1 });
  a.to('jal', { rd: 1 }, 'function');
  a.to('bne', { rs1: 10, rs2: 0 }, 'loop');
  a.label('end');
  a.to('jal', { rd: 0 }, 'end');
  while (a.here < 4096) a.op('addi', { rd: 0, rs1: 0, imm: 0 });
  a.label('function');
  a.op('xor', { rd: 11, rs1: 11, rs2: 10 });
  a.op('jalr', { rd: 0, rs1: 1 });
  return a.finish();
}

/** What a run of the program remembers. */
function memory(): Uint8Array {
  const { core } = rig('jit', program(2000), RAM, { threshold: 20 });
  for (let i = 0; i < 20; i++) core.run(0, 1_000_000);
  expect(core.statistics().regions.made).toBeGreaterThan(1);
  return core.remember();
}

test('what was hot is translated at once', () => {
  const a = rig('wasm', program(2000), RAM);
  const b = rig('jit', program(2000), RAM, { threshold: NEVER, remembered: memory() });
  for (const { core } of [a, b]) for (let i = 0; i < 2000; i++) core.run(0, 1000);
  expect(b.core.statistics().recalled).toBeGreaterThan(0);
  expect(b.core.statistics().ticks).toBeGreaterThan(100_000);
  expect(difference(a, b)).toBeUndefined();
  // without memory, nothing is that hot
  const { core } = rig('jit', program(2000), RAM, { threshold: NEVER });
  for (let i = 0; i < 5; i++) core.run(0, 1000);
  expect(core.statistics()).toMatchObject({ recalled: 0, ticks: 0 });
});

test('nothing is recalled before so many ticks have been executed', () => {
  const options = { threshold: NEVER, remembered: memory(), recallAfter: 5000 };
  const { core, memory: machine } = rig('jit', program(2000), RAM, options);
  const waiting = (): number => new DataView(machine.memory.buffer).getUint32(NEW_CODE_COUNT_AT, true);
  core.run(0, 5000);
  expect(waiting()).toBe(2);
  core.run(0, 1000);
  expect(waiting()).toBe(0);
  for (let i = 0; i < 2000; i++) core.run(0, 1000);
  expect(core.statistics().recalled).toBeGreaterThan(0);
  expect(core.statistics().ticks).toBeGreaterThan(1000);
});

test('code that is another now is not what is remembered', () => {
  const changed = program(2000);
  new DataView(changed.buffer, changed.byteOffset).setUint32(
    8,
    assembleNamed('addi', { rd: 10, rs1: 10, imm: -2 }),
    true,
  );
  const { core } = rig('jit', changed, RAM, { threshold: NEVER, remembered: memory() });
  for (let i = 0; i < 20; i++) core.run(0, 1000);
  expect(core.statistics()).toMatchObject({ recalled: 0, ticks: 0 });
});

test('what was remembered before and not seen since is kept', () => {
  const { core } = rig('jit', new Assembler().finish(), RAM, { remembered: memory() });
  const later = rig('jit', program(2000), RAM, { threshold: NEVER, remembered: core.remember() });
  for (let i = 0; i < 2000; i++) later.core.run(0, 1000);
  expect(later.core.statistics().recalled).toBeGreaterThan(0);
});

test('damage is noticed: any byte, any length, another version', () => {
  const whole = memory();
  const r = new Random(3);
  for (let i = 0; i < 60; i++) {
    const damaged = whole.slice(0, i % 3 === 0 ? r.below(whole.length) : whole.length);
    if (i % 3 !== 0) damaged[r.below(damaged.length)] ^= 1 << r.below(8);
    const { core } = rig('jit', program(2000), RAM, { threshold: NEVER, remembered: damaged });
    for (let n = 0; n < 10; n++) core.run(0, 1000);
    expect(core.statistics()).toMatchObject({ recalled: 0, ticks: 0 });
  }
});

test('what lies about the code costs time and nothing else', () => {
  const r = new Random(4);
  const whole = memory();
  for (let i = 0; i < 40; i++) {
    const lying = whole.slice();
    const view = new DataView(lying.buffer);
    // instructions said to be executed, and roots, that are not
    for (let n = 0; n < 64; n++) lying[12 + 8 + r.below(256)] = r.below(256);
    const roots = 12 + 8 + 256 + 2 + 3;
    for (let n = 0; n < lying[roots - 2]; n++) if (r.chance(50)) view.setInt32(roots + n * 4, r.below(8192) & ~1, true);
    let hash = 0x811c9dc5;
    let at = 12;
    for (; at + 4 <= lying.length; at += 4) hash = Math.imul(hash ^ view.getUint32(at, true), 0x01000193);
    for (; at < lying.length; at++) hash = Math.imul(hash ^ lying[at], 0x01000193);
    view.setUint32(8, hash >>> 0, true);
    const a = rig('wasm', program(900), RAM);
    const b = rig('jit', program(900), RAM, { threshold: NEVER, remembered: lying });
    for (let n = 0; n < 400; n++) {
      const ticks = 1 + r.below(40);
      for (const { core } of [a, b]) core.run(0, ticks);
      expect(difference(a, b)).toBeUndefined();
    }
  }
});
