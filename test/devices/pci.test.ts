import { describe, expect, test } from 'vitest';
import { PciEcam, PciMemory } from '../../src/devices/pci/host.ts';
import { fsReply, virtioFs } from '../../src/devices/virtio/fs.ts';
import { VirtioPci } from '../../src/devices/virtio/pci.ts';
import { FEATURE, STATUS } from '../../src/devices/virtio/transport.ts';
import { RAM_BASE, World } from './world.ts';

const BUS = 0x4000_0000;
/** Where the driver puts the BAR in the window. */
const BAR = 0x4000;
const SLOT = 2;
const CONFIG = SLOT << 15;

/** A machine's bus with one share in device 2, and a driver that finds everything as Linux does. */
function bus() {
  const world = new World();
  const device = new VirtioPci(world.context, virtioFs('share'));
  world.device = device;
  device.reset();
  const functions: VirtioPci[] = [];
  functions[SLOT] = device;
  return { world, device, ecam: new PciEcam(functions), memory: new PciMemory([device], BUS, 0x10_0000) };
}

/** Virtio capabilities by type: offset in the BAR, and where in configuration space. */
function capabilities(ecam: PciEcam): Map<number, { at: number; bar: number; offset: number; length: number }> {
  const found = new Map<number, { at: number; bar: number; offset: number; length: number }>();
  for (let at = ecam.read(CONFIG + 0x34, 1); at !== 0; at = ecam.read(CONFIG + at + 1, 1)) {
    expect(ecam.read(CONFIG + at, 1)).toBe(9);
    found.set(ecam.read(CONFIG + at + 3, 1), {
      at,
      bar: ecam.read(CONFIG + at + 4, 1),
      offset: ecam.read(CONFIG + at + 8, 4),
      length: ecam.read(CONFIG + at + 12, 4),
    });
  }
  return found;
}

function place(ecam: PciEcam, address: number): void {
  ecam.write(CONFIG + 0x10, 4, address);
  ecam.write(CONFIG + 4, 2, 2);
}

const QUEUE = { desc: RAM_BASE, avail: RAM_BASE + 0x1000, used: RAM_BASE + 0x2000 };

/** Brings the device to DRIVER_OK with queue 1 of 8 entries. */
function start(memory: PciMemory): void {
  const at = (offset: number): number => BAR + offset;
  memory.write(at(0x14), 1, 0);
  memory.write(at(0x14), 1, STATUS.acknowledge | STATUS.driver);
  memory.write(at(0x08), 4, 1);
  memory.write(at(0x0c), 4, 1 << (FEATURE.version1 - 32));
  memory.write(at(0x14), 1, STATUS.acknowledge | STATUS.driver | STATUS.featuresOk);
  expect(memory.read(at(0x14), 1) & STATUS.featuresOk).not.toBe(0);
  memory.write(at(0x16), 2, 1);
  memory.write(at(0x18), 2, 8);
  [QUEUE.desc, QUEUE.avail, QUEUE.used].forEach((area, i) => {
    memory.write(at(0x20 + 8 * i), 4, area);
    memory.write(at(0x24 + 8 * i), 4, 0);
  });
  memory.write(at(0x1c), 2, 1);
  expect(memory.read(at(0x1c), 2)).toBe(1);
  memory.write(at(0x14), 1, memory.read(at(0x14), 1) | STATUS.driverOk);
}

/** Offers a request of `bytes` with room for 64 of a reply, and rings. */
function request(world: World, memory: PciMemory, bytes: Uint8Array, index = 0): void {
  const { ram } = world;
  ram.write(RAM_BASE + 0x4000, bytes);
  const descriptor = (n: number, address: number, length: number, flags: number, next: number): void => {
    ram.writeU64(QUEUE.desc + 16 * n, BigInt(address));
    ram.writeU32(QUEUE.desc + 16 * n + 8, length);
    ram.writeU16(QUEUE.desc + 16 * n + 12, flags);
    ram.writeU16(QUEUE.desc + 16 * n + 14, next);
  };
  descriptor(0, RAM_BASE + 0x4000, bytes.length, 1, 1);
  descriptor(1, RAM_BASE + 0x5000, 64, 2, 0);
  ram.writeU16(QUEUE.avail + 4 + 2 * index, 0);
  ram.writeU16(QUEUE.avail + 2, index + 1);
  memory.write(BAR + 0x3000 + 4, 2, 1);
}

