import { beforeEach, describe, expect, test } from 'vitest';
import { virtioBlk } from '../../src/devices/virtio/blk.ts';
import { VirtioMmio } from '../../src/devices/virtio/mmio.ts';
import { FEATURE, STATUS } from '../../src/devices/virtio/transport.ts';
import { type BlockBackend, MemoryBackend, OverlayDisk } from '../../src/storage/index.ts';
import { DATA, Driver } from './driver.ts';
import { DISK_SIZE, diskContents } from './models.ts';
import { World } from './world.ts';

const T = { in: 0, out: 1, flush: 4, getId: 8, discard: 11, writeZeroes: 13 };
const LATENCY = 50_000;
const HEADER = DATA;
const STATUS_AT = DATA + 0x100;
const BUFFER = DATA + 0x1000;

let world: World;
let disk: OverlayDisk;
let driver: Driver;

function attach(base: BlockBackend, options: { readOnly?: boolean } = {}): void {
  world = new World();
  disk = new OverlayDisk(base, options);
  world.device = new VirtioMmio(world.context, virtioBlk({ disk, serial: 'serial-1' }));
  driver = new Driver(world, 16);
  driver.start(1);
}

const memory = (): BlockBackend => new MemoryBackend(diskContents(), 'a'.repeat(64));
beforeEach(() => attach(memory()));

/** Sends a request; status 255 until it is done. Several at once each need a `slot`. */
function request(type: number, sector: number, length: number, slot = 0): number {
  const header = HEADER + slot * 16;
  const status = STATUS_AT + slot;
  world.ram.writeU32(header, type);
  world.ram.writeU64(header + 8, BigInt(sector));
  world.ram.writeU8(status, 255);
  const data =
    length > 0 ? [{ address: BUFFER + slot * 0x1000, length, write: type === T.in || type === T.getId }] : [];
  return driver.offer(0, [{ address: header, length: 16 }, ...data, { address: status, length: 1, write: true }]);
}
const status = (slot = 0): number => world.ram.readU8(STATUS_AT + slot);
const run = (type: number, sector: number, length: number): number => {
  request(type, sector, length);
  world.advance(10_000_000);
  return status();
};
const sectors = (sector: number, count: number): Uint8Array =>
  diskContents().subarray(sector * 512, (sector + count) * 512);

