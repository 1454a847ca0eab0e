import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { StateWriter } from '../../src/bytes/state-stream.ts';
import { PLATFORM_DEVICES, SLOT_DEVICES } from '../../src/devices/registry.ts';
import { FEATURE } from '../../src/devices/virtio/transport.ts';
import { DATA, Driver, type Piece } from './driver.ts';
import { MODELS, type Model, type Subject } from './models.ts';
import { RAM_BASE, RAM_SIZE, World } from './world.ts';

type Width = 1 | 2 | 4;

/** One thing that happens to a device; the same list on two equal devices must leave them equal. */
type Step =
  | { do: 'read' | 'peek'; offset: number; width: Width }
  | { do: 'write'; offset: number; width: Width; value: number }
  | { do: 'pass'; ticks: number }
  | { do: 'input'; bytes: Uint8Array }
  | { do: 'command'; n: number }
  | { do: 'drive'; n: number; level: boolean }
  | { do: 'start'; features: readonly number[] }
  | { do: 'offer'; queue: number; pieces: readonly Piece[] }
  | { do: 'request'; type: number; sector: number; length: number }
  | { do: 'poke'; address: number; value: number }
  | { do: 'acknowledge' }
  | { do: 'wake' }
  | { do: 'reset' };

const width = fc.constantFrom<Width>(1, 2, 4);
const value = fc.oneof(
  {
    arbitrary: fc.constantFrom(
      0,
      1,
      2,
      4,
      7,
      8,
      0xf,
      0x10,
      0x80,
      0x83,
      0xc7,
      0xff,
      0x5555,
      0xffff,
      RAM_BASE,
      0xffffffff,
    ),
    weight: 3,
  },
  { arbitrary: fc.nat(0xffffffff), weight: 1 },
);
const masked = (v: number, w: Width): number => (w === 4 ? v : v % 2 ** (8 * w));

function steps(model: Model, size: number): fc.Arbitrary<Step[]> {
  const offset = fc.oneof(
    { arbitrary: fc.constantFrom(...model.offsets), weight: 9 },
    { arbitrary: fc.nat(size - 1), weight: 1 },
  );
  const access = fc.record({
    offset,
    width: fc.oneof({ arbitrary: fc.constant<Width>(4), weight: 4 }, { arbitrary: width, weight: 1 }),
    value,
  });
  const choices: { arbitrary: fc.Arbitrary<Step>; weight: number }[] = [
    { arbitrary: access.map(({ offset, width }) => ({ do: 'read', offset, width })), weight: 6 },
    { arbitrary: access.map(({ offset, width }) => ({ do: 'peek', offset, width })), weight: 1 },
    {
      arbitrary: access.map((a) => ({
        do: 'write',
        offset: a.offset,
        width: a.width,
        value: masked(a.value, a.width),
      })),
      weight: 8,
    },
    { arbitrary: fc.constantFrom(1, 63, 1000, 60_000, 5_000_000).map((ticks) => ({ do: 'pass', ticks })), weight: 3 },
    { arbitrary: fc.uint8Array({ minLength: 1, maxLength: 40 }).map((bytes) => ({ do: 'input', bytes })), weight: 2 },
    {
      arbitrary: fc
        .record({
          n: fc.oneof({ arbitrary: fc.nat(1), weight: 4 }, { arbitrary: fc.nat(200), weight: 1 }),
          level: fc.boolean(),
        })
        .map((d) => ({ do: 'drive', ...d })),
      weight: 2,
    },
    { arbitrary: fc.constant({ do: 'reset' }), weight: 0.2 as number },
  ];
  if (model.command !== undefined)
    choices.push({
      arbitrary: fc.nat(65534).map((n) => ({ do: 'command', n })),
      weight: 1,
    });
  if (model.wake !== undefined) choices.push({ arbitrary: fc.constant({ do: 'wake' }), weight: 2 });
  if (model.queues !== undefined) choices.push(...rings(model.queues, model.features ?? []));
  const whole = choices.map(({ arbitrary, weight }) => ({ arbitrary, weight: Math.ceil(weight * 5) }));
  return fc.array(fc.oneof(...whole), { minLength: 1, maxLength: 60, size: 'max' });
}

