import { describe, expect, it, vi } from 'vitest';
import { CORES, type CoreKind } from '../../src/machine/engine/cores.ts';
import { Machine } from '../../src/machine/session/machine.ts';
import { openTimeline } from '../../src/timeline/open.ts';
import { room } from './fixtures.ts';
import { TOY, TOY_ANSWERS, TOY_LOOKS, toyEntry, toyGuest } from './toy-device.ts';

vi.mock('../../src/devices/registry.ts', async (original) => {
  const registry = await original<typeof import('../../src/devices/registry.ts')>();
  const slotEntry: typeof registry.slotEntry = (slot) =>
    (slot.kind as string) === 'toy' ? (toyEntry as never) : registry.slotEntry(slot);
  return { ...registry, slotEntry };
});

const QUESTIONS = 20;
const PORT = 'virtio1';
const kernel = { file: 'toy', bytes: toyGuest(QUESTIONS) };

interface Run {
  readonly file: Uint8Array;
  readonly hash: string;
  /** What came out of the toy's port. */
  readonly frames: readonly (readonly number[])[];
  readonly looks: bigint;
}

/** Runs the guest with a host that takes its time, a different one for every question. */
async function record(clock: 'virtual' | 'host', core: CoreKind = 'wasm'): Promise<Run> {
  const pieces: Uint8Array[] = [];
  const sink = { write: (bytes: Uint8Array) => void pieces.push(bytes.slice()) };
  const vm = await Machine.create({ kernel, memory: '4M', core, clock, devices: [TOY], record: sink }, room);
  const frames: number[][] = [];
  vm.on('output', ({ port, bytes }) => {
    if (port !== PORT) return;
    frames.push([...bytes]);
    if (bytes[0] === 1) setTimeout(() => vm.send(PORT, Uint8Array.of(bytes[1] * 7)), bytes[1] % 4);
  });
  expect((await vm.run()).reason).toBe('halt');
  const { ram } = vm.internals.engine;
  expect([...ram.read(TOY_ANSWERS, QUESTIONS)]).toEqual(
    Array.from({ length: QUESTIONS }, (_, i) => ((i + 1) * 7) & 255),
  );
  const run = { hash: vm.hash(), frames, looks: ram.readU64(TOY_LOOKS) };
  await vm.close();
  return { ...run, file: new Uint8Array(Buffer.concat(pieces)) };
}

const expected = Array.from({ length: QUESTIONS }, (_, i) => [[1, i + 1], [2]]).flat();

describe('a question the host takes its time over', () => {
  it('is answered before idle time is skipped, so that a run without a clock is the same every time', async () => {
    const runs = [await record('virtual'), await record('virtual', 'jit'), await record('virtual', 'ts')];
    // One look right after the question, one after the sleep: however long the host took.
    for (const { looks, frames } of runs) {
      expect(looks).toBe(BigInt(2 * QUESTIONS));
      expect(frames).toEqual(expected);
    }
    expect(new Set(runs.map(({ hash }) => hash)).size).toBe(1);
  });

  it.each(['virtual', 'host'] as const)('is answered from the log on replay (clock %s)', async (clock) => {
    const { file, hash, frames } = await record(clock);
    for (const core of CORES) {
      const replayed: number[][] = [];
      const output = (port: string, bytes: Uint8Array): void => void (port === PORT && replayed.push([...bytes]));
      const { timeline, recording } = await openTimeline(file, { kernel }, room, { core, output });
      expect(recording.events.filter(({ kind }) => kind === 1)).toHaveLength(QUESTIONS);
      expect(await timeline.verify()).toBe(recording.hashes.length);
      expect(timeline.hash()).toBe(hash);
      expect(replayed).toEqual(frames);
    }
  });

  it('is asked again where a saved machine goes on', async () => {
    const options = { kernel, memory: '4M', core: 'wasm', devices: [TOY] } as const;
    await using asking = await Machine.create(options, room);
    asking.on('output', () => void asking.pause());
    await asking.run();
    expect(asking.internals.engine.awaitsAnswer).toBe(true);
    await using again = await Machine.create(options, room);
    again.restore(asking.save());
    const heard: number[][] = [];
    again.on('output', ({ bytes }) => {
      heard.push([...bytes]);
      if (bytes[0] === 1) again.send(PORT, Uint8Array.of(bytes[1] * 7));
    });
    expect((await again.run()).reason).toBe('halt');
    // The remark is not a request.
    expect(heard).toEqual([[1, 1], ...expected.slice(2)]);
  });
});
