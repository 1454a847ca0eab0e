import { expect, test } from 'vitest';
import { Machine } from '../../src/machine/session/machine.ts';
import { openTimeline, type RecordedTimeline } from '../../src/timeline/open.ts';
import { GrowingCheckpoints } from '../../src/web/worker/growing-checkpoints.ts';
import { adoptFile } from '../../src/web/worker/recordings.ts';
import { room, tinyOptions } from '../machine/fixtures.ts';
import { tinyGuest } from '../machine/tiny-guest.ts';

const STEP = 25_000;

/** A recording of a machine that was typed at. */
async function recording(text: string): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  const vm = await Machine.create(
    { ...tinyOptions({}), record: { write: (bytes) => void pieces.push(bytes.slice()) } },
    room,
  );
  for (let i = 0; i < 4; i++) {
    vm.write(text);
    await vm.run({ instructions: vm.instant.instructions + 77_777 });
  }
  await vm.close();
  return Buffer.concat(pieces);
}

const open = async (bytes: Uint8Array): Promise<RecordedTimeline> => {
  const files = { kernel: { file: 'tiny', bytes: tinyGuest() } };
  return (await openTimeline(bytes, files, room, { core: 'wasm', spacing: Infinity })).timeline;
};

test('checkpoints of the replay beside the machine are taken in while it goes on, and lead to the same states', async () => {
  const bytes = await recording('hello');
  const [indexed, shown] = [await open(bytes), await open(bytes)];
  const growing = new GrowingCheckpoints(indexed, STEP);
  expect(growing.take()).toBeUndefined();
  const hashes = new Map<number, string>();
  const instants: number[] = [];
  for (let at = STEP; at < indexed.end.instructions; at += STEP) {
    await indexed.seek(at);
    hashes.set(at, indexed.hash());
    growing.maybeTake();
    if (at % (3 * STEP) !== 0) continue;
    expect(await adoptFile(shown, growing.take()!)).toBe(true);
    instants.push(shown.checkpoints.all.length);
  }
  // Each file has all that the one before had, and more.
  expect(instants.length).toBeGreaterThan(2);
  expect(instants).toEqual(instants.map((_, i) => 1 + 3 * (i + 1)));
  for (const [at, hash] of [...hashes].reverse()) {
    await shown.seek(at);
    expect(shown.hash()).toBe(hash);
  }
});

test('checkpoints of another recording, or cut off, are left alone', async () => {
  const indexed = await open(await recording('hello'));
  const growing = new GrowingCheckpoints(indexed, STEP);
  await indexed.seek(STEP);
  growing.maybeTake();
  const file = growing.take()!;
  const other = await open(await recording('goodbye'));
  expect(await adoptFile(other, file)).toBe(false);
  for (const length of [0, 10, 200, file.size - 1]) expect(await adoptFile(indexed, file.slice(0, length))).toBe(false);
  expect(other.checkpoints.all).toHaveLength(1);
});
