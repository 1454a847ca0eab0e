import { beforeEach, describe, expect, test } from 'vitest';
import { consoleEntry, consoleHold, consoleResize, virtioConsole } from '../../src/devices/virtio/console.ts';
import { VirtioMmio } from '../../src/devices/virtio/mmio.ts';
import { FEATURE, STATUS } from '../../src/devices/virtio/transport.ts';
import { DATA, Driver } from './driver.ts';
import { World } from './world.ts';

const SIZE = 0;
const MULTIPORT = 1;
const [CONTROL_RECEIVE, CONTROL_TRANSMIT, RECEIVE, TRANSMIT] = [2, 3, 4, 5];
/** Control messages (virtio 1.2, 5.3.6.2). */
const [READY, ADD, PORT_READY, CONSOLE, RESIZE, OPEN, NAME] = [0, 1, 3, 4, 5, 6, 7];

let world: World;
let driver: Driver;

beforeEach(() => {
  world = new World();
  world.device = new VirtioMmio(world.context, virtioConsole({ columns: 100, rows: 30, ports: ['org.example.a'] }));
  driver = new Driver(world);
  driver.start(6, [FEATURE.version1, SIZE, MULTIPORT]);
});

/** Room for a control message; where it lies is a function of which it is. */
const room = (n: number): number => DATA + 0x100 * n;

/** Gives the device buffers for that many control messages. */
function listen(count: number): void {
  for (let i = 0; i < count; i++) driver.offer(CONTROL_RECEIVE, [{ address: room(i), length: 0x80, write: true }]);
}

/** The control messages the device sent: port, event, value and what follows. */
function heard(): (number | string)[][] {
  const messages: (number | string)[][] = [];
  for (;;) {
    const used = driver.take(CONTROL_RECEIVE);
    if (used === undefined) return messages;
    const at = room(messages.length);
    const rest = world.ram.read(at + 8, used.written - 8);
    const text = rest.length > 4 ? new TextDecoder().decode(rest) : rest.join();
    messages.push([world.ram.readU32(at), world.ram.readU16(at + 4), world.ram.readU16(at + 6), text]);
  }
}

function say(port: number, event: number, value: number): void {
  const at = DATA + 0x4000;
  world.ram.writeU32(at, port);
  world.ram.writeU16(at + 4, event);
  world.ram.writeU16(at + 6, value);
  driver.offer(CONTROL_TRANSMIT, [{ address: at, length: 8 }]);
  expect(driver.take(CONTROL_TRANSMIT)?.written).toBe(0);
}

const port = () => world.ports.get('org.example.a')!;
const said = (): string => String.fromCharCode(...port().emitted);
const give = (text: string): number => port().input(new TextEncoder().encode(text));
const write = (text: string): void => {
  world.ram.write(DATA + 0x5000, new TextEncoder().encode(text));
  driver.offer(TRANSMIT, [{ address: DATA + 0x5000, length: text.length }]);
};

describe('further ports of a console', () => {
  test('are announced, named and open, and the terminal is a console of its size', () => {
    expect(world.device.read(0x104, 4)).toBe(2);
    listen(2);
    say(0xffff_ffff, READY, 1);
    expect(heard()).toEqual([
      [0, ADD, 1, ''],
      [1, ADD, 1, ''],
    ]);
    listen(4);
    say(0, PORT_READY, 1);
    say(1, PORT_READY, 1);
    expect(heard()).toEqual([
      [0, CONSOLE, 1, ''],
      [0, RESIZE, 1, '100,0,30,0'],
      [1, NAME, 1, 'org.example.a'],
      [1, OPEN, 1, ''],
    ]);
    listen(1);
    world.device.control?.(consoleResize(132, 50));
    expect(heard()).toEqual([[0, RESIZE, 1, '132,0,50,0']]);
  });

  test('wait with their messages for room, and forget them at a reset', () => {
    say(0, READY, 1);
    say(1, PORT_READY, 1);
    listen(1);
    expect(heard()).toEqual([[0, ADD, 1, '']]);
    const copy = new World();
    copy.device = new VirtioMmio(copy.context, virtioConsole({ columns: 100, rows: 30, ports: ['org.example.a'] }));
    copy.follow(world);
    copy.restore(world.save());
    expect(copy.seen()).toBe(world.seen());
    listen(3);
    expect(heard()).toEqual([
      [1, ADD, 1, ''],
      [1, NAME, 1, 'org.example.a'],
      [1, OPEN, 1, ''],
    ]);
    say(0, READY, 1);
    // The queues are new, so their rings are too.
    for (const queue of [CONTROL_RECEIVE, CONTROL_TRANSMIT]) world.ram.fill(driver.desc(queue), 0x2000, 0);
    driver.start(6, [FEATURE.version1, MULTIPORT]);
    listen(1);
    expect(heard()).toEqual([]);
  });

  test('take input while the guest has them open, as far as there is room', () => {
    driver.offer(RECEIVE, [{ address: DATA, length: 3, write: true }]);
    expect(give('hello')).toBe(0);
    say(1, OPEN, 1);
    expect(give('hello')).toBe(3);
    expect(give('lo')).toBe(0);
    expect(new TextDecoder().decode(world.ram.read(DATA, 3))).toBe('hel');
    driver.offer(RECEIVE, [{ address: DATA, length: 3, write: true }]);
    say(1, OPEN, 0);
    expect(give('lo')).toBe(0);
  });

  test('emit through a port of their own, and hold the guest back when the host asks', () => {
    write('one ');
    expect([said(), world.emitted]).toEqual(['one ', []]);
    expect(driver.take(TRANSMIT)).toBeDefined();
    world.device.control?.(consoleHold(1, 1));
    write('two ');
    write('three');
    expect(said()).toBe('one ');
    expect(driver.take(TRANSMIT)).toBeUndefined();
    world.device.control?.(consoleHold(1, 0));
    // Both buffers lie at one place, so what was written last is what both hold.
    expect(said()).toBe('one threthree');
    expect([driver.take(TRANSMIT), driver.take(TRANSMIT), driver.take(TRANSMIT)].map((used) => used?.written)).toEqual([
      0,
      0,
      undefined,
    ]);
  });

  test('nonsense from the driver is passed over; a broken ring found by a command needs a reset', () => {
    say(7, PORT_READY, 1);
    say(1, 99, 1);
    driver.offer(CONTROL_TRANSMIT, [{ address: DATA, length: 3 }]);
    expect(driver.take(CONTROL_TRANSMIT)?.written).toBe(0);
    listen(2);
    expect(heard()).toEqual([]);
    world.device.control?.(consoleHold(1, 1));
    driver.offer(TRANSMIT, [{ address: 0, length: 8 }]);
    world.device.control?.(consoleHold(1, 0));
    expect(driver.get(0x70) & STATUS.needsReset).not.toBe(0);
  });

  test('are refused when the configuration or a command makes no sense', () => {
    const check = (ports: unknown) => () =>
      consoleEntry.check({ kind: 'console', columns: 80, rows: 25, ports } as never);
    expect(check(['a', 'org.example.b'])).not.toThrow();
    expect(check(['with space'])).toThrow(/"with space" is no name/);
    expect(check([''])).toThrow(/is no name/);
    expect(check('a')).toThrow(/expected a list/);
    expect(() => consoleHold(0, 1)).toThrow(RangeError);
    expect(() => world.device.control?.(consoleHold(2, 1))).toThrow(/hold of one of its further ports/);
    const plain = new World();
    plain.device = new VirtioMmio(plain.context, virtioConsole());
    expect(() => plain.device.control?.(consoleHold(1, 1))).toThrow(RangeError);
  });
});
