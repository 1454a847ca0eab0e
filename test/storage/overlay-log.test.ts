import { describe, expect, it, test } from 'vitest';
import { OverlaidBackend, type OverlayDisk, OverlayError, OverlayLog } from '../../src/storage/index.ts';
import { base, change, contents, create, diskContents, MemoryFile, machine, numbers } from './overlay-machine.ts';

/** Compared as a whole: looking for the differences of long arrays takes seconds. */
const expectSame = (found: Uint8Array, expected: Uint8Array | undefined): void =>
  expect(expected !== undefined && Buffer.compare(found, expected)).toBe(0);

describe('an overlay file', () => {
  it('holds the disk as of the last flush, over machines that come and go and go back in time', () => {
    for (let seed = 1; seed <= 30; seed++) {
      const random = numbers(seed);
      const file = new MemoryFile();
      create(file);
      let vm = machine(OverlayLog.open(file));
      let expected = contents(base);
      const checkpoints: { chunks: ReturnType<OverlayDisk['writtenChunks']>; bytes: Uint8Array }[] = [];
      for (let step = 0; step < 60; step++) {
        const what = random(10);
        if (what < 6) change(vm.disk, random);
        else if (what < 8) {
          vm.keeper.flush();
          expected = diskContents(vm.disk);
        } else if (what === 8) {
          if (checkpoints.length > 0 && random(2) === 0) {
            const { chunks, bytes } = checkpoints[random(checkpoints.length)]!;
            vm.disk.restoreChunks(chunks);
            expectSame(diskContents(vm.disk), bytes);
          } else {
            vm.disk.seal();
            checkpoints.push({ chunks: [...vm.disk.writtenChunks()], bytes: diskContents(vm.disk) });
          }
        } else {
          // The machine is gone without a word.
          vm = machine(OverlayLog.open(file));
          checkpoints.length = 0;
          expectSame(diskContents(vm.disk), expected);
        }
        expectSame(contents(new OverlaidBackend(base, OverlayLog.open(file))), expected);
      }
      const log = OverlayLog.open(file);
      log.verify();
      const small = log.copyTo(new MemoryFile());
      expect([small.state, small.sequence]).toEqual([log.state, log.sequence]);
      expectSame(contents(new OverlaidBackend(base, small)), expected);
    }
  });

  it('cut short anywhere, is as of the last commit that is whole', () => {
    const file = new MemoryFile();
    create(file);
    const { keeper, disk, log: written } = machine(OverlayLog.open(file));
    const random = numbers(7);
    const states: { size: number; bytes: Uint8Array }[] = [{ size: file.size, bytes: contents(base) }];
    const marks = file.bytes.slice(4096, 8192);
    for (let i = 0; i < 6; i++) {
      change(disk, random);
      change(disk, random);
      keeper.flush();
      states[written.sequence] = { size: file.size, bytes: diskContents(disk) };
    }
    for (let i = 0; i < 400; i++) {
      const end = states[0]!.size + random(file.size - states[0]!.size);
      const torn = new MemoryFile(file.bytes.slice(0, end));
      torn.bytes.set(marks, 4096); // What was not synchronized need not be there.
      // Blocks of a file can be there without those before them.
      if (end % 3 === 0) torn.bytes.fill(0, Math.max(states[0]!.size, end - 5000), end - 100);
      const log = OverlayLog.open(torn);
      const found = contents(new OverlaidBackend(base, log));
      expectSame(found, states[log.sequence]!.bytes);
      // And it can be gone on with.
      log.cutOff();
      const next = machine(log);
      next.disk.write(0, new Uint8Array(512).fill(9));
      next.keeper.flush();
      expectSame(contents(new OverlaidBackend(base, OverlayLog.open(torn))), diskContents(next.disk));
    }
  });

  it('knows damage from what a crash left, and says where', () => {
    const file = new MemoryFile();
    create(file);
    const { keeper, disk } = machine(OverlayLog.open(file));
    for (let i = 0; i < 3; i++) {
      disk.write(i * 4096, new Uint8Array(4096).fill(i + 1));
      keeper.flush();
    }
    const first = 8192;
    for (let at = 0; at < file.size; at += 37) {
      if (at >= 4096 && at < first) continue; // the marks, of which one may be lost
      const damaged = new MemoryFile(file.bytes.slice());
      damaged.bytes[at]! ^= 16;
      expect(() => OverlayLog.open(damaged).verify(), `byte ${at}`).toThrow(OverlayError);
    }
    const short = new MemoryFile(file.bytes.slice(0, file.size - 100));
    expect(() => OverlayLog.open(short)).toThrow(/work\.hso is damaged at byte/);
  });

  it('refuses what is foreign or of a later version', () => {
    expect(() => OverlayLog.open(new MemoryFile(new Uint8Array(10_000)))).toThrow(/work\.hso is no overlay/);
    const file = new MemoryFile();
    create(file);
    file.bytes[8] = 3;
    expect(() => OverlayLog.open(file)).toThrow(/format version 3; this program knows versions 1 and 2/);
  });

  test('without room for a flush is as it was before, and goes on once there is room', () => {
    const file = new MemoryFile();
    create(file);
    const { keeper, disk, log } = machine(OverlayLog.open(file));
    disk.write(0, new Uint8Array(4096).fill(1));
    keeper.flush();
    const before = diskContents(disk);
    disk.write(4096, new Uint8Array(8192).fill(2));
    file.room = file.size + 5000;
    expect(() => keeper.flush()).toThrow(/cannot be written: ENOSPC.*what the guest had flushed before is kept/);
    expect(log.sequence).toBe(1);
    expectSame(contents(new OverlaidBackend(base, OverlayLog.open(file))), before);
    file.room = Infinity;
    keeper.flush();
    expectSame(contents(new OverlaidBackend(base, OverlayLog.open(file))), diskContents(disk));
  });

  test('can be gone back in to a commit, for good', () => {
    const file = new MemoryFile();
    create(file);
    const { keeper, disk } = machine(OverlayLog.open(file));
    const states: Uint8Array[] = [diskContents(disk)];
    for (let i = 1; i <= 4; i++) {
      disk.write(512 * i, new Uint8Array(512).fill(i));
      keeper.flush();
      states.push(diskContents(disk));
    }
    for (let i = 0; i <= 4; i++) expectSame(contents(new OverlaidBackend(base, OverlayLog.open(file, i))), states[i]);
    expect(() => OverlayLog.open(file, 9)).toThrow(/not as it was after commit 9/);
    OverlayLog.open(file, 2).cutOff();
    expectSame(contents(new OverlaidBackend(base, OverlayLog.open(file))), states[2]);
  });
});
