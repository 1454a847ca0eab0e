import { beforeEach, describe, expect, test } from 'vitest';
import { consoleResize, virtioConsole } from '../../src/devices/virtio/console.ts';
import { VirtioMmio } from '../../src/devices/virtio/mmio.ts';
import { virtioRng } from '../../src/devices/virtio/rng.ts';
import { FEATURE, STATUS } from '../../src/devices/virtio/transport.ts';
import { DATA, Driver } from './driver.ts';
import { RAM_BASE, RAM_SIZE, World } from './world.ts';

const RECEIVE = 0;
const TRANSMIT = 1;
const { version1, eventIndex, indirectDesc } = FEATURE;
const LIVE = STATUS.acknowledge | STATUS.driver | STATUS.featuresOk | STATUS.driverOk;

let world: World;
let driver: Driver;
const create = (queueSize = 8): void => {
  world = new World();
  world.device = new VirtioMmio(world.context, virtioConsole({ columns: 100, rows: 30 }));
  driver = new Driver(world, queueSize);
};
beforeEach(() => create());

const text = (): string => String.fromCharCode(...world.emitted);
const put = (at: number, s: string): void => world.ram.write(at, new TextEncoder().encode(s));
const input = (s: string): number => world.device.input?.(new TextEncoder().encode(s)) ?? 0;
const dataAt = (at: number, length: number): string => new TextDecoder().decode(world.ram.read(at, length));

describe('transport', () => {
  test('shows a modern console', () => {
    expect([0, 4, 8].map((at) => driver.get(at))).toEqual([0x74726976, 2, 3]);
    driver.set(0x14, 1);
    expect(driver.get(0x10)).toBe(1);
    driver.set(0x14, 0);
    expect(driver.get(0x10)).toBe(((1 << 28) | (1 << 29) | 5) >>> 0);
    driver.set(0x30, 2);
    expect(driver.get(0x34)).toBe(0);
    driver.set(0x30, 1);
    expect(driver.get(0x34)).toBe(64);
    expect(driver.get(0xb0)).toBe(0xffffffff);
  });

  test('keeps FEATURES_OK off without VERSION_1 or with features not offered', () => {
    driver.start(2, []);
    expect(driver.get(0x70) & (STATUS.featuresOk | STATUS.driverOk)).toBe(0);
    driver.start(2, [version1, 7]);
    expect(driver.get(0x70) & STATUS.featuresOk).toBe(0);
    driver.start(2);
    expect(driver.get(0x70)).toBe(LIVE);
  });

  test('hears nothing before DRIVER_OK, then takes what waits', () => {
    driver.start(0);
    driver.set(0x70, 0);
    driver.set(0x24, 1);
    driver.set(0x20, 1);
    driver.set(0x70, STATUS.acknowledge | STATUS.driver | STATUS.featuresOk);
    driver.enable(TRANSMIT);
    put(DATA, 'early');
    driver.offer(TRANSMIT, [{ address: DATA, length: 5 }]);
    expect(text()).toBe('');
    driver.set(0x70, LIVE);
    expect(text()).toBe('early');
  });

  test('a write of 0 to status resets all but the terminal size', () => {
    world.device.control?.(consoleResize(120, 40));
    driver.start(2);
    driver.set(0x70, 0);
    expect(driver.get(0x70)).toBe(0);
    driver.set(0x30, 1);
    expect(driver.get(0x44)).toBe(0);
    expect(world.device.read(0x100, 2)).toBe(120);
  });

  test('narrow accesses see configuration space only', () => {
    expect(world.device.read(0, 2)).toBe(0);
    expect([
      world.device.read(0x100, 2),
      world.device.read(0x102, 2),
      world.device.read(0x102, 1),
      world.device.read(0x104, 4),
    ]).toEqual([100, 30, 30, 1]);
  });
});