describe('a virtio device on the PCI bus', () => {
  test('is found where it is, and nothing elsewhere', () => {
    const { ecam } = bus();
    expect(ecam.read(CONFIG, 4)).toBe(0x105a_1af4);
    expect(ecam.read(0, 4)).toBe(0xffff_ffff);
    expect(ecam.read(0, 2)).toBe(0xffff);
    expect(ecam.read(CONFIG + 0x1000, 4)).toBe(0xffff_ffff); // function 1
    expect(ecam.read(CONFIG + 0x0e, 1)).toBe(0); // one function, type 0
    expect(ecam.read(CONFIG + 0x3d, 1)).toBe(1); // INTA#
    expect(ecam.read(CONFIG + 0x800, 4)).toBe(0); // no extended capabilities
  });

  test('says how large its BAR is, and answers where it is put', () => {
    const { ecam, memory } = bus();
    ecam.write(CONFIG + 0x10, 4, 0xffff_ffff);
    expect(ecam.read(CONFIG + 0x10, 4)).toBe(0xffff_c000);
    ecam.write(CONFIG + 0x14, 4, 0xffff_ffff);
    expect(ecam.read(CONFIG + 0x14, 4)).toBe(0);
    place(ecam, BUS + 0x8000);
    expect(memory.read(0x8000 + 0x12, 2)).toBe(2); // num_queues
    expect(memory.read(0x12, 2)).toBe(0xffff);
    ecam.write(CONFIG + 4, 2, 0); // memory space off
    expect(memory.read(0x8000 + 0x12, 2)).toBe(0xffff);
  });

  test('has the capabilities that the specification asks for, apart from each other', () => {
    const { ecam } = bus();
    const found = capabilities(ecam);
    expect([...found.keys()].sort()).toEqual([1, 2, 3, 4, 5]);
    const areas = [1, 2, 3, 4].map((type) => found.get(type)!).sort((a, b) => a.offset - b.offset);
    areas.forEach(({ bar, offset, length }, i) => {
      expect(bar).toBe(0);
      expect(length).toBeGreaterThan(0);
      expect(offset + length).toBeLessThanOrEqual(areas[i + 1]?.offset ?? 0x4000);
    });
  });

  test('its registers are reached through configuration space, too (4.1.4.9)', () => {
    const { ecam, memory } = bus();
    place(ecam, BUS);
    const { at } = capabilities(ecam).get(5)!;
    ecam.write(CONFIG + at + 8, 4, 0x14);
    ecam.write(CONFIG + at + 12, 4, 1);
    ecam.write(CONFIG + at + 16, 1, 3);
    expect(memory.read(0x14, 1)).toBe(3);
    expect(ecam.read(CONFIG + at + 16, 1)).toBe(3);
  });

  test('carries a request out and its answer in, and interrupts by INTA#', () => {
    const { world, ecam, memory } = bus();
    place(ecam, BUS + BAR);
    start(memory);
    request(world, memory, Uint8Array.of(1, 2, 3));
    expect(world.emitted.slice(-7)).toEqual([1, 0, 0, 0, 1, 2, 3]);
    expect([world.device.awaitsAnswer, world.wire]).toEqual([true, false]);
    const answer = fsReply(1, Uint8Array.of(9, 8), new Uint8Array(0))[0];
    expect(world.device.input?.(answer)).toBe(answer.length);
    expect([...world.ram.read(RAM_BASE + 0x5000, 3)]).toEqual([9, 8, 0]);
    expect(world.ram.readU32(QUEUE.used + 8)).toBe(2);
    expect([world.device.awaitsAnswer, world.wire]).toEqual([false, true]);
    expect(ecam.read(CONFIG + 6, 2) & 8).toBe(8);
    ecam.write(CONFIG + 4, 2, 2 | (1 << 10)); // interrupts disabled
    expect(world.wire).toBe(false);
    ecam.write(CONFIG + 4, 2, 2);
    expect(world.wire).toBe(true);
    expect(memory.peek(BAR + 0x1000, 1)).toBe(1);
    expect(memory.read(BAR + 0x1000, 1)).toBe(1); // reading the status acknowledges it
    expect([world.wire, memory.read(BAR + 0x1000, 1)]).toEqual([false, 0]);
  });

  test('asks again for what was not answered when it goes on from a saved state', () => {
    const { world, ecam, memory } = bus();
    place(ecam, BUS + BAR);
    start(memory);
    request(world, memory, Uint8Array.of(5, 6));
    const state = world.save();
    const later = bus();
    later.world.follow(world);
    expect(later.world.restore(state)).toBe(0);
    const before = later.world.emitted.length;
    later.device.repeatRequests();
    expect(later.world.emitted.slice(before)).toEqual([1, 0, 0, 0, 5, 6]);
    later.device.input?.(fsReply(1, Uint8Array.of(7), new Uint8Array(0))[0]);
    expect(later.world.ram.read(RAM_BASE + 0x5000, 1)[0]).toBe(7);
    expect(later.world.wire).toBe(true);
  });

  test('an answer that comes after a reset, twice, or without a request has no effect', () => {
    const { world, ecam, memory } = bus();
    place(ecam, BUS + BAR);
    start(memory);
    request(world, memory, Uint8Array.of(5, 6));
    memory.write(BAR + 0x14, 1, 0);
    const answer = fsReply(1, Uint8Array.of(7), new Uint8Array(0))[0];
    const before = world.seen();
    expect(world.device.input?.(answer)).toBe(answer.length);
    expect(world.device.input?.(answer)).toBe(answer.length);
    expect(world.device.input?.(Uint8Array.of(1))).toBe(1);
    expect(world.seen()).toBe(before);
  });
});