describe('requests', () => {
  test('configuration says size and limits', () => {
    expect(world.device.read(0x100, 4)).toBe(DISK_SIZE / 512);
    expect(world.device.read(0x114, 4)).toBe(512);
    expect(world.device.read(0x10c, 4)).toBe(254);
  });

  test('a read lands after 50 µs and a nanosecond a byte, not a tick earlier', () => {
    const head = request(T.in, 3, 1024);
    world.advance(LATENCY + 1024 - 1);
    expect([status(), world.wire]).toEqual([255, false]);
    world.advance(1);
    expect([status(), world.wire]).toEqual([0, true]);
    expect(driver.take(0)).toEqual({ head, written: 1025 });
    expect(world.ram.read(BUFFER, 1024)).toEqual(sectors(3, 2));
  });

  test('transfers queue behind each other and complete in order', () => {
    const heads = [0, 1, 2].map((slot) => request(T.in, slot, 1024, slot));
    world.advance(LATENCY + 1024);
    expect([0, 1, 2].map((slot) => status(slot))).toEqual([0, 255, 255]);
    world.advance(2048);
    expect([0, 1, 2].map(() => driver.take(0)?.head)).toEqual(heads);
  });

  test('what is written is read back, and the base is not touched', () => {
    world.bytes.fill(0x5a, BUFFER - world.ram.base, BUFFER - world.ram.base + 1024);
    expect(run(T.out, 7, 1024)).toBe(0);
    world.bytes.fill(0, BUFFER - world.ram.base, BUFFER - world.ram.base + 2048);
    expect(run(T.in, 6, 2048)).toBe(0);
    const expected = sectors(6, 4).slice();
    expected.fill(0x5a, 512, 1536);
    expect(world.ram.read(BUFFER, 2048)).toEqual(expected);
    expect(disk.chunkCount).toBe(2);
  });

  test('header, data and status may be framed in any way', () => {
    world.ram.writeU32(HEADER, T.in);
    world.ram.writeU64(HEADER + 8, 1n);
    driver.offer(0, [
      { address: HEADER, length: 5 },
      { address: HEADER + 5, length: 11 },
      { address: BUFFER, length: 100, write: true },
      { address: BUFFER + 0x800, length: 413, write: true },
    ]);
    world.advance(1_000_000);
    expect(driver.take(0)?.written).toBe(513);
    expect([...world.ram.read(BUFFER, 100), ...world.ram.read(BUFFER + 0x800, 412)]).toEqual([...sectors(1, 1)]);
    expect(world.ram.readU8(BUFFER + 0x800 + 412)).toBe(0);
  });

  test('flush succeeds, GET_ID gives the serial, unknown types are unsupported', () => {
    expect(run(T.flush, 0, 0)).toBe(0);
    expect(run(T.getId, 0, 20)).toBe(0);
    expect(new TextDecoder().decode(world.ram.read(BUFFER, 20)).replace(/\0+$/, '')).toBe('serial-1');
    expect(run(77, 0, 0)).toBe(2);
  });

  test('write zeroes and discard take their range from the data', () => {
    const range = (sector: number, count: number, flags = 0): void => {
      world.ram.writeU64(BUFFER, BigInt(sector));
      world.ram.writeU32(BUFFER + 8, count);
      world.ram.writeU32(BUFFER + 12, flags);
    };
    range(1, 9);
    expect(run(T.writeZeroes, 0, 16)).toBe(0);
    expect(run(T.in, 0, 6144)).toBe(0);
    const expected = sectors(0, 12).slice();
    expected.fill(0, 512, 5120);
    expect(world.ram.read(BUFFER, 6144)).toEqual(expected);
    range(0, 128);
    expect(run(T.discard, 0, 16)).toBe(0);
    range(1, 128);
    expect(run(T.writeZeroes, 0, 16)).toBe(1);
    range(0, 1, 2);
    expect(run(T.writeZeroes, 0, 16)).toBe(2);
  });

  test.each<[string, number, number, number]>([
    ['beyond the end', T.in, 127, 1024],
    ['far beyond the end', T.out, 2 ** 60, 512],
    ['of half a sector', T.in, 0, 100],
  ])('a transfer %s is an I/O error', (_name, type, sector, length) => {
    expect(run(type, sector, length)).toBe(1);
    expect(disk.chunkCount).toBe(0);
  });

  test('a read-only disk says so and refuses to change', () => {
    attach(memory(), { readOnly: true });
    expect(driver.get(0x10) & (1 << 5)).toBe(1 << 5);
    expect(run(T.out, 0, 512)).toBe(1);
    expect(run(T.writeZeroes, 0, 16)).toBe(2);
    expect(run(T.in, 0, 512)).toBe(0);
    expect(disk.chunkCount).toBe(0);
  });

  test.each<[string, Parameters<Driver['offer']>[1]]>([
    [
      'without a whole header',
      [
        { address: HEADER, length: 15 },
        { address: STATUS_AT, length: 1, write: true },
      ],
    ],
    ['without a status byte', [{ address: HEADER, length: 16 }]],
  ])('a request %s needs a reset', (_name, pieces) => {
    driver.offer(0, pieces);
    expect(driver.get(0x70) & STATUS.needsReset).toBe(STATUS.needsReset);
    expect(world.deadlines.next()).toBe(Infinity);
  });

  test('a reset drops what is on its way', () => {
    world.bytes.fill(0x5a, BUFFER - world.ram.base, BUFFER - world.ram.base + 512);
    request(T.out, 0, 512);
    driver.set(0x70, 0);
    world.advance(1_000_000);
    expect([status(), disk.chunkCount]).toEqual([255, 0]);
  });

  test('a queue taken back meanwhile gets nothing', () => {
    request(T.in, 0, 512);
    driver.set(0x44, 0);
    world.advance(1_000_000);
    expect(status()).toBe(255);
  });
});

