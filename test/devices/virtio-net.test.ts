/** The network device: frames out and in, what a driver may leave undone, drivers that take nothing, few buffers and hostile rings. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { VirtioMmio } from '../../src/devices/virtio/mmio.ts';
import { netEntry, netLink, virtioNet } from '../../src/devices/virtio/net.ts';
import { FEATURE, STATUS } from '../../src/devices/virtio/transport.ts';
import { completeFrame, ethernetOf, MAX_FRAME, OFFLOAD_SIZE, readOffload } from '../../src/net/frame.ts';
import { tcpFrame } from '../../src/net/tcp/segment.ts';
import { segmentIn } from '../net/tcp-pair.ts';
import { DATA, Driver } from './driver.ts';
import { RAM_BASE, RAM_SIZE, World } from './world.ts';

const RX = 0;
const TX = 1;
const F = { csum: 0, guestCsum: 1, guestTso4: 7, hostTso4: 11, mergeable: 15, status: 16 };
const MAC = Uint8Array.of(0x52, 0x54, 0, 1, 2, 3);
const FRAME = completeFrame(Uint8Array.from({ length: 60 }, (_, i) => i));

interface Setup {
  readonly world: World;
  readonly driver: Driver;
  readonly device: VirtioMmio;
  readonly emitted: Uint8Array[];
  readonly provided: { count: number };
}

function setup(features: readonly number[] = []): Setup {
  const world = new World();
  const device = new VirtioMmio(world.context, virtioNet(MAC, 1500));
  world.device = device;
  const driver = new Driver(world);
  driver.start(2, [...features, FEATURE.version1]);
  expect(driver.get(0x70) & STATUS.driverOk).not.toBe(0);
  return { world, driver, device, emitted: world.frames, provided: { count: 0 } };
}

/** Buffers of the driver, one after the other from {@link DATA} + 0x4000 on. */
function provide({ driver, provided }: Setup, count: number, length: number): number[] {
  const at: number[] = [];
  for (let i = 0; i < count; i++) {
    at.push(DATA + 0x4000 + provided.count++ * 0x800);
    driver.offer(RX, [{ address: at[i], length, write: true }]);
  }
  return at;
}

const big = (length: number): Uint8Array =>
  tcpFrame(
    {
      sourceMac: MAC,
      destinationMac: MAC,
      source: { address: Uint8Array.of(10, 0, 2, 2), port: 1 },
      destination: { address: Uint8Array.of(10, 0, 2, 15), port: 2 },
    },
    { seq: 5, ack: 6, flags: 0x18, window: 7 },
    length,
    1000,
    (target) => target.forEach((_, i) => (target[i] = i)),
  );

