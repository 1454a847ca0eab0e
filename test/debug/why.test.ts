/** Backward slices, against a run forward that tracks where every byte of every register and of memory came from. */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GuestInfo } from '../../src/debug/guest-info.ts';
import { type WhyStep, type WhyTarget, why } from '../../src/debug/why.ts';
import { Machine } from '../../src/machine/session/machine.ts';
import { X } from '../../src/machine/view/machine-view.ts';
import { LivePast } from '../../src/timeline/live.ts';
import { room, tinyOptions } from '../machine/fixtures.ts';
import { beginImage, TINY } from '../machine/tiny-guest.ts';

const BASE = 8;
const REGISTERS = [10, 11, 12, 13, 14, 15];
const WORDS = 8;
const LOADS = [
  ['lb', 1],
  ['lbu', 1],
  ['lh', 2],
  ['lhu', 2],
  ['lw', 4],
  ['lwu', 4],
  ['ld', 8],
] as const;
const STORES = [
  ['sb', 1],
  ['sh', 2],
  ['sw', 4],
  ['sd', 8],
] as const;

/** An instruction of a random program: what it is, and three numbers to choose operands by. */
type Choice = readonly [kind: number, a: number, b: number, c: number];
/** Address of the instruction that made a byte; undefined for what is no plain copy of one. */
type Origin = number | undefined;

/** A program that moves bytes about, and where each byte of memory came from when it has run. */
function program(choices: readonly Choice[]): { image: Uint8Array; count: number; loop: number; memory: Origin[] } {
  const a = beginImage();
  const registers = new Map<number, Origin[]>();
  const memory: Origin[] = [];
  const constant = (rd: number, imm: number): void => {
    registers.set(rd, Array<Origin>(8).fill(a.here));
    a.op('addi', { rd, rs1: 0, imm });
  };
  a.label('start');
  const start = a.here;
  a.la(BASE, 'data');
  for (let i = 0; i < WORDS; i++) {
    constant(10, 1 + i);
    a.op('sd', { rs1: BASE, rs2: 10, imm: 8 * i });
    for (let n = 0; n < 8; n++) memory[8 * i + n] = registers.get(10)![n];
  }
  for (const rd of REGISTERS) constant(rd, 100 + rd);
  for (const [kind, x, y, z] of choices) {
    const rd = REGISTERS[x % REGISTERS.length];
    const rs = REGISTERS[y % REGISTERS.length];
    if (kind === 0) {
      const [name, width] = LOADS[z % LOADS.length];
      const at = (y % ((8 * WORDS) / width)) * width;
      a.op(name, { rd, rs1: BASE, imm: at });
      registers.set(
        rd,
        Array.from({ length: 8 }, (_, n) => (n < width ? memory[at + n] : undefined)),
      );
    } else if (kind === 1) {
      const [name, width] = STORES[z % STORES.length];
      const at = (x % ((8 * WORDS) / width)) * width;
      a.op(name, { rs1: BASE, rs2: rs, imm: at });
      for (let n = 0; n < width; n++) memory[at + n] = registers.get(rs)![n];
    } else if (kind === 2) {
      a.op('addi', { rd, rs1: rs, imm: 0 });
      registers.set(rd, [...registers.get(rs)!]);
    } else if (kind === 3) {
      const bytes = 1 + (z % 7);
      const old = registers.get(rs)!;
      const left = z % 2 === 0;
      a.op(left ? 'slli' : 'srli', { rd, rs1: rs, imm: 8 * bytes });
      registers.set(
        rd,
        Array.from({ length: 8 }, (_, n) => old[left ? n - bytes : n + bytes]),
      );
    } else constant(rd, z % 2000);
  }
  const count = (a.here - start) / 4;
  a.label('over');
  a.to('jal', { rd: 0 }, 'over');
  a.align(8);
  a.label('data');
  for (let i = 0; i < WORDS; i++) {
    a.word(0);
    a.word(0);
  }
  return { image: a.finish(), count, loop: a.addressOf('over'), memory };
}