/** A base whose bytes come when the test says so. */
class SlowBackend implements BlockBackend {
  readonly size = DISK_SIZE;
  readonly hash = 'c'.repeat(64);
  readonly immediate = false;
  private readonly waiting: { give: () => void; fail: (error: Error) => void }[] = [];

  get pending(): number {
    return this.waiting.length;
  }

  read(offset: number, into: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      const give = (): void => {
        into.set(diskContents().subarray(offset, offset + into.length));
        resolve();
      };
      this.waiting.push({ give, fail: reject });
    });
  }

  deliver(count = Infinity): void {
    for (const { give } of this.waiting.splice(0, count)) give();
  }

  fail(message: string): void {
    for (const { fail } of this.waiting.splice(0)) fail(new Error(message));
  }
}

describe('a base that is late', () => {
  let base: SlowBackend;
  beforeEach(() => {
    base = new SlowBackend();
    attach(base);
  });

  test('is fetched at once and waited for at the deadline; guest time is the same', async () => {
    const head = request(T.in, 3, 1024);
    expect([base.pending, world.waits, world.deadlines.next()]).toEqual([1, 1, LATENCY + 1024]);
    setTimeout(() => base.deliver(), 5);
    await world.advanceWaiting(LATENCY + 1024);
    expect(driver.take(0)).toEqual({ head, written: 1025 });
    expect(world.ram.read(BUFFER, 1024)).toEqual(sectors(3, 2));
  });

  test('does not let writes after the request and before its completion be lost, whenever it comes', async () => {
    const outcomes: string[] = [];
    for (const early of [true, false]) {
      base = new SlowBackend();
      attach(base);
      world.bytes.fill(0x5a, BUFFER + 0x1000 - world.ram.base, BUFFER + 0x1000 - world.ram.base + 512);
      request(T.out, 4, 512, 1);
      request(T.in, 3, 1024, 0);
      if (early) base.deliver();
      else setTimeout(() => base.deliver(), 5);
      await world.advanceWaiting(1_000_000);
      outcomes.push(world.seen());
      expect(world.ram.readU8(BUFFER + 512)).toBe(0x5a);
      expect(world.ram.readU8(BUFFER)).toBe(sectors(3, 1)[0]);
    }
    expect(outcomes[1]).toBe(outcomes[0]);
  });

  test('is waited for whole where time jumps over several completions', async () => {
    const heads = [request(T.in, 3, 512, 0), request(T.in, 9, 512, 1)];
    base.deliver(1);
    setTimeout(() => base.deliver(), 5);
    await world.advanceWaiting(10_000_000, true);
    expect(heads.map((head, i) => driver.take(0) ?? { head, i })).toEqual(
      heads.map((head) => ({ head, written: 513 })),
    );
    expect(world.ram.read(BUFFER + 0x1000, 512)).toEqual(sectors(9, 1));
  });

  test('is fetched again after a restore', async () => {
    request(T.in, 3, 1024);
    const state = world.save();
    const before = world;
    const again = new SlowBackend();
    attach(again);
    world.follow(before);
    world.restore(state);
    expect([again.pending, world.waits, world.deadlines.next()]).toEqual([1, 1, LATENCY + 1024]);
    again.deliver();
    await world.advanceWaiting(1_000_000);
    expect(world.ram.read(BUFFER, 1024)).toEqual(sectors(3, 2));
  });

  test('that fails stops the run with its error, and never hands out wrong bytes', async () => {
    request(T.in, 3, 1024);
    base.fail('disk D: the cable is out');
    await expect(world.advanceWaiting(1_000_000)).rejects.toThrow('the cable is out');
    expect(() => world.advance(1_000_000)).toThrow('have not arrived');
    expect(status()).toBe(255);
  });
});

test('with event indices one interrupt is enough for a batch', () => {
  driver.start(1, [FEATURE.version1, FEATURE.eventIndex]);
  world.ram.writeU16(driver.avail(0) + 4 + 2 * driver.size, 2);
  for (const slot of [0, 1, 2]) request(T.flush, 0, 0, slot);
  world.advance(LATENCY);
  expect(world.wire).toBe(true);
  expect(world.ram.readU16(driver.usedRing(0) + 2)).toBe(3);
});