describe('virtio-net', () => {
  test('says its address, MTU and that its link is up', () => {
    const { device } = setup([F.status]);
    expect(Array.from({ length: 6 }, (_, i) => device.read(0x100 + i, 1))).toEqual([...MAC]);
    expect([device.read(0x106, 2), device.read(0x10a, 2)]).toEqual([1, 1500]);
  });

  test('a frame leaves whole, gathered from its pieces, one output a frame', () => {
    const it = setup();
    const { world, driver, emitted } = it;
    world.ram.write(DATA, new Uint8Array(12));
    world.ram.write(DATA + 12, ethernetOf(FRAME));
    driver.offer(TX, [
      { address: DATA, length: 12 },
      { address: DATA + 12, length: 20 },
      { address: DATA + 32, length: 40 },
    ]);
    driver.offer(TX, [{ address: DATA, length: 72 }]);
    expect(emitted).toEqual([FRAME, FRAME]);
    expect([driver.take(TX), driver.take(TX)].map((used) => used?.written)).toEqual([0, 0]);
  });

  test('what the driver leaves undone is passed on only as far as it was agreed', () => {
    for (const [features, flags, kind] of [
      [[], 0, 0],
      [[F.csum], 1, 0],
      [[F.csum, F.hostTso4], 1, 1],
    ] as const) {
      const { world, driver, emitted } = setup(features);
      // NEEDS_CSUM and what only a device may say, TCP over IPv4, header 54, segments of 1000, checksum from 34 at 16
      world.ram.write(DATA, Uint8Array.of(3, 1, 54, 0, 0xe8, 3, 34, 0, 16, 0, 9, 9, ...ethernetOf(FRAME)));
      driver.offer(TX, [{ address: DATA, length: 72 }]);
      expect([emitted[0][0], emitted[0][1]]).toEqual([flags, kind]);
      expect(readOffload(emitted[0]).segmentSize).toBe(kind === 0 ? 0 : 1000);
    }
  });

  test('a frame comes into one buffer', () => {
    const it = setup();
    const [at] = provide(it, 1, 2000);
    expect(it.device.input!(FRAME)).toBe(FRAME.length);
    expect(it.driver.take(RX)?.written).toBe(12 + 60);
    expect(it.world.ram.read(at, 12)).toEqual(Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0));
    expect(it.world.ram.read(at + 12, 60)).toEqual(ethernetOf(FRAME));
  });

  test('without buffers it waits outside, and nothing has changed', () => {
    const it = setup([F.mergeable, FEATURE.eventIndex]);
    provide(it, 1, 40);
    const before = it.world.seen();
    expect(it.device.input!(FRAME)).toBe(0);
    expect(it.world.seen()).toBe(before);
    provide(it, 1, 40);
    expect(it.device.input!(FRAME)).toBe(FRAME.length);
  });

  test('with mergeable buffers a frame may take several, all or none', () => {
    const it = setup([F.mergeable, F.guestCsum, F.guestTso4]);
    const frame = big(2500);
    const [first] = provide(it, 1, 1000);
    expect(it.device.input!(frame)).toBe(0);
    provide(it, 2, 1000);
    expect(it.device.input!(frame)).toBe(frame.length);
    expect([it.driver.take(RX), it.driver.take(RX), it.driver.take(RX)].map((u) => u?.written)).toEqual([
      1000,
      1000,
      frame.length - OFFLOAD_SIZE + 12 - 2000,
    ]);
    expect(it.world.ram.readU16(first + 10)).toBe(3);
    expect(it.world.ram.read(first, 2)).toEqual(Uint8Array.of(1, 1));
  });

  test('a driver that takes no offloads gets segments with right checksums', () => {
    const it = setup();
    const buffers = provide(it, 3, 1100);
    const frame = big(2500);
    expect(it.device.input!(frame)).toBe(frame.length);
    const segments = buffers.map((at) => {
      const used = it.driver.take(RX)!;
      expect(it.world.ram.read(at, 10)).toEqual(new Uint8Array(10));
      return segmentIn(completeFrame(it.world.ram.read(at + 12, used.written - 12)));
    });
    expect(segments.map(({ seq, data, flags }) => [seq, data.length, flags])).toEqual([
      [5, 1000, 0x10],
      [1005, 1000, 0x10],
      [2005, 500, 0x18],
    ]);
  });

  test('a frame that no number of buffers would hold is lost, not waited for', () => {
    const it = setup([F.mergeable, F.guestCsum, F.guestTso4]);
    provide(it, 8, 100);
    expect(it.device.input!(big(2500))).toBeGreaterThan(0);
    expect(it.driver.take(RX)).toBeUndefined();
    expect(it.device.input!(FRAME)).toBe(FRAME.length);
    expect(it.driver.take(RX)?.written).toBe(72);
  });

  test('no cable, no frames; the driver hears of both', () => {
    const it = setup([F.status]);
    provide(it, 1, 2000);
    it.device.control!(netLink(0));
    expect([it.device.read(0x106, 2), it.device.read(0x60, 4)]).toEqual([0, 2]);
    expect(it.device.input!(FRAME)).toBe(FRAME.length);
    expect(it.driver.take(RX)).toBeUndefined();
    it.world.ram.write(DATA, new Uint8Array(72));
    it.driver.offer(TX, [{ address: DATA, length: 72 }]);
    expect([it.emitted.length, it.driver.take(TX)?.written]).toEqual([0, 0]);
    it.device.control!(netLink(1));
    expect(it.device.read(0x106, 2)).toBe(1);
    expect(() => it.device.control!(Uint8Array.of(1, 2))).toThrow(RangeError);
  });

  test.each([
    ['a frame without a header', [{ address: DATA, length: 11 }]],
    ['a frame of 128 KiB', [{ address: DATA, length: 0x20000 }]],
    ['memory that is not there', [{ address: 0x1000, length: 100 }]],
  ])('%s asks for a reset', (_, pieces) => {
    const it = setup();
    it.driver.offer(TX, pieces);
    expect(it.driver.get(0x70) & STATUS.needsReset).not.toBe(0);
    expect(it.emitted).toEqual([]);
    // nothing works until then
    expect(it.device.input!(FRAME)).toBe(0);
  });

  test('receive buffers without room ask for a reset', () => {
    const it = setup();
    provide(it, 1, 20);
    it.device.input!(FRAME);
    expect(it.driver.get(0x70) & STATUS.needsReset).not.toBe(0);
  });

  test('frames that are none are lost', () => {
    const it = setup();
    provide(it, 1, 2000);
    expect(it.device.input!(new Uint8Array(23))).toBe(23);
    expect(it.device.input!(new Uint8Array(70_000))).toBe(70_000);
    expect(it.driver.take(RX)).toBeUndefined();
  });

  test('a driver that writes anything into its rings, and a wire that sends anything, do no more than stop the device', () => {
    const word = fc.oneof(fc.nat(0xffff), fc.constantFrom(0, 1, 2, 3, 4, 7, 8));
    const address = fc.oneof(
      { weight: 4, arbitrary: fc.integer({ min: RAM_BASE, max: RAM_BASE + RAM_SIZE }) },
      fc.constantFrom(0, 0xffff_ffff, RAM_BASE - 1, RAM_BASE + RAM_SIZE - 1),
    );
    const descriptor = fc.record({
      queue: fc.nat(1),
      index: fc.nat(7),
      address,
      length: fc.oneof(fc.nat(4096), fc.nat(0xffff_ffff)),
      flags: word,
      next: fc.nat(9),
    });
    const act = fc.oneof(
      fc.record({ descriptor }),
      fc.record({ available: fc.record({ queue: fc.nat(1), at: fc.nat(11), value: word }) }),
      fc.record({ notify: fc.nat(3) }),
      fc.record({ input: fc.uint8Array({ minLength: 0, maxLength: 3000 }) }),
    );
    fc.assert(
      fc.property(fc.subarray(Object.values(F)), fc.array(act, { maxLength: 60 }), (features, acts) => {
        const { world, driver, device, emitted } = setup([...features, FEATURE.indirectDesc]);
        for (const one of acts) {
          if ('descriptor' in one) {
            const { queue, index, next, flags, ...piece } = one.descriptor;
            driver.describe(queue, index, { ...piece, flags }, next);
          } else if ('available' in one) {
            const { queue, at, value } = one.available;
            world.ram.writeU16(driver.avail(queue) + 2 * at, value);
          } else if ('notify' in one) driver.set(0x50, one.notify);
          else expect(device.input!(one.input)).toBeLessThanOrEqual(one.input.length);
        }
        for (const frame of emitted) expect(frame.length).toBeLessThanOrEqual(MAX_FRAME);
      }),
      { numRuns: 500 },
    );
  });

  test.each([
    [{ kind: 'net', mac: '525400123456', mtu: 1500 }, undefined],
    [{ kind: 'net', mac: '535400123456', mtu: 1500 }, /unicast/],
    [{ kind: 'net', mac: '52:54:00:12:34:56', mtu: 1500 }, /12 hexadecimal digits/],
    [{ kind: 'net', mac: '525400123456', mtu: 70_000 }, /1280 to 65535/],
  ] as const)('slot %o', (slot, error) => {
    const check = (): void => netEntry.check(slot);
    if (error === undefined) check();
    else expect(check).toThrow(error);
  });
});
