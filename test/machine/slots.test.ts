import { expect, it } from 'vitest';
import { VIRTIO_SLOTS, virtioRegion } from '../../src/machine/board/memory-map.ts';
import { Machine } from '../../src/machine/session/machine.ts';
import { openTimeline } from '../../src/timeline/open.ts';
import { room, tinyOptions } from './fixtures.ts';
import { tinyGuest } from './tiny-guest.ts';

/** All slots full: the entropy device that is always there, and consoles. */
const options = tinyOptions({
  devices: Array.from({ length: VIRTIO_SLOTS - 1 }, (_, i) => ({ kind: 'console', columns: i + 1, rows: 24 }) as const),
});

it('a machine with all its slots full has every device at its place, and what enters the last is recorded', async () => {
  const pieces: Uint8Array[] = [];
  const vm = await Machine.create({ ...options, record: { write: (bytes) => void pieces.push(bytes.slice()) } }, room);
  const { bus } = vm.internals.engine;
  for (let slot = 1; slot < VIRTIO_SLOTS; slot++) {
    expect(bus.peek(virtioRegion(slot).base, 4)).toBe(0x7472_6976n);
    expect(bus.peek(virtioRegion(slot).base + 0x100, 2)).toBe(BigInt(slot));
  }
  await vm.run({ instructions: 50_000 });
  const last = vm.ports.at(-1)!;
  vm.control(last, 'resize', 132, 50);
  vm.write('q');
  expect((await vm.run({ instructions: 10e6 })).reason).toBe('halt');
  expect(bus.peek(virtioRegion(VIRTIO_SLOTS - 1).base + 0x100, 2)).toBe(132n);
  const hash = vm.hash();
  await vm.close();
  const kernel = { file: 'tiny', bytes: tinyGuest() };
  const { timeline, recording } = await openTimeline(new Uint8Array(Buffer.concat(pieces)), { kernel }, room);
  expect(recording.header.ports.at(-1)).toBe(last);
  await timeline.verify();
  expect(timeline.hash()).toBe(hash);
});

it('one device more than slots is refused', async () => {
  const devices = [...options.devices!, { kind: 'rng' } as const];
  await expect(Machine.create({ ...options, devices }, room)).rejects.toThrow(/33 virtio devices: there are 32 slots/);
});

it('a device of a kind nobody knows, or with a wrong field, is refused by name', async () => {
  const make = (device: object): Promise<Machine> => Machine.create(tinyOptions({ devices: [device as never] }), room);
  await expect(make({ kind: 'toaster' })).rejects.toThrow(/no device "toaster".*blk, rng, console, balloon/);
  await expect(make({ kind: 'console', columns: 0, rows: 25 })).rejects.toThrow(/expected 1 to 65535/);
  await expect(make({ kind: 'blk', base: { file: 'x' }, readOnly: false })).rejects.toThrow(/size and its hash/);
  await expect(make({ kind: 'balloon', bytes: -1 })).rejects.toThrow(/balloon of -1 bytes/);
});
