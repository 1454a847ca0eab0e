import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openKeptCheckpoints, writeKeptCheckpoints } from '../../src/host/node/checkpoint-file.ts';
import { Machine } from '../../src/machine/session/machine.ts';
import { openTimeline } from '../../src/timeline/open.ts';
import type { Timeline } from '../../src/timeline/timeline.ts';
import { room, tinyOptions } from '../machine/fixtures.ts';
import { tinyGuest } from '../machine/tiny-guest.ts';

const files = { kernel: { file: 'tiny', bytes: tinyGuest() } };

async function recording(rounds = 4): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  const record = { write: (bytes: Uint8Array) => void pieces.push(bytes.slice()) };
  const vm = await Machine.create({ ...tinyOptions({}), record }, room);
  for (let i = 0; i < rounds; i++) {
    vm.write('hello');
    await vm.run({ instructions: vm.instant.instructions + 77_777 });
  }
  await vm.close();
  return Buffer.concat(pieces);
}
const open = async (bytes: Uint8Array): Promise<Timeline> =>
  (await openTimeline(bytes, files, room, { core: 'wasm', spacing: 25_000 })).timeline;

it('are found again by who opens the recording next, and lead to the same states', async () => {
  const bytes = await recording();
  const name = join(mkdtempSync(join(tmpdir(), 'hindsight-kept-')), 'a.hsr');
  const first = await open(bytes);
  expect(await openKeptCheckpoints(first, name)).toBe(false);
  await first.seek(first.end);
  first.mark();
  const hash = first.hash();
  await first.seek(150_000);
  const middle = first.hash();
  const path = (await writeKeptCheckpoints(first, name, false, Infinity))!;
  expect(path).toMatch(/a\.hsc$/);

  const second = await open(bytes);
  expect(second.checkpoints.all).toHaveLength(1);
  expect(await openKeptCheckpoints(second, name)).toBe(true);
  expect(second.checkpoints.all.length).toBeGreaterThan(5);
  // The last one is the end itself: nothing is executed on the way.
  let executed = 0;
  const { core } = second.engine;
  const run = core.run.bind(core);
  core.run = (...args) => {
    executed++;
    return run(...args);
  };
  await second.seek(second.end);
  expect(executed).toBe(0);
  expect(second.hash()).toBe(hash);
  await second.seek(150_000);
  expect(second.hash()).toBe(middle);
});

it('are left alone when they are of another recording, or damaged', async () => {
  const bytes = await recording();
  const name = join(mkdtempSync(join(tmpdir(), 'hindsight-kept-')), 'a.hsr');
  const first = await open(bytes);
  await first.seek(first.end);
  const path = (await writeKeptCheckpoints(first, name, false, Infinity))!;
  expect(await openKeptCheckpoints(await open(await recording(3)), name)).toBe(false);
  const kept = readFileSync(path);
  writeFileSync(path, kept.subarray(0, kept.length - 100));
  expect(await openKeptCheckpoints(await open(bytes), name)).toBe(false);
  writeFileSync(path, 'rubbish');
  expect(await openKeptCheckpoints(await open(bytes), name)).toBe(false);
  const nowhere = join(tmpdir(), 'no-such-folder', 'a.hsr');
  expect(await writeKeptCheckpoints(first, nowhere, false, Infinity)).toBeUndefined();
});

it('that an opening found which was ended early are gone on from, and those of the rest are added', async () => {
  const bytes = await recording();
  const name = join(mkdtempSync(join(tmpdir(), 'hindsight-kept-')), 'a.hsr');
  const whole = await open(bytes);
  const hashes = new Map<number, string>();
  for (const at of [90_000, 150_000, 250_000]) {
    await whole.seek(at);
    hashes.set(at, whole.hash());
  }
  const first = await open(bytes);
  await first.seek(130_000);
  first.mark();
  const path = (await writeKeptCheckpoints(first, name, false, Infinity))!;
  const some = readFileSync(path).length;

  const second = await open(bytes);
  expect(await openKeptCheckpoints(second, name)).toBe(true);
  const known = second.checkpoints.all.length;
  expect(second.checkpoints.all.at(-1)!.at.instructions).toBe(130_000);
  await second.seek(second.end);
  second.mark();
  expect(await writeKeptCheckpoints(second, name, true, Infinity)).toBe(path);
  expect(readFileSync(path).length).toBeGreaterThan(some);
  // Nothing is new any more: nothing is written.
  const full = readFileSync(path);

  const third = await open(bytes);
  expect(await openKeptCheckpoints(third, name)).toBe(true);
  expect(third.checkpoints.all.length).toBeGreaterThan(known);
  for (const [at, hash] of hashes) {
    await third.seek(at);
    expect(third.hash(), `at ${at}`).toBe(hash);
  }
  const instants = third.checkpoints.all.map(({ at }) => at.instructions);
  expect(instants).toEqual([...instants].sort((a, b) => a - b));
  const fourth = await open(bytes);
  await openKeptCheckpoints(fourth, name);
  await fourth.seek(fourth.end);
  expect(await writeKeptCheckpoints(fourth, name, true, Infinity)).toBeUndefined();
  expect(readFileSync(path).equals(full)).toBe(true);
});

it('take no more room than they may', async () => {
  const bytes = await recording();
  const name = join(mkdtempSync(join(tmpdir(), 'hindsight-kept-')), 'a.hsr');
  const first = await open(bytes);
  await first.seek(first.end);
  first.mark();
  const path = (await writeKeptCheckpoints(first, name, false, 1))!;
  const again = await open(bytes);
  expect(await openKeptCheckpoints(again, name)).toBe(true);
  expect(again.checkpoints.all).toHaveLength(1);
  expect(readFileSync(path).length).toBeLessThan(2000);
});
