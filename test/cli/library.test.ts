/** The library on Node: what its factories give, and what it holds open. */
import { mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Machine, Timeline } from '../../src/host/node/index.ts';
import * as portable from '../../src/index.ts';
import { Machine as BaseMachine } from '../../src/machine/session/machine.ts';
import { Timeline as BaseTimeline } from '../../src/timeline/timeline.ts';
import { tinyGuest } from '../machine/tiny-guest.ts';

let dir: string;
let kernel: string;
let disk: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'hindsight-library-'));
  kernel = join(dir, 'tiny.bin');
  disk = join(dir, 'disk.img');
  writeFileSync(kernel, tinyGuest());
  writeFileSync(disk, new Uint8Array(4096).fill(7));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const options = { memory: '4M', core: 'wasm' } as const;
/** How often this process has a file open. */
const held = (path: string): number =>
  readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === path;
    } catch {
      return false;
    }
  }).length;

describe('what create and open give', () => {
  it('is an instance of the class that was asked, and of all it is made from', async () => {
    const record = join(dir, 'a.hsr');
    const vm = await Machine.create({ ...options, kernel, record });
    expect(vm).toBeInstanceOf(Machine);
    expect(vm).toBeInstanceOf(BaseMachine);
    const typed: Machine = vm;
    await typed.run({ instructions: 50_000 });
    await vm.close();
    const timeline: Timeline = await Timeline.open(record, { images: [dir], core: 'wasm' });
    expect(timeline).toBeInstanceOf(Timeline);
    expect(timeline).toBeInstanceOf(BaseTimeline);
    await timeline.seek(20_000);
    const branch: Machine = timeline.branch({ record: join(dir, 'b.hsr') });
    expect(branch).toBeInstanceOf(Machine);
    expect((await branch.run({ instructions: 30_000 })).reason).toBe('limit');
    await branch.close();
    await timeline.close();
  });

  it('holds without files too', async () => {
    const named = { file: 'tiny', bytes: tinyGuest() };
    const pieces: Uint8Array[] = [];
    const vm = await portable.Machine.create({
      ...options,
      kernel: named,
      record: { write: (bytes) => void pieces.push(bytes.slice()) },
    });
    expect(vm).toBeInstanceOf(portable.Machine);
    await vm.run({ instructions: 1000 });
    await vm.close();
    const timeline = await portable.Timeline.open(Buffer.concat(pieces), { kernel: named }, { core: 'wasm' });
    expect(timeline).toBeInstanceOf(portable.Timeline);
    expect(timeline.branch()).toBeInstanceOf(portable.Machine);
  });
});

describe.runIf(process.platform === 'linux')('files', () => {
  it('that were opened by a path are closed with what they were opened for', async () => {
    const record = join(dir, 'c.hsr');
    const vm = await Machine.create({ ...options, kernel, disks: [disk], record });
    expect([held(disk), held(record)]).toEqual([1, 1]);
    await vm.run({ instructions: 1000 });
    await vm.close();
    expect([held(disk), held(record)]).toEqual([0, 0]);
    const timeline = await Timeline.open(record, { images: [dir], core: 'wasm' });
    expect([held(disk), held(record)]).toEqual([1, 1]);
    await timeline.close();
    expect([held(disk), held(record)]).toEqual([0, 0]);
  });

  it('are closed when nothing comes of it', async () => {
    await expect(Machine.create({ ...options, kernel, disks: [disk], harts: 99 })).rejects.toThrow(/1 to 8/);
    await expect(Machine.create({ ...options, kernel, disks: [disk, join(dir, 'none')] })).rejects.toThrow(/none/);
    expect(held(disk)).toBe(0);
    await expect(Timeline.open(disk)).rejects.toThrow(/no recording/);
    expect(held(disk)).toBe(0);
  });
});