describe('console', () => {
  test('sends buffers in pieces, directly and through an indirect table', () => {
    driver.start(2, [version1, indirectDesc]);
    put(DATA, 'hello ');
    put(DATA + 100, 'world');
    const pieces = [
      { address: DATA, length: 6 },
      { address: DATA + 100, length: 5 },
    ];
    const first = driver.offer(TRANSMIT, pieces);
    const second = driver.offerIndirect(TRANSMIT, DATA + 0x800, pieces);
    expect(text()).toBe('hello worldhello world');
    expect([driver.take(TRANSMIT), driver.take(TRANSMIT)]).toEqual([
      { head: first, written: 0 },
      { head: second, written: 0 },
    ]);
    expect(world.wire).toBe(true);
    expect(driver.acknowledge()).toBe(1);
    expect(world.wire).toBe(false);
  });

  test('takes input as far as there are buffers, and fills them in order', () => {
    driver.start(2);
    expect(input('too early')).toBe(0);
    for (let i = 0; i < 2; i++) driver.offer(RECEIVE, [{ address: DATA + 4 * i, length: 4, write: true }]);
    expect(input('abcdefghij')).toBe(8);
    expect(input('ij')).toBe(0);
    expect(dataAt(DATA, 8)).toBe('abcdefgh');
    expect(driver.take(RECEIVE)?.written).toBe(4);
    driver.offer(RECEIVE, [{ address: DATA, length: 4, write: true }]);
    expect(input('ij')).toBe(2);
  });

  test('a resize changes configuration, its generation, and interrupts', () => {
    driver.start(2);
    const before = driver.get(0xfc);
    world.device.control?.(consoleResize(300, 70));
    expect(driver.get(0xfc)).toBe(before + 1);
    expect(driver.acknowledge()).toBe(2);
    expect([world.device.read(0x100, 2), world.device.read(0x102, 2)]).toEqual([300, 70]);
    expect(() => world.device.control?.(Uint8Array.of(9))).toThrow(RangeError);
    expect(() => consoleResize(0, 5)).toThrow('terminal of 0×5');
  });

  test('emergency writes need no driver', () => {
    world.device.write(0x108, 4, 0x21);
    expect(text()).toBe('!');
  });

  test('indices run on beyond 65535', () => {
    driver.start(2, [version1, eventIndex]);
    for (let n = 0; n < 65_540; n++) {
      driver.offer(TRANSMIT, [{ address: DATA, length: 1 }]);
      if (driver.take(TRANSMIT) === undefined) throw new Error(`buffer ${n} did not come back`);
    }
    expect(world.emitted.length).toBe(65_540);
  });
});

describe('notifications', () => {
  const send = (): void => void driver.offer(TRANSMIT, [{ address: DATA, length: 1 }]);

  test('are held back by the available ring’s flag', () => {
    driver.start(2);
    world.ram.writeU16(driver.avail(TRANSMIT), 1);
    send();
    expect(world.wire).toBe(false);
    world.ram.writeU16(driver.avail(TRANSMIT), 0);
    send();
    expect(world.wire).toBe(true);
  });

  test('come when the used index passes used_event', () => {
    driver.start(2, [version1, eventIndex]);
    world.ram.writeU16(driver.avail(TRANSMIT) + 4 + 2 * driver.size, 2);
    const wires: boolean[] = [];
    for (let i = 0; i < 4; i++) {
      send();
      wires.push(world.wire);
      driver.acknowledge();
    }
    expect(wires).toEqual([false, false, true, false]);
  });

  test('are asked for through avail_event, the next buffer each time', () => {
    driver.start(2, [version1, eventIndex]);
    send();
    send();
    expect(world.ram.readU16(driver.usedRing(TRANSMIT) + 4 + 8 * driver.size)).toBe(2);
  });
});

