import { describe, expect, it } from 'vitest';
import type { MachineOptions } from '../../src/machine/session/machine.ts';
import { Machine } from '../../src/machine/session/machine.ts';
import { EVENT } from '../../src/record/door.ts';
import { readRecording } from '../../src/record/reader.ts';
import { LivePast } from '../../src/timeline/live.ts';
import { openTimeline } from '../../src/timeline/open.ts';
import { room, tinyMachine, tinyOptions } from './fixtures.ts';
import { tinyGuest } from './tiny-guest.ts';

const kernel = { file: 'tiny', bytes: tinyGuest() };

/** A machine that was typed at, and its snapshot. */
async function snapshot(more: Partial<MachineOptions> = {}): Promise<{ bytes: Uint8Array; hash: string; at: number }> {
  await using vm = await tinyMachine({ harts: 2, ...more });
  void vm.write('hello d');
  await vm.run({ instructions: 123_456 });
  return { bytes: vm.save(), hash: vm.hash(), at: vm.instant.instructions };
}

describe('a machine from a snapshot', () => {
  it('goes on as the first did, and replays from there on every core, embedded or not', async () => {
    const { bytes, hash, at } = await snapshot();
    const from = { file: 'tiny.hss', bytes };
    for (const embed of [false, true]) {
      const pieces: Uint8Array[] = [];
      const vm = await Machine.create(
        {
          ...tinyOptions({ harts: 2, hashEvery: 50_000 }),
          from,
          embed,
          record: { write: (b) => void pieces.push(b.slice()) },
        },
        room,
      );
      const past = new LivePast(vm, room, { spacing: 60_000, interval: 0, store: true });
      expect(vm.hash()).toBe(hash);
      expect(vm.instant.instructions).toBe(at);
      void vm.write('more');
      await vm.run({ instructions: at + 100_000 });
      past.goBack();
      for (const early of [0, { instructions: at - 1, sequence: 0 }, { guestTime: 0 }])
        await expect(past.timeline.seek(early)).rejects.toThrow(
          /lies before the recording: it starts from the snapshot tiny.hss at instant \d+/,
        );
      await past.timeline.seek('0%');
      expect(past.timeline.at.instructions).toBe(at);
      expect(vm.hash()).toBe(hash);
      await past.timeline.seek(at + 80_000);
      past.resume();
      void vm.write('q');
      expect((await vm.run({ instructions: 10e6 })).reason).toBe('halt');
      past.capture();
      const end = vm.hash();
      await vm.close();
      const file = new Uint8Array(Buffer.concat(pieces));
      const { header, end: last } = await readRecording(file);
      expect(header.start).toMatchObject({ file: 'tiny.hss', size: bytes.length, at: { instructions: at } });
      const files = embed ? {} : { kernel, start: from };
      for (const core of ['wasm', 'ts', 'jit'] as const) {
        const { timeline } = await openTimeline(file, files, room, { core });
        expect(timeline.hash()).toBe(hash);
        timeline.checkpoints.forget(timeline.begin);
        expect(await timeline.verify()).toBeGreaterThan(1);
        expect(timeline.hash()).toBe(end);
        expect((await timeline.reverseContinue({ execute: 1n })).reason).toBe('begin');
        expect(timeline.at.instructions).toBe(at);
      }
      const { timeline } = await openTimeline(file, files, room, { core: 'wasm' });
      await timeline.seek(last);
      expect(timeline.hash()).toBe(end);
    }
  });

  it('agrees with the run from power-on', async () => {
    const { bytes } = await snapshot();
    await using first = await tinyMachine({ harts: 2 });
    void first.write('hello d');
    await first.run({ instructions: 123_456 });
    await first.run({ instructions: 400_000 });
    await using second = await Machine.create({ ...tinyOptions({ harts: 2 }), from: { file: 's', bytes } }, room);
    await second.run({ instructions: 400_000 });
    expect(second.hash()).toBe(first.hash());
  });

  it('has its clock ask for the time again when it is told to, which is recorded', async () => {
    const { bytes } = await snapshot();
    const pieces: Uint8Array[] = [];
    const vm = await Machine.create(
      {
        ...tinyOptions({ harts: 2 }),
        from: { file: 's', bytes },
        record: { write: (b) => void pieces.push(b.slice()) },
      },
      room,
    );
    const asked = (): number => vm.recording.events.filter(({ kind }) => kind === EVENT.ANSWER).length;
    void vm.write('d');
    await vm.run({ instructions: 200_000 });
    expect(asked()).toBe(0);
    vm.refreshClock();
    void vm.write('d');
    await vm.run({ instructions: 300_000 });
    expect(asked()).toBe(1);
    const hash = vm.hash();
    await vm.close();
    const { timeline } = await openTimeline(
      new Uint8Array(Buffer.concat(pieces)),
      { kernel, start: { file: 's', bytes } },
      room,
      {
        core: 'ts',
      },
    );
    await timeline.verify();
    expect(timeline.hash()).toBe(hash);
  });

  it('of another machine, damaged or missing is refused by name', async () => {
    const { bytes } = await snapshot();
    const create = (more: Partial<MachineOptions>): Promise<Machine> =>
      Machine.create({ ...tinyOptions({ harts: 2 }), from: { file: 's.hss', bytes }, ...more }, room);
    await expect(create({ harts: 3 })).rejects.toThrow(
      /s.hss is of another machine: its harts is 2, this machine's is 3/,
    );
    const damaged = bytes.slice();
    damaged[bytes.length >> 1] ^= 1;
    await expect(create({ from: { file: 's.hss', bytes: damaged } })).rejects.toThrow(
      /s.hss is damaged in the part at offset \d+ .*bring a sound copy/,
    );
    const pieces: Uint8Array[] = [];
    const vm = await create({ record: { write: (b) => void pieces.push(b.slice()) } });
    await vm.close();
    const file = new Uint8Array(Buffer.concat(pieces));
    await expect(openTimeline(file, { kernel }, room)).rejects.toThrow(
      /the snapshot s.hss is missing: bring the file with SHA-256/,
    );
    await expect(openTimeline(file, { kernel, start: { file: 'x', bytes: damaged } }, room)).rejects.toThrow(
      /the snapshot x has SHA-256 [0-9a-f]{64}, expected/,
    );
  });
});