function rings(queues: number, own: readonly number[]): { arbitrary: fc.Arbitrary<Step>; weight: number }[] {
  const features = fc
    .subarray([FEATURE.indirectDesc, FEATURE.eventIndex, ...own])
    .map((some) => [...some, FEATURE.version1]);
  const length = fc.constantFrom(0, 1, 16, 512, 513, 4096, 0x40000, 0xffffffff);
  const piece = fc.record({
    address: fc.oneof(
      { arbitrary: fc.constantFrom(DATA, DATA + 0x1000), weight: 6 },
      { arbitrary: fc.constantFrom(0, RAM_BASE, RAM_BASE + RAM_SIZE - 1), weight: 1 },
    ),
    length: fc.oneof({ arbitrary: fc.constantFrom(1, 16, 512), weight: 6 }, { arbitrary: length, weight: 1 }),
    write: fc.boolean(),
    flags: fc.oneof({ arbitrary: fc.constant(0), weight: 12 }, { arbitrary: fc.nat(7), weight: 1 }),
  });
  const sorted = fc
    .array(piece, { minLength: 1, maxLength: 4 })
    .map((p) => p.sort((a, b) => Number(a.write) - Number(b.write)));
  return [
    { arbitrary: features.map((features) => ({ do: 'start', features })), weight: 3 },
    {
      arbitrary: fc.record({ queue: fc.nat(queues - 1), pieces: sorted }).map((o) => ({ do: 'offer', ...o })),
      weight: 6,
    },
    {
      arbitrary: fc
        .record({
          type: fc.constantFrom(0, 1, 4, 8, 11, 13, 99),
          sector: fc.nat(130),
          length: fc.constantFrom(16, 512, 1536, 4096),
        })
        .map((r) => ({ do: 'request', ...r })),
      weight: 6,
    },
    {
      arbitrary: fc
        .record({ address: fc.nat(0x3fff).map((n) => RAM_BASE + n), value: fc.nat(255) })
        .map((p) => ({ do: 'poke', ...p })),
      weight: 1,
    },
    { arbitrary: fc.constant({ do: 'acknowledge' }), weight: 2 },
  ];
}

/** Plays steps; answers everything that came out on the way. */
function play(model: Model, subject: Subject, list: readonly Step[]): unknown[] {
  const { world } = subject;
  const { device } = world;
  const driver = new Driver(world);
  const out: unknown[] = [];
  for (const step of list) {
    switch (step.do) {
      case 'read':
      case 'peek': {
        const got = device[step.do](step.offset, step.width);
        expect(
          Number.isInteger(got) && got >= 0 && got <= 0xffffffff,
          `${step.do} of 0x${step.offset.toString(16)} gave ${got}`,
        ).toBe(true);
        out.push(got);
        break;
      }
      case 'write':
        device.write(step.offset, step.width, step.value);
        break;
      case 'pass':
        world.advance(step.ticks);
        break;
      case 'input': {
        const before = world.seen();
        const taken = device.input?.(step.bytes) ?? 0;
        expect(taken >= 0 && taken <= step.bytes.length).toBe(true);
        if (taken === 0) expect(world.seen()).toBe(before);
        out.push(taken);
        break;
      }
      case 'command':
        device.control?.(model.command!(step.n));
        break;
      case 'drive':
        subject.drive?.(step.n, step.level);
        break;
      case 'start':
        driver.start(model.queues ?? 0, step.features);
        break;
      case 'offer':
        driver.offer(step.queue, step.pieces);
        break;
      case 'request':
        world.ram.writeU32(DATA, step.type);
        world.ram.writeU64(DATA + 8, BigInt(step.sector));
        driver.offer(0, [
          { address: DATA, length: 16 },
          { address: DATA + 0x800, length: step.length, write: step.type === 0 || step.type === 8 },
          { address: DATA + 0x100, length: 1, write: true },
        ]);
        break;
      case 'poke':
        world.ram.writeU8(step.address, step.value);
        break;
      case 'acknowledge':
        out.push(driver.acknowledge());
        break;
      case 'wake':
        for (const [offset, v] of model.wake ?? []) device.write(offset, 4, v);
        break;
      case 'reset':
        device.reset();
        break;
    }
    out.push(world.wire);
  }
  return out;
}

/** A new subject in the other's place: same surroundings, restored state. */
function successor(model: Model, original: Subject): Subject {
  const next = model.create();
  next.world.follow(original.world);
  next.copyBackend?.(original);
  expect(next.world.restore(original.world.save())).toBe(0);
  return next;
}

/** The levels that are high now. */
const high = ({ outputs }: Subject): string[] =>
  [...outputs].flatMap(([name, level]) => (level === true ? [name] : [])).sort();

