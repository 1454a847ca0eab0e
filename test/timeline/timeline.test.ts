import { describe, expect, it } from 'vitest';
import { Machine, type MachineOptions } from '../../src/machine/session/machine.ts';
import { stateHash } from '../../src/machine/state/state-hash.ts';
import type { EngineView } from '../../src/machine/view/engine-view.ts';
import { compareInstants } from '../../src/record/door.ts';
import { readRecording } from '../../src/record/reader.ts';
import { LivePast } from '../../src/timeline/live.ts';
import type { OpenedTimeline, OpenOptions } from '../../src/timeline/open.ts';
import { openTimeline } from '../../src/timeline/open.ts';
import { room, tinyEngine, tinyHardware, tinyOptions } from '../machine/fixtures.ts';
import { TINY, tinyGuest } from '../machine/tiny-guest.ts';
import { fuzzTimeline } from './fuzz.ts';

const files = { kernel: { file: 'tiny', bytes: tinyGuest() } };

async function session(more: Partial<MachineOptions> = {}, open: OpenOptions = {}): Promise<OpenedTimeline> {
  const pieces: Uint8Array[] = [];
  const vm = await Machine.create(
    { ...tinyOptions(more), record: { write: (bytes) => void pieces.push(bytes.slice()) } },
    room,
  );
  for (const text of ['hello', 'd', 'r', 'more of it']) {
    vm.write(text);
    await vm.run({ instructions: vm.instant.instructions + 77_777 });
  }
  await vm.close();
  return openTimeline(Buffer.concat(pieces), files, room, { core: 'wasm', spacing: 25_000, ...open });
}

describe('the timeline', () => {
  it('goes to instants, percentages, guest times and events', async () => {
    const { timeline } = await session();
    await timeline.seek(100_000);
    expect(timeline.at).toEqual({ instructions: 100_000, sequence: 0 });
    await timeline.seek('50%');
    expect(timeline.at.instructions).toBe(Math.round(timeline.end.instructions / 2));
    await timeline.seek({ guestTime: 0.0001 });
    expect(timeline.guestTime).toBeLessThanOrEqual(0.0001 + 1e-9);
    expect(timeline.guestTime).toBeGreaterThan(0.00005);
    // Between two ticks is at the nearest.
    for (let i = 1; i < 50; i++) {
      await timeline.seek({ guestTime: i * 3.3e-7 });
      expect(timeline.guestTime).toBeLessThanOrEqual(i * 3.3e-7 + 1e-9);
    }
    await timeline.seek({ event: 2 });
    expect(timeline.at).toEqual(timeline.events[2].at);
    expect(timeline.nextEvent).toBe(2);
    expect((await timeline.seek(1e12)).at).toEqual(timeline.end);
    expect((await timeline.seek(-5)).at).toEqual(timeline.begin);
    expect((await timeline.reverseStep()).reason).toBe('begin');
    await expect(timeline.seek('x%' as `${number}%`)).rejects.toThrow(/percentage/);
  });

  it('steps both ways', async () => {
    const { timeline } = await session({ harts: 2 });
    await timeline.seek(123_456);
    const here = timeline.hash();
    await timeline.step();
    const there = timeline.hash();
    expect(there).not.toBe(here);
    await timeline.reverseStep();
    expect(timeline.hash()).toBe(here);
    await timeline.reverseStep(50_000);
    await timeline.step(50_001);
    expect(timeline.hash()).toBe(there);
  });

  it('finds every store again, backwards', async () => {
    const { timeline } = await session({ harts: 2 });
    const write = BigInt(TINY.racy);
    const forward: string[] = [];
    await timeline.seek(60_000);
    const from = timeline.at;
    for (;;) {
      const { hit } = await timeline.continue({ write });
      if (hit === undefined || hit.at.instructions > 62_000) break;
      forward.push(`${hit.at.instructions} ${hit.hart} ${hit.pc}`);
    }
    expect(forward.length).toBeGreaterThan(20);
    await timeline.seek(62_001);
    const backward: string[] = [];
    for (;;) {
      const { hit } = await timeline.reverseContinue({ write });
      if (hit === undefined || compareInstants(hit.at, from) < 0) break;
      backward.push(`${hit.at.instructions} ${hit.hart} ${hit.pc}`);
    }
    expect(backward.reverse()).toEqual(forward);
  });

  it('tells who wrote last, without moving', async () => {
    const { timeline } = await session();
    await timeline.seek('90%');
    const { at } = timeline;
    const hash = timeline.hash();
    const { hit } = await timeline.lastWrite(BigInt(TINY.clock), 8);
    expect(hit?.at.instructions).toBeGreaterThan(77_000);
    expect(timeline.at).toEqual(at);
    expect(timeline.hash()).toBe(hash);
    await timeline.seek(hit!.at);
    expect(timeline.engine.ram.readU64(TINY.clock)).toBe(0n);
    await timeline.step();
    expect(timeline.engine.ram.readU64(TINY.clock)).toBeGreaterThanOrEqual(1_767_225_600_000_000_000n);
  });

  it('searches by predicate, and can be interrupted', async () => {
    const { timeline } = await session();
    const full = (n: bigint) => ({
      write: BigInt(TINY.racy),
      when: ({ engine }: EngineView) => engine.ram.readU64(TINY.racy) === n,
    });
    const { hit } = await timeline.continue(full(1000n));
    expect(hit).toBeDefined();
    expect(timeline.engine.ram.readU64(TINY.racy)).toBe(1000n);
    await timeline.seek(200_000);
    const { at } = timeline;
    const stop = new AbortController();
    const when = (): boolean => {
      stop.abort();
      return false;
    };
    const result = timeline.reverseContinue({ when }, { signal: stop.signal });
    expect((await result).reason).toBe('interrupted');
    expect(timeline.at).toEqual(at);
  });

  it('stays within its budget for checkpoints', async () => {
    const budget = 3_000_000;
    const { timeline } = await session({}, { spacing: 3000, budget });
    await timeline.seek('100%');
    expect(timeline.checkpoints.all.length).toBeGreaterThan(3);
    expect(timeline.checkpoints.size).toBeLessThan(budget * 1.2);
    await timeline.seek('30%');
    const hash = timeline.hash();
    await timeline.seek('100%');
    await timeline.seek('30%');
    expect(timeline.hash()).toBe(hash);
  });

  it.each([
    ['wasm', 1, 1],
    ['wasm', 3, 2],
    ['ts', 2, 3],
    ['jit', 2, 4],
  ] as const)('never lands wrong: random moves on %s with %i harts', async (core, harts, seed) => {
    const { timeline } = await session({ harts, chaos: seed % 2 === 0 }, { core });
    await fuzzTimeline(timeline, await tinyHardware({ harts, chaos: seed % 2 === 0 }), {
      moves: 80,
      seed,
      core,
      room,
      typed: 'another life',
      life: 20_000,
    });
  });
});

