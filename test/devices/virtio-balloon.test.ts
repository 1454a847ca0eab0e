import { beforeEach, describe, expect, test } from 'vitest';
import { balloonInflate, virtioBalloon } from '../../src/devices/virtio/balloon.ts';
import { VirtioMmio } from '../../src/devices/virtio/mmio.ts';
import { FEATURE, STATUS } from '../../src/devices/virtio/transport.ts';
import { DATA, Driver } from './driver.ts';
import { RAM_BASE, RAM_SIZE, World } from './world.ts';

const [INFLATE, DEFLATE] = [0, 1];
const REPORTING = 5;
const PAGE = 4096;
/** Pages of the guest's to give away, clear of the rings and of the driver's lists. */
const FREE = DATA + 2 * PAGE;

let world: World;
let driver: Driver;

beforeEach(() => {
  world = new World();
  world.device = new VirtioMmio(world.context, virtioBalloon());
  driver = new Driver(world);
  driver.start(3, [FEATURE.version1, REPORTING]);
});

/** The driver's list of page numbers in the queue. */
function give(queue: number, pages: readonly number[]): void {
  pages.forEach((address, i) => world.ram.writeU32(DATA + 4 * i, address / PAGE));
  driver.offer(queue, [{ address: DATA, length: 4 * pages.length }]);
}

const dirty = (address: number): boolean => {
  const offset = address - RAM_BASE;
  return world.touched.some(([at, length]) => at < offset + PAGE && offset < at + length);
};

describe('balloon', () => {
  test('tells how much it is to hold, and keeps what the driver says it does', () => {
    expect(world.device.read(0x100, 4)).toBe(0);
    world.device.control?.(balloonInflate(5 * PAGE + 100));
    expect(world.device.read(0x100, 4)).toBe(5);
    expect(driver.acknowledge()).toBe(2);
    world.device.write(0x104, 4, 3);
    world.device.write(0x100, 4, 99);
    expect([world.device.read(0x100, 4), world.device.read(0x104, 4)]).toEqual([5, 3]);
    driver.set(0x70, 0);
    expect([world.device.read(0x100, 4), world.device.read(0x104, 4)]).toEqual([5, 0]);
    for (const bytes of [-1, 2 ** 50, Number.NaN]) expect(() => balloonInflate(bytes)).toThrow(RangeError);
    expect(() => world.device.control?.(Uint8Array.of(9))).toThrow(/inflate/);
  });

  test('makes given pages zero, and leaves them alone when they are taken back', () => {
    world.ram.fill(FREE, 3 * PAGE, 0xaa);
    give(INFLATE, [FREE, FREE + 2 * PAGE]);
    expect(driver.take(INFLATE)).toEqual({ head: 0, written: 0 });
    expect([0, 1, 2].map((i) => world.ram.bytes[FREE + i * PAGE + 17 - RAM_BASE])).toEqual([0, 0xaa, 0]);
    expect(driver.acknowledge()).toBe(1);
    world.ram.fill(FREE, PAGE, 0xbb);
    give(DEFLATE, [FREE]);
    expect(driver.take(DEFLATE)?.written).toBe(0);
    expect(world.ram.bytes[FREE - RAM_BASE]).toBe(0xbb);
  });

  test.each([2, 4])('makes reported stretches zero (reporting queue %i)', (queue) => {
    if (queue === 4) driver.start(0, [FEATURE.version1, REPORTING]);
    if (queue === 4) driver.enable(4);
    world.ram.fill(FREE, 4 * PAGE, 0xaa);
    driver.offer(queue, [
      { address: FREE, length: 2 * PAGE, write: true },
      // Only the whole page inside.
      { address: FREE + 2 * PAGE + 1, length: 2 * PAGE - 1, write: true },
    ]);
    expect(driver.take(queue)?.written).toBe(0);
    const first = [0, 1, 2, 3].map((i) => world.ram.bytes[FREE + i * PAGE - RAM_BASE]);
    expect(first).toEqual([0, 0, 0xaa, 0]);
  });

  test('does not touch pages that are zero already', () => {
    world.ram.fill(FREE, PAGE, 1);
    world.touched.length = 0;
    give(INFLATE, [FREE, FREE + PAGE]);
    expect([dirty(FREE), dirty(FREE + PAGE)]).toEqual([true, false]);
  });

  test.each([
    ['outside RAM', () => give(INFLATE, [RAM_BASE + RAM_SIZE])],
    ['below RAM', () => give(INFLATE, [0])],
  ])('asks for a reset at pages %s', (_name, act) => {
    act();
    expect(driver.get(0x70) & STATUS.needsReset).not.toBe(0);
  });

  test('bounds the length of a list', () => {
    const list = { address: RAM_BASE + 0x8000, length: 0x10000 };
    for (let at = 0; at < list.length; at += 4) world.ram.writeU32(list.address + at, FREE / PAGE);
    driver.offer(INFLATE, Array<typeof list>(4).fill(list));
    expect(driver.take(INFLATE)?.written).toBe(0);
    for (let at = 0; at < list.length; at += 4) world.ram.writeU32(list.address + at, FREE / PAGE);
    driver.offer(INFLATE, Array<typeof list>(5).fill(list));
    expect(driver.get(0x70) & STATUS.needsReset).not.toBe(0);
  });

  test('a queue that is not there cannot be enabled', () => {
    driver.set(0x30, 3);
    expect(driver.get(0x34)).toBe(0);
    driver.set(0x44, 1);
    expect(driver.get(0x70) & STATUS.needsReset).not.toBe(0);
  });
});