describe('a broken driver', () => {
  const broken = (): void => {
    expect(driver.get(0x70) & STATUS.needsReset).toBe(STATUS.needsReset);
    // It rests until it is reset, and works again then.
    driver.set(0x50, TRANSMIT);
    expect(input('x')).toBe(0);
    world.bytes.fill(0);
    driver.start(2);
    put(DATA, 'again');
    driver.offer(TRANSMIT, [{ address: DATA, length: 5 }]);
    expect(text()).toBe('again');
  };
  const offerBad = (pieces: Parameters<Driver['offer']>[1]) => (): void => void driver.offer(TRANSMIT, pieces);
  const INDIRECT = 4;

  test.each<[string, () => void]>([
    [
      'a chain that loops',
      () => {
        driver.describe(TRANSMIT, 0, { address: DATA, length: 1 }, 1);
        driver.describe(TRANSMIT, 1, { address: DATA, length: 1 }, 0);
        driver.makeAvailable(TRANSMIT, 0);
      },
    ],
    [
      'a next index outside the table',
      () => {
        driver.describe(TRANSMIT, 0, { address: DATA, length: 1 }, 999);
        driver.makeAvailable(TRANSMIT, 0);
      },
    ],
    ['a head outside the table', () => driver.makeAvailable(TRANSMIT, 8)],
    [
      'an available index far ahead',
      () => {
        world.ram.writeU16(driver.avail(TRANSMIT) + 2, 9);
        driver.set(0x50, TRANSMIT);
      },
    ],
    ['an address below RAM', offerBad([{ address: 0x1000, length: 4 }])],
    ['an address of 64 bits', offerBad([{ address: 2 ** 52, length: 4 }])],
    ['a length beyond RAM', offerBad([{ address: RAM_BASE, length: RAM_SIZE + 1 }])],
    [
      'readable after writable',
      offerBad([
        { address: DATA, length: 1, write: true },
        { address: DATA, length: 1 },
      ]),
    ],
    ['an empty indirect table', offerBad([{ address: DATA, length: 0, flags: INDIRECT }])],
    ['an indirect table of half a descriptor', offerBad([{ address: DATA, length: 24, flags: INDIRECT }])],
    [
      'an indirect descriptor with a next',
      offerBad([
        { address: DATA, length: 16, flags: INDIRECT },
        { address: DATA, length: 1 },
      ]),
    ],
    [
      'a table within a table',
      () => void driver.offerIndirect(TRANSMIT, DATA, [{ address: DATA, length: 16, flags: INDIRECT }]),
    ],
    [
      'a chain longer than the queue',
      () => {
        const pieces = Array.from({ length: 9 }, () => ({ address: DATA + 0x1000, length: 1 }));
        driver.offerIndirect(TRANSMIT, DATA, pieces);
      },
    ],
    [
      'output of more than any driver sends',
      () => {
        create(16);
        driver.start(2);
        driver.offer(
          TRANSMIT,
          Array.from({ length: 16 }, () => ({ address: RAM_BASE, length: RAM_SIZE })),
        );
      },
    ],
  ])('%s: needs a reset', (_name, misdeed) => {
    driver.start(2, [version1, indirectDesc]);
    world.emitted.length = 0;
    misdeed();
    expect(text()).toBe('');
    expect(world.wire).toBe(true);
    broken();
  });

  test('an indirect table that was not negotiated needs a reset', () => {
    driver.start(2);
    driver.offerIndirect(TRANSMIT, DATA, [{ address: DATA, length: 1 }]);
    expect(driver.get(0x70) & STATUS.needsReset).toBe(STATUS.needsReset);
  });

  test.each<[string, number, number]>([
    ['size of no power of two', 0x38, 6],
    ['size of nothing', 0x38, 0],
    ['size beyond the maximum', 0x38, 128],
    ['misaligned descriptors', 0x80, RAM_BASE + 8],
    ['rings outside RAM', 0xa4, 1],
    ['a ring across the end of RAM', 0x90, RAM_BASE + RAM_SIZE - 4],
  ])('%s: needs a reset before the queue is live', (_name, register, value) => {
    driver.start(0);
    driver.set(0x30, 0);
    driver.set(0x38, 8);
    for (const at of [0x80, 0x90, 0xa0]) driver.set(at, RAM_BASE);
    driver.set(register, value);
    driver.set(0x44, 1);
    expect(driver.get(0x44)).toBe(0);
    expect(driver.get(0x70) & STATUS.needsReset).toBe(STATUS.needsReset);
  });

  test('found out by input, the input counts as taken, so that it is recorded', () => {
    driver.start(2);
    driver.offer(RECEIVE, [{ address: 0x1000, length: 4, write: true }]);
    expect(input('lost')).toBe(4);
    expect(driver.get(0x70) & STATUS.needsReset).toBe(STATUS.needsReset);
  });
});

test('entropy fills what the driver gives, at most 4096 bytes at a time', () => {
  const world = new World();
  world.device = new VirtioMmio(world.context, virtioRng);
  const driver = new Driver(world);
  driver.start(1);
  driver.offer(0, [
    { address: DATA, length: 3, write: true },
    { address: DATA + 8, length: 2, write: true },
  ]);
  expect(driver.take(0)?.written).toBe(5);
  expect([...world.ram.read(DATA, 10)]).toEqual([32, 39, 46, 0, 0, 0, 0, 0, 53, 60]);
  driver.offer(0, [{ address: DATA, length: 0x8000, write: true }]);
  expect(driver.take(0)?.written).toBe(4096);
  expect(world.touched.some(([offset]) => offset === DATA - RAM_BASE)).toBe(true);
});
