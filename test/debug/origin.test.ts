/** Where memory and registers got their contents, against one run forward that notes every store. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GuestInfo } from '../../src/debug/guest-info.ts';
import { ClientSettings } from '../../src/debug/monitor/monitor.ts';
import { type AccessOrigin, type OriginQuestion, Origins } from '../../src/debug/origin.ts';
import { type ValueChange, whenChanged } from '../../src/debug/when.ts';
import { Machine } from '../../src/machine/session/machine.ts';
import { X } from '../../src/machine/view/machine-view.ts';
import { compareInstants, type Instant } from '../../src/record/door.ts';
import { BlankBackend } from '../../src/storage/index.ts';
import { LivePast } from '../../src/timeline/live.ts';
import type { Timeline } from '../../src/timeline/timeline.ts';
import { room, tinyOptions } from '../machine/fixtures.ts';
import { TINY } from '../machine/tiny-guest.ts';
import { guest, type LinuxScene, linuxScene } from './linux-scene.ts';

const at = ({ instructions, sequence }: Instant): string => `${instructions}:${sequence}`;

describe('origins on a bare machine', () => {
  let machine: Machine;
  let timeline: Timeline;
  let origins: Origins;

  beforeAll(async () => {
    machine = await Machine.create({ ...tinyOptions({ harts: 2 }), core: 'jit' }, room);
    // Many checkpoints: stretches in which a page was not written are passed over.
    const past = new LivePast(machine, room, { spacing: 1000, interval: 0 });
    for (const text of ['hello', 'd', 'go on']) {
      machine.write(text);
      await machine.run({ instructions: machine.instant.instructions + 60_000 });
    }
    past.goBack();
    timeline = past.timeline;
    origins = new Origins(timeline, new GuestInfo(timeline.view));
  });
  afterAll(() => machine.close());

  const ask = async (
    question: Omit<OriginQuestion, 'kind'>,
    kind: 'write' | 'read' = 'write',
  ): Promise<AccessOrigin> => {
    const found = await origins.lastAccess({ kind, ...question });
    if (found === undefined || found === 'interrupted') throw new Error(`nothing found: ${found}`);
    return found;
  };

  it.each(['write', 'read'] as const)('are the last of all %ss that a run forward meets', async (kind) => {
    const address = BigInt(TINY.racy);
    const length = TINY.scratch + (256 << 10) - TINY.racy;
    await timeline.seek(timeline.begin);
    const all: { readonly at: Instant; readonly address: bigint; readonly hart: number }[] = [];
    const point = { kind, start: address, end: address + BigInt(length) };
    await timeline.scan([point], { instructions: Infinity }, (hit) => {
      all.push({ at: hit.at, address: hit.address!, hart: hit.hart });
      return true;
    });
    expect(all.length).toBeGreaterThan(50);
    for (let i = 0; i < 12; i++) {
      const { address: asked } = all[Math.floor((i * all.length) / 12)];
      await timeline.seek(`${60 + 3 * i}%`);
      const here = timeline.at;
      const hash = timeline.hash();
      const expected = all.findLast(
        (a) => a.address <= asked && a.address + 8n > asked && compareInstants(a.at, here) < 0,
      );
      const found = await origins.lastAccess({ kind, address: asked, length: 1 });
      expect(typeof found === 'object' ? [at(found.at), found.hart] : found).toEqual(
        expected && [at(expected.at), expected.hart],
      );
      expect([timeline.at, timeline.hash()]).toEqual([here, hash]);
    }
  });

  it('know in which stretches between checkpoints a page was not written', async () => {
    const page = Number(BigInt(TINY.scratch) - timeline.view.ram.base) >> 12;
    const writes: Instant[] = [];
    await timeline.seek(timeline.begin);
    const point = { kind: 'write', start: BigInt(TINY.scratch), end: BigInt(TINY.scratch) + 4096n } as const;
    await timeline.scan([point], { instructions: Infinity }, (hit) => writes.push(hit.at) > 0);
    const marks = timeline.drivenBy.checkpoints().map((checkpoint) => checkpoint.at);
    const known = marks.slice(1).map((to, i) => {
      const from = marks[i];
      const untouched = timeline.drivenBy.untouched(from, to, [page]);
      const written = writes.some((w) => compareInstants(w, from) >= 0 && compareInstants(w, to) < 0);
      if (untouched) expect(written).toBe(false);
      return untouched;
    });
    expect(known.filter(Boolean).length).toBeGreaterThan(5);
    expect(known.filter((untouched) => !untouched).length).toBeGreaterThan(0);
  });

  it('show what was there before and after', async () => {
    await timeline.seek(timeline.end);
    const { before, after, instruction } = await ask({ address: BigInt(TINY.clock), length: 8 });
    expect(instruction).toMatch(/^sd /);
    expect(after).toEqual(timeline.view.readPhysical(BigInt(TINY.clock), 8));
    expect(before).not.toEqual(after);
  });

  it('are the machine where a reset cleared it', async () => {
    const vm = await Machine.create({ ...tinyOptions(), core: 'wasm' }, room);
    const past = new LivePast(vm, room);
    for (const text of ['d', 'r', 'x']) {
      vm.write(text);
      await vm.run({ instructions: vm.instant.instructions + 60_000 });
    }
    past.goBack();
    await past.timeline.seek(past.timeline.end);
    const found = await new Origins(past.timeline, new GuestInfo(past.timeline.view)).lastAccess({
      kind: 'write',
      address: BigInt(TINY.clock),
      length: 8,
    });
    expect(found).toMatchObject({ device: 'machine', after: new Uint8Array(8) });
    expect((found as AccessOrigin).before).not.toEqual(new Uint8Array(8));
    await vm.close();
  });

  it('of a register are the instruction that set it', async () => {
    await timeline.seek('70%');
    const value = timeline.view.readRegister(1, X(10));
    const found = await origins.lastRegisterWrite(1, X(10));
    if (typeof found !== 'object') throw new Error('nothing set a0');
    expect(found.hart).toBe(1);
    expect(new DataView(found.after.buffer).getBigUint64(0, true)).toBe(value);
    expect(found.instruction).toMatch(/a0|^ret|^ecall/);
  });

  it('are refused where there is nothing to ask about', async () => {
    const wrong = (question: Omit<OriginQuestion, 'kind'>): Promise<unknown> =>
      origins.lastAccess({ kind: 'write', ...question });
    await expect(wrong({ address: 0x1000_0000n, length: 1 })).rejects.toThrow('0x10000000 is not in RAM');
    await expect(wrong({ address: BigInt(TINY.clock), length: 0 })).rejects.toThrow('expected 1 … 4096 bytes');
    await expect(wrong({ address: BigInt(TINY.clock), length: 8, space: { process: 1 } })).rejects.toThrow(
      'no Linux kernel',
    );
    await timeline.seek(timeline.begin);
    expect(await origins.lastAccess({ kind: 'read', address: BigInt(TINY.clock), length: 8 })).toBeUndefined();
    await timeline.seek(timeline.end);
    const stopped = AbortSignal.abort();
    const question = { kind: 'write', address: BigInt(TINY.clock), length: 8 } as const;
    expect(await origins.lastAccess(question, { signal: stopped })).toBe('interrupted');
    expect(timeline.at).toEqual(timeline.end);
  });

  it('when: every change of a value in memory, and in registers at a place', async () => {
    const address = BigInt(TINY.ticks);
    await timeline.seek(timeline.begin);
    const stores: string[] = [];
    let last = 0n;
    await timeline.scan([{ kind: 'write', start: address, end: address + 8n }], { instructions: Infinity }, (hit) => {
      stores.push(at(hit.at));
      return true;
    });
    await timeline.seek(timeline.begin);
    const changes: ValueChange[] = [];
    const info = new GuestInfo(timeline.view);
    const text = `u64[0x${address.toString(16)}]`;
    expect(await whenChanged(timeline, info, text, (change) => changes.push(change) > 0)).toBe('end');
    expect(changes.length).toBeGreaterThan(3);
    expect(stores).toEqual(expect.arrayContaining(changes.map((change) => at(change.at))));
    for (const { before, after } of changes) {
      expect(before).toBe(last);
      last = after!;
    }
    expect(last).toBe(timeline.view.readNumber(address, 8));
    await timeline.seek(timeline.begin);
    const some: ValueChange[] = [];
    const { pc } = changes[1];
    await whenChanged(timeline, info, `${text} / 2`, (change) => some.push(change) < 2, { place: pc });
    expect(some.map(({ pc: where }) => where)).toEqual([pc, pc]);
    expect(some[0].after).toBe(some[0].before! + 1n);
    await expect(whenChanged(timeline, info, '1 + 1', () => true)).rejects.toThrow('never changes');
    await expect(whenChanged(timeline, info, 'u64[', () => true)).rejects.toThrow('ends too early');
  });
});

describe.skipIf(guest === undefined)('origins on Linux', { timeout: 240_000 }, () => {
  let scene: LinuxScene;
  beforeAll(async () => {
    scene = await linuxScene(
      'cat /dev/vda >/tmp/copy',
      {},
      { disks: [{ file: 'disk', backend: new BlankBackend(1 << 20) }] },
    );
  }, 240_000);
  afterAll(() => scene?.machine.close());

  it('follow memory through the addresses by which the kernel has it', async () => {
    const { target, guestInfo } = scene;
    const { mover } = target;
    const origins = new Origins(mover, guestInfo);
    await mover.reverseContinue({ execute: guestInfo.address('do_exit')! });
    const kernel = guestInfo.kernel()!;
    const task = guestInfo.current(target.activeHart())!;
    const stack = kernel.get('mm_struct', task.mm, 'start_stack');
    const space = { process: task.tgid };
    const found = await origins.lastAccess({ kind: 'write', address: stack, length: 8, space });
    if (typeof found !== 'object') throw new Error(`${found}`);
    // The kernel's program loader writes argc; a process that was forked got the page by a copy when it first wrote there.
    const way = [found.place, ...found.stack].join('\n');
    expect(way).toMatch(/bprm_execve|<memcpy[\s\S]*handle_mm_fault/);
    await expect(origins.lastAccess({ kind: 'write', address: 8n, length: 8, space })).rejects.toThrow(
      `0x8 is not mapped at this instant in ${task.name} (${task.pid})`,
    );
    await expect(
      origins.lastAccess({ kind: 'write', address: 8n, length: 8, space: { process: 9999 } }),
    ).rejects.toThrow('there is no process 9999');
  });

  it('see what devices write', async () => {
    const { target, guestInfo } = scene;
    const { mover } = target;
    const { engine } = mover.view;
    await mover.seek(mover.begin);
    const written: { readonly offset: number; readonly length: number; readonly device: string }[] = [];
    engine.observeRam((offset, length, device) => {
      if (device !== undefined) written.push({ offset, length, device: engine.portName(device) });
    });
    // Straight on, over no checkpoint.
    await mover.continue({ execute: 0x2n });
    engine.observeRam(undefined);
    expect(written.length, scene.printed).toBeGreaterThan(0);
    const last = written.at(-1)!;
    const question = {
      kind: 'write',
      address: guestInfo.view.ram.base + BigInt(last.offset),
      length: Math.min(last.length, 4096),
      space: 'physical',
    } as const;
    const found = await new Origins(mover, guestInfo).lastAccess(question);
    expect(found).toMatchObject({ device: last.device });
  });

  it('answer gdb', async () => {
    const { target, monitor } = scene;
    await target.mover.seek('100%');
    const settings = new ClientSettings();
    const ask = (line: string): Promise<string> => monitor.run(line, { hart: 0, settings });
    expect(await ask('who-wrote jiffies_64')).toMatch(/^instant \d+[^\n]*\n.*<tick_do_update_jiffies64\+/);
    expect(await ask('who-reads jiffies_64 8')).toMatch(/^instant \d+/);
    expect(await ask('who-wrote sp')).toMatch(/ sp,/);
    expect(await ask('who-wrote')).toContain('an address is missing');
    expect(await ask('who-wrote jiffies_64 5000')).toContain('expected 1 … 4096 bytes');
  });
});
