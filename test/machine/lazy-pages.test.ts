/** Pages that are fetched where they are first touched: nothing can tell them from pages that were there. */
import { describe, expect, it } from 'vitest';
import { PAGE_SIZE } from '../../src/isa/layout.ts';
import type { Engine } from '../../src/machine/engine/engine.ts';
import { copyState } from '../../src/machine/state/copy.ts';
import { FrozenRam } from '../../src/machine/state/frozen-ram.ts';
import { restoreMachine, saveMachine } from '../../src/machine/state/save.ts';
import { Snapshot } from '../../src/machine/state/snapshot.ts';
import { SnapshotFile } from '../../src/machine/state/snapshot-file.ts';
import { writeSnapshot } from '../../src/machine/state/snapshot-writer.ts';
import { stateHash } from '../../src/machine/state/state-hash.ts';
import { EngineView } from '../../src/machine/view/engine-view.ts';
import { tinyEngine } from './fixtures.ts';

/** Fills what lies where pages are absent, so that whoever looks without fetching sees it. */
function spoil({ memory }: Engine): number {
  let spoiled = 0;
  for (let page = 0; page < memory.pages; page++) {
    if (!memory.absent.has(page)) continue;
    memory.ramBytes.fill(0xa5, page * PAGE_SIZE, (page + 1) * PAGE_SIZE);
    spoiled++;
  }
  return spoiled;
}

describe('absent pages', () => {
  it('are fetched by every core before anything is done with them', async () => {
    for (const core of ['ts', 'wasm', 'jit'] as const) {
      const straight = await tinyEngine({ harts: 2 }, undefined, core);
      const engine = await tinyEngine({ harts: 2 }, undefined, core);
      expect(spoil(engine)).toBeGreaterThan(0);
      let at = 0;
      for (const step of [1000, 30_000, 7, 90_000, 250_000]) {
        at += step;
        straight.run({ instructions: at });
        engine.run({ instructions: at });
        if (step === 7) continue;
        const state = saveMachine(straight);
        restoreMachine(engine, state);
        expect(spoil(engine), `${core} at ${at}`).toBeGreaterThan(0);
      }
      straight.run({ instructions: at + 100_000 });
      engine.run({ instructions: at + 100_000 });
      expect(stateHash(engine), core).toBe(stateHash(straight));
    }
  });

  it('are seen by hash, save and debuggers, which change nothing', async () => {
    const straight = await tinyEngine();
    straight.run({ instructions: 60_000 });
    const state = saveMachine(straight);
    const engine = await tinyEngine();
    restoreMachine(engine, state);
    spoil(engine);
    const view = new EngineView(engine);
    const other = new EngineView(straight);
    const page = [...Array(engine.memory.pages).keys()].find((p) => engine.memory.absent.has(p))!;
    const address = view.ram.base + BigInt(page * PAGE_SIZE);
    expect(view.readPhysical(address + 8n, 5000)).toEqual(other.readPhysical(address + 8n, 5000));
    spoil(engine);
    expect(saveMachine(engine)).toEqual(state);
    restoreMachine(engine, state);
    spoil(engine);
    expect(stateHash(engine)).toBe(stateHash(straight));
  });

  it('that are damaged where they lie stop the machine by a message, and stay absent', async () => {
    const straight = await tinyEngine();
    straight.run({ instructions: 60_000 });
    const bytes = saveMachine(straight);
    const file = new SnapshotFile(bytes, 'x.hss');
    const damaged = bytes.slice();
    // The last group lies before END's 12 bytes.
    damaged[bytes.length - 20] ^= 1;
    const source = { size: damaged.length, read: (at: number, n: number) => damaged.subarray(at, at + n) };
    const engine = await tinyEngine();
    restoreMachine(engine, Snapshot.open(source, 'x.hss'));
    expect(() => engine.memory.absent.need(0, engine.memory.ramSize)).toThrow(
      /x\.hss is damaged in the part at offset \d+ .*bring a sound copy, or make it again/,
    );
    expect(engine.memory.absent.count).toBeGreaterThan(0);
    expect(file.slots).toBeGreaterThan(0);
  });
});

describe('snapshots that share pages', () => {
  it('name the file that has them, which must be there, and restore to the same hash', async () => {
    const engine = await tinyEngine({ harts: 2 });
    engine.run({ instructions: 50_000 });
    const first = saveMachine(engine);
    const base = { hash: 'ab'.repeat(32), file: new SnapshotFile(first, 'base', 'ab'.repeat(32)) };
    engine.run({ instructions: 50_001 });
    const { bytes, bases } = writeSnapshot(engine, [base]);
    expect(bases).toEqual([base.hash]);
    expect(new SnapshotFile(bytes).slots).toBeLessThan(base.file.slots);
    expect(() => Snapshot.open(bytes, 'two.hss')).toThrow(
      /two\.hss shares pages with another snapshot file, which is not there: bring the file with SHA-256 (ab){32}/,
    );
    const find = (hash: string): typeof base.file.source | undefined =>
      hash === base.hash ? base.file.source : undefined;
    const other = await tinyEngine({ harts: 2 });
    restoreMachine(other, Snapshot.open(bytes, 'two.hss', find));
    expect(stateHash(other)).toBe(stateHash(engine));
    // Saved whole, it needs none; saved again, it shares without a page being read.
    expect(new SnapshotFile(saveMachine(other)).bases).toEqual([]);
  });
});

describe('copies of a machine', () => {
  it('go on as it would have, while it goes on itself; copies of copies too; equal pages are kept once', async () => {
    const straight = await tinyEngine({ harts: 2 });
    straight.run({ instructions: 40_000 });
    const state = saveMachine(straight);
    const parent = await tinyEngine({ harts: 2 });
    restoreMachine(parent, state);
    parent.run({ instructions: 90_000 });
    straight.run({ instructions: 90_000 });
    const at = stateHash(straight);

    const child = await tinyEngine({ harts: 2 }, undefined, 'jit');
    copyState(parent, child);
    const first = child.memory.absent.source as FrozenRam;
    spoil(child);
    parent.run({ instructions: 200_000 });
    const grandchild = await tinyEngine({ harts: 2 }, undefined, 'ts');
    copyState(child, grandchild);
    spoil(grandchild);
    child.run({ instructions: 150_000 });
    expect(stateHash(grandchild)).toBe(at);
    straight.run({ instructions: 150_000 });
    grandchild.run({ instructions: 150_000 });
    expect(stateHash(child)).toBe(stateHash(straight));
    expect(stateHash(grandchild)).toBe(stateHash(straight));
    // Saved, a copy is what it is.
    const again = await tinyEngine({ harts: 2 });
    restoreMachine(again, saveMachine(child));
    expect(stateHash(again)).toBe(stateHash(straight));
    straight.run({ instructions: 200_000 });
    expect(stateHash(parent)).toBe(stateHash(straight));

    const [one, two] = [FrozenRam.of(parent), FrozenRam.of(parent)];
    expect(one.own.size).toBeGreaterThan(0);
    for (const [page, words] of two.own) expect(one.own.get(page)).toBe(words);
    expect(first.pages.length).toBeGreaterThan(0);
  });
});