/** What the disk holds, if there is one. */
const stored = ({ disk }: Subject): Buffer => {
  const w = new StateWriter();
  disk?.save(w);
  return Buffer.from(w.finish());
};

const RUNS = { seed: 20260, numRuns: 100 };

describe.each(MODELS)('$name', (model) => {
  // A device without registers is never read or written by the bus; it must bear it all the same.
  const size = Math.max(1, model.create().world.device.size);
  const traffic = steps(model, size);

  test('a reset device equals a new one', () => {
    fc.assert(
      fc.property(traffic, (before) => {
        const used = model.create();
        play(model, used, before);
        for (let n = 0; n < 300; n++) used.drive?.(n, false);
        used.world.device.reset();
        const fresh = model.create();
        fresh.world.follow(used.world);
        fresh.world.device.reset();
        expect(used.world.seen()).toBe(fresh.world.seen());
        expect(high(used)).toEqual(high(fresh));
      }),
      RUNS,
    );
  });

  test('a new device is as if reset', () => {
    const fresh = model.create();
    const state = fresh.world.save();
    fresh.world.device.reset();
    expect(fresh.world.save()).toEqual(state);
  });

  test('restored, it saves the same bytes and behaves the same', () => {
    fc.assert(
      fc.property(traffic, traffic, (before, after) => {
        const original = model.create();
        play(model, original, before);
        const copy = successor(model, original);
        expect(copy.world.seen()).toBe(original.world.seen());
        expect(high(copy)).toEqual(high(original));
        original.world.emitted.length = 0;
        expect(play(model, copy, after)).toEqual(play(model, original, after));
        expect(copy.world.seen()).toBe(original.world.seen());
        expect(copy.world.emitted).toEqual(original.world.emitted);
        expect(stored(copy).equals(stored(original))).toBe(true);
      }),
      RUNS,
    );
  });

  test('it can be restored over any other state of itself', () => {
    fc.assert(
      fc.property(traffic, traffic, (before, other) => {
        const original = model.create();
        play(model, original, before);
        const copy = model.create();
        play(model, copy, other);
        copy.world.follow(original.world);
        copy.copyBackend?.(original);
        copy.world.restore(original.world.save());
        expect(copy.world.seen()).toBe(original.world.seen());
        expect(high(copy)).toEqual(high(original));
      }),
      RUNS,
    );
  });

  test('peek changes nothing', () => {
    fc.assert(
      fc.property(traffic, fc.nat(size - 1), width, (before, offset, w) => {
        const subject = model.create();
        play(model, subject, before);
        const seen = subject.world.seen();
        const { asked } = subject.world;
        for (const at of [offset, ...model.offsets]) subject.world.device.peek(at, w);
        expect(subject.world.seen()).toBe(seen);
        expect(subject.world.asked).toBe(asked);
      }),
      RUNS,
    );
  });

  test('no offset, width or value makes it throw', () => {
    const { device } = model.create().world;
    // Big windows are mostly empty: an odd stride meets every alignment.
    const step = Math.max(1, (size >> 10) | 1);
    const unsound: string[] = [];
    for (const offset of [...model.offsets, ...Array.from({ length: Math.floor(size / step) }, (_, i) => i * step)]) {
      for (const w of [1, 2, 4] as const) {
        for (const v of [0, 1, 2 ** (8 * w) - 1]) {
          device.write(offset, w, v);
          if (!(device.read(offset, w) >= 0 && device.peek(offset, w) >= 0)) unsound.push(`${offset}/${w}`);
        }
      }
    }
    expect(unsound).toEqual([]);
  });

  test('no state cut short is restored', () => {
    const state = model.create().world.save();
    for (let length = 0; length < state.length; length += Math.max(1, state.length >> 4)) {
      expect(() => model.create().world.restore(state.slice(0, length))).toThrow('state ends at offset');
    }
  });
});

test('every device of the registry is held by this suite', () => {
  const listed = new Set(MODELS.map(({ name }) => name));
  const wiring = { harts: 1, drive: () => undefined, request: () => undefined };
  const devices = [
    ...PLATFORM_DEVICES.map((entry) => entry.build(new World().context, wiring).kind),
    ...SLOT_DEVICES.map(({ kind }) => `virtio-${kind}`),
  ];
  expect(devices.filter((name) => !listed.has(name))).toEqual([]);
});
