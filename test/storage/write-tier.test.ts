import { describe, expect, it, test } from 'vitest';
import {
  type Journal,
  OverlaidBackend,
  OverlayDisk,
  OverlayError,
  type OverlayFile,
  OverlayLog,
  WriteTier,
} from '../../src/storage/index.ts';
import {
  base,
  change,
  contents,
  create,
  diskContents,
  ID,
  type Kept,
  MemoryFile,
  machine,
  numbers,
  PowerLoss,
  SIZE,
} from './overlay-machine.ts';

const PATH = '/flash/work.hsj';
const JOURNAL_ID = 'ffeeddccbbaa99887766554433221100';

const makeJournal = (file: OverlayFile): Journal => ({
  log: OverlayLog.create(file, JOURNAL_ID, { size: SIZE, hash: `overlay:${ID}`, path: 'work.hso' }, true),
  remove: () => undefined,
});
const openJournal = (file: OverlayFile): Journal => ({
  log: OverlayLog.open(file, Infinity, true),
  remove: () => undefined,
});

const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;
const overlayContents = (file: OverlayFile): Uint8Array => contents(new OverlaidBackend(base, OverlayLog.open(file)));

interface Written extends Kept {
  readonly overlay: MemoryFile;
  readonly journal: MemoryFile;
  readonly tier: WriteTier;
}

/** A disk that is written back, over new files. */
function writtenBack(
  capacity?: number,
  overlay = new MemoryFile(),
  journal = new MemoryFile(undefined, PATH),
): Written {
  const log = create(overlay);
  const tier = new WriteTier(log, capacity);
  tier.writeBack(makeJournal(journal), PATH);
  return { overlay, journal, tier, ...machine(log, tier) };
}

/** What there is after a crash: the overlay with all of its journal put into it. */
function recovered(overlay: MemoryFile, journal: MemoryFile): Uint8Array {
  const log = OverlayLog.open(overlay);
  log.cutOff();
  if (log.journal !== undefined) {
    const tier = new WriteTier(log);
    tier.writeBack(openJournal(journal), log.journal.path);
    tier.writeThrough();
    expect(log.journal).toBeUndefined();
  }
  return overlayContents(overlay);
}

