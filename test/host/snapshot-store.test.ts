import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { firstPagesPath, keepFirstPages, takeFirstPages } from '../../src/host/node/snapshots/first-pages.ts';
import { SnapshotStore } from '../../src/host/node/snapshots/index.ts';
import { restoreMachine } from '../../src/machine/state/save.ts';
import { stateHash } from '../../src/machine/state/state-hash.ts';
import { tinyEngine } from '../machine/fixtures.ts';

let directory: string;
let store: SnapshotStore;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'hindsight-store-'));
  store = new SnapshotStore(directory);
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const files = (): string[] => readdirSync(directory).filter((name) => name.endsWith('.hss'));

test('keeps machines by names; the same pages are kept once, and go with the last name that needs them', async () => {
  const engine = await tinyEngine({ harts: 2 });
  engine.run({ instructions: 50_000 });
  const first = await store.save('first', engine);
  const hash = stateHash(engine);
  engine.run({ instructions: 50_001 });
  const second = await store.save('second', engine);
  expect(second.bases).toEqual([first.hash]);
  expect(second.size).toBeLessThan(first.size);
  expect((await store.list()).map(({ name }) => name)).toEqual(['first', 'second']);
  await store.remove('first');
  expect(files()).toHaveLength(2);

  const other = await tinyEngine({ harts: 2 });
  restoreMachine(other, (await store.open('second')).snapshot);
  expect(stateHash(other)).toBe(stateHash(engine));
  expect(stateHash(other)).not.toBe(hash);

  await store.remove('second');
  expect(files()).toEqual([]);
  await expect(store.open('second')).rejects.toThrow(/there is no snapshot "second": none is saved yet/);
});

test('a name that is saved again has the new one; an entry that is damaged is told by name', async () => {
  const engine = await tinyEngine();
  await store.save('a', engine);
  engine.run({ instructions: 40_000 });
  const { hash } = await store.save('a', engine);
  expect((await store.open('a')).name.hash).toBe(hash);
  writeFileSync(join(directory, 'a.json'), '{');
  await expect(store.open('a')).rejects.toThrow(/a\.json is damaged, or of a newer release: remove it/);
  await expect(store.save('../a', engine)).rejects.toThrow(/"\.\.\/a" is no name for a snapshot: expected letters/);
});

test('what was used longest ago goes first where there is a limit, and all that need a damaged file are forgotten', async () => {
  const engine = await tinyEngine();
  for (const [i, name] of ['one', 'two', 'three'].entries()) {
    engine.run({ instructions: 40_000 * (i + 1) });
    await store.save(name, engine);
  }
  const old = new Date(Date.now() - 60_000);
  for (const name of ['one', 'two', 'three']) utimesSync(join(directory, `${name}.json`), old, old);
  await store.open('one');
  await store.shrink(1, 'three');
  expect((await store.list()).map(({ name }) => name)).toEqual(['three']);
  const [kept] = await store.list();
  expect(files().sort()).toEqual([kept!.hash, ...kept!.bases].map((hash) => `${hash}.hss`).sort());
  expect(statSync(store.path(kept!.hash)).size).toBe(kept!.size);
  await store.forget(kept!.bases[0] ?? kept!.hash);
  expect(await store.list()).toEqual([]);
});

test('pages that a machine touched first are given to the next; what is damaged of them is ignored', async () => {
  const engine = await tinyEngine();
  engine.run({ instructions: 50_000 });
  await store.save('a', engine);
  const hash = stateHash(engine);
  const start = await store.open('a');
  const file = firstPagesPath(start.name.file);
  /** A machine from the snapshot. @returns how many of its pages have still to be fetched */
  const fresh = async (): Promise<{ readonly other: typeof engine; readonly absent: number }> => {
    const other = await tinyEngine();
    restoreMachine(other, start.snapshot);
    takeFirstPages(other, start);
    return { other, absent: other.memory.absent.count };
  };
  const first = await fresh();
  await keepFirstPages(first.other, start, 1);
  expect(existsSync(file)).toBe(false);
  first.other.run({ instructions: 60_000 });
  const { touched } = first.other.memory.absent;
  expect(touched.length).toBeGreaterThan(0);
  await keepFirstPages(first.other, start, touched.length + 1);
  expect(existsSync(file)).toBe(false);
  await keepFirstPages(first.other, start, 1);

  const second = await fresh();
  expect(first.absent - second.absent).toBe(touched.length);
  expect(stateHash(second.other)).toBe(hash);
  second.other.run({ instructions: 60_000 });
  expect(second.other.memory.absent.touched).toEqual([]);
  expect(stateHash(second.other)).toBe(stateHash(first.other));

  const whole = readFileSync(file);
  for (const damage of [
    whole.subarray(0, 40),
    whole.subarray(0, -1),
    Buffer.from(whole).fill(7, whole.length - 100),
    Buffer.of(),
  ]) {
    writeFileSync(file, damage);
    const again = await fresh();
    expect(again.absent).toBe(first.absent);
    expect(stateHash(again.other)).toBe(hash);
  }
  await store.remove('a');
  expect(readdirSync(directory)).toEqual([]);
});
