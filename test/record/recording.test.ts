import { describe, expect, it } from 'vitest';
import type { MachineOptions } from '../../src/machine/session/machine.ts';
import { Machine } from '../../src/machine/session/machine.ts';
import { describeEvent } from '../../src/record/describe.ts';
import { DivergenceError } from '../../src/record/divergence.ts';
import { RecordingError } from '../../src/record/format.ts';
import { timeWarp } from '../../src/record/inputs.ts';
import { readRecording } from '../../src/record/reader.ts';
import { openTimeline } from '../../src/timeline/open.ts';
import { room, tinyMachine, tinyOptions } from '../machine/fixtures.ts';
import { tinyGuest } from '../machine/tiny-guest.ts';

interface Session {
  readonly file: Uint8Array;
  readonly hash: string;
  readonly options: MachineOptions;
  readonly console: string;
}

/** A session with typing, clock readings, a reboot and a warp or two. */
async function record(more: Partial<MachineOptions> = {}): Promise<Session> {
  const pieces: Uint8Array[] = [];
  const options = tinyOptions({ hashEvery: 100_000, ...more });
  const vm = await Machine.create({ ...options, record: { write: (bytes) => void pieces.push(bytes.slice()) } }, room);
  let console = '';
  vm.on('console', (bytes) => (console += new TextDecoder().decode(bytes)));
  for (const text of ['hello', 'd', 'more', 'r', 'd', 'again'.repeat(30)]) {
    void vm.write(text);
    await vm.run({ instructions: vm.instant.instructions + 54_321 });
    vm.internals.enter(timeWarp(1000));
  }
  void vm.write('q');
  const result = await vm.run({ instructions: 10e6 });
  expect(result.reason).toBe('halt');
  const hash = vm.hash();
  await vm.close();
  return { file: new Uint8Array(Buffer.concat(pieces)), hash, options, console };
}

const files = { kernel: { file: 'tiny', bytes: tinyGuest() } };

describe('a recording', () => {
  it.each([
    ['virtual', 1],
    ['host', 1],
    ['virtual', 3],
    ['host', 4],
  ] as const)('replays to the same hashes on every core (clock %s, %i harts)', async (clock, harts) => {
    const { file, hash, console } = await record({ clock, harts });
    for (const core of ['wasm', 'ts', 'jit'] as const) {
      let shown = '';
      const { timeline, recording } = await openTimeline(file, files, room, {
        core,
        output: (_port, bytes) => (shown += new TextDecoder().decode(bytes)),
      });
      expect(recording.complete).toBe(true);
      expect(recording.hashes.length).toBeGreaterThan(2);
      expect(await timeline.verify()).toBe(recording.hashes.length);
      expect(timeline.hash()).toBe(hash);
      expect(shown).toBe(console);
    }
  });

  it('is small', async () => {
    const { file } = await record();
    expect(file.length).toBeLessThan(2000);
  });

  it('describes its events', async () => {
    const { header, events } = await readRecording((await record()).file);
    const lines = events.map((event) => describeEvent(event, header));
    expect(lines.map(({ text }) => text)).toContain('"d"');
    expect(lines.find(({ kind }) => kind === 'answer')).toMatchObject({
      port: 'rtc',
      text: 'clock 1767225600000000000 ns',
    });
    expect(lines.find(({ kind }) => kind === 'warp')).toMatchObject({ port: 'machine', text: '1000 ticks' });
  });

  it('cut or damaged anywhere is refused or replays up to there', async () => {
    const { file } = await record();
    const whole = await readRecording(file);
    for (let at = 0; at < file.length; at++) {
      const flipped = file.slice();
      flipped[at] ^= 1 << (at % 8);
      for (const [what, bytes] of [
        ['cut', file.subarray(0, at)],
        ['flipped', flipped],
      ] as const) {
        try {
          const part = await readRecording(bytes);
          expect(part.complete, `${what} at ${at}`).toBe(false);
          expect(part.damage).toMatch(/offset \d+/);
          expect(part.events).toEqual(whole.events.slice(0, part.events.length));
          expect(part.end.instructions).toBeLessThanOrEqual(whole.end.instructions);
        } catch (error) {
          expect(error, `${what} at ${at}: ${String(error)}`).toBeInstanceOf(RecordingError);
        }
      }
    }
    const { timeline } = await openTimeline(file.subarray(0, Math.floor(file.length * 0.8)), files, room, {
      core: 'wasm',
    });
    await timeline.seek('100%');
    expect(timeline.at).toEqual(timeline.end);
    expect(timeline.end.instructions).toBeGreaterThan(0);
  });

  it('names what is another file', async () => {
    const { file } = await record();
    const kernel = { file: 'other', bytes: tinyGuest({ rounds: 5 }) };
    await expect(openTimeline(file, { kernel }, room)).rejects.toThrow(
      /the kernel other has SHA-256 [0-9a-f]{64}, expected [0-9a-f]{64}/,
    );
    await expect(openTimeline(file, {}, room)).rejects.toThrow(/the kernel tiny is missing/);
    await expect(openTimeline(new Uint8Array(100), files, room)).rejects.toThrow(/no recording/);
  });

  it('of a machine that does something else is left loudly', async () => {
    const { file } = await record();
    const { timeline } = await openTimeline(file, files, room, { core: 'wasm' });
    const asking = timeline.events.findIndex(({ kind }) => kind === 0);
    await timeline.seek({ instructions: timeline.events[asking].at.instructions - 50, sequence: 0 });
    // An additional tick of time, and the clock is read at another one than was recorded.
    timeline.engine.memory.time += 1;
    const failed: unknown = await timeline.seek('100%').catch((error: unknown) => error);
    expect(failed).toBeInstanceOf(DivergenceError);
    expect((failed as DivergenceError).message).toMatch(
      /replay diverged at instant \d+.*, hart 0, pc 0x8[0-9a-f]+: .* expected .*, found /,
    );
    await timeline.seek('10%');
    await timeline.seek('100%');
    expect(timeline.at).toEqual(timeline.end);
  });

  it('costs nothing while nothing enters', async () => {
    const pieces: Uint8Array[] = [];
    await using vm = await tinyMachine({ hashEvery: 0, record: { write: (bytes) => void pieces.push(bytes.slice()) } });
    await vm.run({ instructions: 5000 });
    const before = pieces.reduce((sum, { length }) => sum + length, 0);
    await vm.run({ instructions: 3_000_000 });
    expect(pieces.reduce((sum, { length }) => sum + length, 0) - before).toBeLessThan(300);
  });
});