describe('a branch', () => {
  it('lives on from the past; the original stays', async () => {
    const { timeline } = await session();
    await timeline.seek('100%');
    const end = timeline.hash();
    await timeline.seek('40%');
    const pieces: Uint8Array[] = [];
    const vm = timeline.branch({ record: { write: (bytes) => void pieces.push(bytes.slice()) } });
    const { at } = timeline;
    expect(vm.hash()).toBe(timeline.hash());
    vm.write('another life q');
    await vm.run();
    const hash = vm.hash();
    await vm.close();
    await timeline.seek('100%');
    expect(timeline.hash()).toBe(end);

    const branch = await openTimeline(Buffer.concat(pieces), files, room, { core: 'ts' });
    expect(branch.recording.header.parent).toEqual({ id: timeline.log.header.id, at });
    await branch.timeline.seek('100%');
    expect(branch.timeline.hash()).toBe(hash);
  });
});

describe('a live machine', () => {
  it('goes back and forth and on from there, its recording too', async () => {
    const pieces: Uint8Array[] = [];
    const vm = await Machine.create(
      { ...tinyOptions({ harts: 2 }), record: { write: (bytes) => void pieces.push(bytes.slice()) } },
      room,
    );
    const past = new LivePast(vm, room, { spacing: 20_000, interval: 0 });
    vm.write('first');
    await vm.run({ instructions: 100_000 });
    vm.write('second');
    await vm.run({ instructions: 200_000 });
    const straight = await tinyEngine({ harts: 2 });
    past.goBack();
    const { timeline } = past;
    const end = timeline.hash();
    await timeline.seek(50_000);
    await timeline.seek('100%');
    expect(timeline.hash()).toBe(end);
    await timeline.seek(150_000);
    const middle = timeline.hash();
    past.resume();
    expect(vm.hash()).toBe(middle);
    vm.write('third q');
    expect((await vm.run()).reason).toBe('halt');
    const hash = vm.hash();
    await vm.close();
    expect(stateHash(straight)).not.toBe(hash);
    const recording = await readRecording(Buffer.concat(pieces));
    expect(recording.complete).toBe(true);
    const replay = await openTimeline(Buffer.concat(pieces), files, room, { core: 'wasm' });
    await replay.timeline.seek('100%');
    expect(replay.timeline.hash()).toBe(hash);
  });
});

describe('checkpoints in the file', () => {
  it('open a recording at its end at once, also after going back', async () => {
    const pieces: Uint8Array[] = [];
    const vm = await Machine.create(
      { ...tinyOptions({ harts: 2 }), embed: true, record: { write: (bytes) => void pieces.push(bytes.slice()) } },
      room,
    );
    const past = new LivePast(vm, room, { spacing: 20_000, interval: 0, store: true });
    vm.write('first');
    for (let at = 30_000; at <= 300_000; at += 30_000) await vm.run({ instructions: at });
    past.goBack();
    const { timeline } = past;
    await timeline.seek(155_555);
    past.resume();
    vm.write('second');
    for (let at = 180_000; at <= 400_000; at += 20_000) await vm.run({ instructions: at });
    past.capture();
    const hash = vm.hash();
    await vm.close();
    const file = Buffer.concat(pieces);
    const recording = await readRecording(file);
    expect(recording.checkpoints.length).toBeGreaterThan(15);
    // Those of the future that was left are no longer among them.
    const instants = recording.checkpoints.map(({ at }) => at.instructions);
    expect(instants).toEqual([...new Set(instants)].sort((a, b) => a - b));

    const opened = await openTimeline(file, {}, room, { core: 'wasm' });
    expect(opened.timeline.checkpoints.all.length).toBeGreaterThan(10);
    const before = opened.timeline.engine.harts[0].get('ticksEnd');
    expect(before).toBe(0n);
    await opened.timeline.seek('100%');
    expect(opened.timeline.hash()).toBe(hash);

    const plain = await openTimeline(file, files, room, { core: 'wasm' });
    plain.timeline.checkpoints.forget({ instructions: 0, sequence: 0 });
    for (const { at } of opened.timeline.checkpoints.all) {
      await opened.timeline.seek(at);
      await plain.timeline.seek(at);
      expect(opened.timeline.hash()).toBe(plain.timeline.hash());
    }
  });
});