async function slice(
  timeline: LivePast['timeline'],
  target: WhyTarget,
  all = false,
): Promise<{ readonly steps: WhyStep[]; readonly end: string }> {
  const steps: WhyStep[] = [];
  const guest = new GuestInfo(timeline.view);
  const end = await why(timeline, guest, target, timeline.events, (step) => steps.push(step), { all });
  return { steps, end };
}

describe('why', () => {
  it('a byte leads to the constant that it is a copy of, through loads, stores, moves and shifts of all widths', async () => {
    const choice = fc.tuple(fc.nat(4), fc.nat(1000), fc.nat(1000), fc.nat(1000));
    let asked = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(choice, { minLength: 20, maxLength: 120 }), fc.nat(63), async (choices, first) => {
        const { image, count, loop, memory } = program(choices);
        await using machine = await Machine.create(
          { kernel: { file: 'moves', bytes: image }, memory: '4M', core: 'wasm' },
          room,
        );
        const past = new LivePast(machine, room);
        // The firmware's own instructions come before those of the program: both have run when the loop at its end has.
        await machine.run({ instructions: count + 500 });
        past.goBack();
        const { timeline } = past;
        await timeline.seek(timeline.end);
        const base = timeline.view.readRegister(0, X(BASE))!;
        const pc = timeline.view.readRegister(0, { kind: 'pc' })!;
        for (let i = 0; i < 4; i++) {
          const at = (first + 17 * i) % 64;
          const origin = memory[at];
          if (origin === undefined) continue;
          asked++;
          const target = { kind: 'memory', address: base + BigInt(at), length: 1 } as const;
          const { steps, end } = await slice(timeline, target);
          expect(end).toBe('complete');
          expect(steps.map(({ action }) => action)).toEqual(['constant']);
          expect(steps[0].pc - pc).toBe(BigInt(origin - loop));
          expect((await slice(timeline, target, true)).steps.length).toBe(steps[0].folded + 1);
        }
      }),
      { numRuns: 12, seed: 7 },
    );
    expect(asked).toBeGreaterThan(20);
  }, 120_000);

  describe('of what a guest was given', () => {
    let machine: Machine;
    let timeline: LivePast['timeline'];
    beforeAll(async () => {
      machine = await Machine.create({ ...tinyOptions({ harts: 2 }), core: 'jit' }, room);
      const past = new LivePast(machine, room);
      for (const text of ['hello', 'd', 'go on']) {
        machine.write(text);
        await machine.run({ instructions: machine.instant.instructions + 60_000 });
      }
      past.goBack();
      timeline = past.timeline;
    });
    afterAll(() => machine.close());

    it('ends with what every part came from, and is the same whichever way', async () => {
      await timeline.seek(timeline.end);
      const here = [timeline.at, timeline.hash()];
      const { steps, end } = await slice(timeline, { kind: 'memory', address: BigInt(TINY.ticks), length: 8 });
      expect(end).toBe('steps');
      // A counter: each value is the one before and a constant.
      expect(steps.filter(({ action }) => action === 'compute').length).toBeGreaterThan(10);
      expect(steps[0].place).toMatch(/^0x/);
      expect([timeline.at, timeline.hash()]).toEqual(here);
      const clock = await slice(timeline, { kind: 'memory', address: BigInt(TINY.clock), length: 8 });
      expect(clock.steps.at(-1)!.action).toMatch(/csr|device/);
    });

    it('ends early when it is told to', async () => {
      const target = { kind: 'memory', address: BigInt(TINY.ticks), length: 8 } as const;
      const signal = AbortSignal.abort();
      expect(await why(timeline, new GuestInfo(timeline.view), target, [], () => undefined, { signal })).toBe(
        'interrupted',
      );
      await expect(slice(timeline, { ...target, address: 0x1000_0000n })).rejects.toThrow('is not in RAM');
    });
  });
});