describe('writing back', () => {
  it('loses nothing that was flushed, however it ends and whatever is switched; the overlay alone is the disk as of some flush', async () => {
    const ends = { kill: 0, power: 0, inside: 0 };
    for (let seed = 1; seed <= 100; seed++) {
      const random = numbers(seed);
      const vm = writtenBack(random(2) === 0 ? undefined : 60_000);
      const plain = contents(base);
      const model = new OverlayDisk(base);
      const flushed = [plain];
      const power = { left: random(2) === 0 ? 5 + random(70) : Infinity };
      vm.overlay.power = power;
      vm.journal.power = power;
      let asked: Uint8Array | undefined;
      try {
        for (let step = 0; step < 40; step++) {
          const what = random(12);
          if (what < 5) {
            const again = numbers(seed * 1000 + step);
            change(vm.disk, again);
            change(model, numbers(seed * 1000 + step));
          } else if (what < 8) {
            asked = diskContents(model);
            vm.keeper.flush();
            flushed.push(asked);
            asked = undefined;
          } else if (what < 10) await vm.tier.step();
          else if (what === 10) vm.tier.drain();
          else if (vm.tier.policy === 'back') vm.tier.writeThrough();
          else {
            vm.journal.bytes = new Uint8Array(0);
            vm.tier.writeBack(makeJournal(vm.journal), PATH);
          }
          expect(same(diskContents(vm.disk), diskContents(model))).toBe(true);
          const alone = overlayContents(vm.overlay.afterKill());
          expect(flushed.some((state) => same(state, alone)) || (asked && same(asked, alone))).toBe(true);
        }
      } catch (error) {
        if (!(error instanceof PowerLoss) && power.left >= 0) throw error;
        ends.inside++;
      }
      const lost = random(2) === 0;
      if (lost) ends.power++;
      else ends.kill++;
      const end = (file: MemoryFile): MemoryFile => (lost ? file.afterPowerLoss(random) : file.afterKill());
      const found = recovered(end(vm.overlay), end(vm.journal));
      // What was asked for when it ended is there or not, as a whole.
      const allowed = asked === undefined ? [flushed.at(-1)!] : [flushed.at(-1)!, asked];
      expect(
        allowed.some((state) => same(state, found)),
        `seed ${seed}`,
      ).toBe(true);
    }
    expect(Math.min(ends.kill, ends.power, ends.inside)).toBeGreaterThan(10);
  }, 60_000);

  it('with a journal cut anywhere is as of the last flush that is whole in it', () => {
    const { overlay, journal, disk, keeper } = writtenBack();
    const random = numbers(3);
    const marks = journal.bytes.slice(4096, 8192);
    const ends = [{ size: journal.size, state: contents(base) }];
    for (let i = 0; i < 6; i++) {
      change(disk, random);
      change(disk, random);
      keeper.flush();
      ends.push({ size: journal.size, state: diskContents(disk) });
    }
    for (let i = 0; i < 200; i++) {
      const cut = ends[0]!.size + random(journal.size - ends[0]!.size);
      const torn = new MemoryFile(journal.bytes.slice(0, cut), PATH);
      torn.bytes.set(marks, 4096); // What was not synchronized need not be there.
      const found = recovered(overlay.afterKill(), torn);
      expect(same(found, ends.findLast(({ size }) => size <= cut)!.state)).toBe(true);
    }
  });

  it('knows damage in its journal from what a crash left, says where, and changes nothing', () => {
    const { overlay, journal, disk, keeper } = writtenBack();
    for (let i = 0; i < 3; i++) {
      disk.write(i * 4096, new Uint8Array(4096).fill(i + 1));
      keeper.flush();
    }
    for (let at = 0; at < journal.size; at += 41) {
      if (at >= 4096 && at < 8192) continue; // the marks, of which one may be lost
      const damaged = journal.afterKill();
      damaged.bytes[at]! ^= 8;
      const into = overlay.afterKill();
      const before = overlayContents(into);
      expect(() => recovered(into, damaged), `byte ${at}`).toThrow(OverlayError);
      expect(same(overlayContents(into), before)).toBe(true);
    }
    const damaged = journal.afterKill();
    damaged.bytes[9000]! ^= 8;
    expect(() => recovered(overlay.afterKill(), damaged)).toThrow(
      /journal \/flash\/work\.hsj is damaged at byte \d+: .*"hindsight disk drain --lose"/,
    );
  });

  it('puts what is written again and again into the overlay once, and says what it did', async () => {
    const { disk, keeper, tier, overlay } = writtenBack();
    for (let i = 1; i <= 50; i++) {
      disk.write(4096, new Uint8Array(4096).fill(i));
      keeper.flush();
    }
    expect(tier.statistics).toEqual({
      policy: 'back',
      journaled: { flushes: 50, bytes: 50 * 4096 },
      put: { commits: 0, bytes: 0 },
      waiting: 4096,
      stalls: 0,
    });
    while (await tier.step()) expect(tier.behind).toBe(true);
    expect(tier.statistics).toMatchObject({ put: { commits: 1, bytes: 4096 }, waiting: 0 });
    expect(same(overlayContents(overlay), diskContents(disk))).toBe(true);
    tier.writeThrough();
    disk.write(0, new Uint8Array(512).fill(3));
    keeper.flush();
    expect(tier.statistics).toMatchObject({ policy: 'through', put: { commits: 2, bytes: 4096 + 512 } });
    expect(same(overlayContents(overlay), diskContents(disk))).toBe(true);
  });

  test('flushes that come while a commit of the overlay is under way are in the next one', async () => {
    const { disk, keeper, tier, overlay } = writtenBack();
    disk.write(0, new Uint8Array(SIZE - 512).fill(1));
    keeper.flush();
    const first = diskContents(disk);
    expect(await tier.step()).toBe(true);
    disk.write(0, new Uint8Array(512).fill(2));
    keeper.flush();
    const second = diskContents(disk);
    expect(same(overlayContents(overlay.afterKill()), contents(base))).toBe(true);
    while (tier.statistics.put.commits === 0) await tier.step();
    expect(same(overlayContents(overlay.afterKill()), first)).toBe(true);
    expect(tier.statistics.waiting).toBe(4096);
    // While the next one is being synchronized, somebody needs all of it at once.
    expect([await tier.step(), await tier.step()]).toEqual([true, true]);
    const under = tier.step();
    tier.drain();
    expect(await under).toBe(false);
    expect(same(overlayContents(overlay), second)).toBe(true);
    expect(tier.statistics.put.commits).toBe(2);
  });

  test('without room in the journal flushes wait for the overlay', () => {
    const { disk, keeper, tier, journal, overlay } = writtenBack();
    disk.write(0, new Uint8Array(4096).fill(1));
    keeper.flush();
    journal.room = journal.size + 1000;
    disk.write(4096, new Uint8Array(8192).fill(2));
    keeper.flush();
    expect(tier.statistics).toMatchObject({ stalls: 1, waiting: 0 });
    expect(same(overlayContents(overlay), diskContents(disk))).toBe(true);
  });

  test('without room for the overlay they go on until the journal is full, then fail, and all that was flushed is there', () => {
    const { disk, keeper, tier, journal, overlay } = writtenBack(30_000);
    overlay.room = overlay.size;
    disk.write(0, new Uint8Array(4096).fill(1));
    keeper.flush();
    expect(() => tier.drain()).toThrow(/work\.hso cannot be written: ENOSPC/);
    expect(tier.behind).toBe(true);
    disk.write(4096, new Uint8Array(4096).fill(2));
    keeper.flush();
    const flushed = diskContents(disk);
    disk.write(0, new Uint8Array(32_768).fill(3));
    expect(() => keeper.flush()).toThrow(OverlayError);
    expect(() => tier.writeThrough()).toThrow(OverlayError);
    expect(tier.policy).toBe('back');
    overlay.room = Infinity;
    expect(same(recovered(overlay.afterKill(), journal.afterKill()), flushed)).toBe(true);
    keeper.flush();
    expect(same(recovered(overlay.afterKill(), journal.afterKill()), diskContents(disk))).toBe(true);
  });
});
