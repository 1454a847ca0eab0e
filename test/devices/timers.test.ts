import { beforeEach, describe, expect, test } from 'vitest';
import { Aclint } from '../../src/devices/aclint.ts';
import { GoldfishRtc } from '../../src/devices/rtc.ts';
import { Syscon } from '../../src/devices/syscon.ts';
import { World } from './world.ts';

let world: World;
beforeEach(() => {
  world = new World();
});

describe('ACLINT', () => {
  let timer: boolean[];
  let software: boolean[];
  let changes: number;
  let aclint: Aclint;
  beforeEach(() => {
    timer = [false, false];
    software = [false, false];
    changes = 0;
    aclint = new Aclint(world.context, {
      harts: 2,
      setSoftware: (hart, level) => (software[hart] = level),
      setTimer: (hart, level) => {
        timer[hart] = level;
        changes++;
      },
    });
    world.device = aclint;
  });
  const compare = (hart: number, mtime: number): void => {
    aclint.write(0x4000 + 8 * hart, 4, mtime % 2 ** 32);
    aclint.write(0x4004 + 8 * hart, 4, Math.floor(mtime / 2 ** 32));
  };

  test('mtime is guest time / 64, in both halves, and cannot be written', () => {
    world.time = 64 * (2 ** 33 + 5) + 63;
    expect([aclint.read(0xbff8, 4), aclint.read(0xbffc, 4)]).toEqual([5, 2]);
    aclint.write(0xbff8, 4, 99);
    expect(aclint.read(0xbff8, 4)).toBe(5);
  });

  test('each timer becomes pending at its very tick', () => {
    compare(0, 10);
    compare(1, 7);
    world.advance(7 * 64 - 1);
    expect(timer).toEqual([false, false]);
    world.advance(1);
    expect(timer).toEqual([false, true]);
    world.advance(3 * 64 - 1);
    expect(timer).toEqual([false, true]);
    world.advance(1);
    expect(timer).toEqual([true, true]);
    compare(1, 1000);
    expect(timer).toEqual([true, false]);
  });

  test('a time passed is pending at once, the never of all ones arms nothing', () => {
    world.time = 6400;
    compare(0, 100);
    expect(timer[0]).toBe(true);
    aclint.write(0x4004, 4, 0xffffffff);
    aclint.write(0x4000, 4, 0xffffffff);
    expect(timer[0]).toBe(false);
    expect(world.deadlines.next()).toBe(Infinity);
  });

  test('msip drives its hart, bit 0 only', () => {
    aclint.write(4, 4, 0xffffffff);
    expect(software).toEqual([false, true]);
    expect(aclint.read(4, 4)).toBe(1);
    aclint.write(4, 4, 0xfffffffe);
    expect(software).toEqual([false, false]);
  });

  test('saved with a deadline due this instant, the copy is told of it as the original', () => {
    compare(0, 10);
    world.time = 640;
    const copy = new World();
    copy.follow(world);
    const levels: boolean[] = [];
    copy.device = new Aclint(copy.context, {
      harts: 2,
      setSoftware: () => undefined,
      setTimer: (hart, level) => (levels[hart] = level),
    });
    copy.restore(world.save());
    expect(levels[0]).toBe(timer[0]);
    copy.advance(0);
    world.advance(0);
    expect([levels[0], timer[0]]).toEqual([true, true]);
    expect(copy.seen()).toBe(world.seen());
  });

  test('drives a level only when it changes', () => {
    for (let i = 1; i < 50; i++) compare(0, 1_000_000 + i);
    expect(changes).toBe(0);
  });
});

describe('goldfish RTC', () => {
  let rtc: GoldfishRtc;
  beforeEach(() => {
    rtc = new GoldfishRtc(world.context);
    world.device = rtc;
  });
  const time = (): bigint => BigInt(rtc.read(0, 4)) | (BigInt(rtc.read(4, 4)) << 32n);

  test('asks the clock once and then counts guest time', () => {
    world.time = 123;
    const first = time();
    expect(first).toBe(1_700_000_000_000_001_000n);
    world.advance(5_000_000_000);
    expect(time()).toBe(first + 5_000_000_000n);
    expect(world.asked).toBe(1);
  });

  test('the upper half is that of the lower half read before', () => {
    time();
    rtc.write(4, 4, 1);
    rtc.write(0, 4, 0xffffffff);
    expect(rtc.read(0, 4)).toBe(0xffffffff);
    world.advance(1);
    expect(rtc.read(4, 4)).toBe(1);
    expect([rtc.read(0, 4), rtc.read(4, 4)]).toEqual([0, 2]);
  });

  test('the alarm fires at its nanosecond, once, and interrupts if enabled', () => {
    const at = time() + 1000n;
    rtc.write(0x10, 4, 1);
    rtc.write(0x0c, 4, Number(at >> 32n));
    rtc.write(0x08, 4, Number(at & 0xffffffffn));
    expect(rtc.read(0x18, 4)).toBe(1);
    world.advance(999);
    expect(world.wire).toBe(false);
    world.advance(1);
    expect(world.wire).toBe(true);
    expect(rtc.read(0x18, 4)).toBe(0);
    rtc.write(0x1c, 4, 0);
    expect(world.wire).toBe(false);
  });

  test('an alarm taken back does not fire', () => {
    const at = time() + 1000n;
    rtc.write(0x10, 4, 1);
    rtc.write(0x0c, 4, Number(at >> 32n));
    rtc.write(0x08, 4, Number(at & 0xffffffffn));
    rtc.write(0x14, 4, 1);
    world.advance(10_000);
    expect(world.wire).toBe(false);
    expect(world.deadlines.next()).toBe(Infinity);
  });
});

test('syscon asks for what QEMU’s test device asks for', () => {
  const requests: [string, number][] = [];
  const syscon = new Syscon(world.context, { onRequest: (kind, status) => requests.push([kind, status]) });
  for (const value of [0x5555, 0x7777, 0x00033333, 0x1234]) syscon.write(0, 4, value);
  syscon.write(4, 4, 0x5555);
  expect(requests).toEqual([
    ['poweroff', 0],
    ['reboot', 0],
    ['fail', 3],
  ]);
});
