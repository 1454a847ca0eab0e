import { describe, expect, it } from 'vitest';
import { SessionBusyError, SessionStateError } from '../../src/machine/session/errors.ts';
import { ExpectError } from '../../src/machine/session/expectation.ts';
import { Machine } from '../../src/machine/session/machine.ts';
import { COMMAND, EVENT } from '../../src/record/door.ts';
import { timeWarp, userCommand } from '../../src/record/inputs.ts';
import { readRecording } from '../../src/record/reader.ts';
import { LivePast } from '../../src/timeline/live.ts';
import { openTimeline } from '../../src/timeline/open.ts';
import { room, tinyMachine, tinyOptions } from './fixtures.ts';
import { tinyGuest } from './tiny-guest.ts';

const files = { kernel: { file: 'tiny', bytes: tinyGuest() } };
const sink = (): { pieces: Uint8Array[]; write: (bytes: Uint8Array) => void } => {
  const pieces: Uint8Array[] = [];
  return { pieces, write: (bytes) => void pieces.push(bytes.slice()) };
};

describe('a session', () => {
  it('goes from the present to the past and back, by the transitions that fit', async () => {
    await using vm = await tinyMachine();
    const past = new LivePast(vm, room, { spacing: 20_000, interval: 0 });
    const session = vm.internals;
    void vm.write('abc');
    await vm.run({ instructions: 100_000 });
    const hash = vm.hash();
    const { events } = session.log;
    const before = events.length;
    expect(session.state).toBe('live');
    expect(() => session.goLive()).toThrow(SessionStateError);
    expect(() => session.resume()).toThrow(SessionStateError);
    expect(() => session.replaying).toThrow(SessionStateError);

    past.goBack();
    expect(session.state).toBe('past');
    await past.timeline.seek(50_000);
    expect(() => session.goLive()).toThrow(/the machine is at 50000, its present at 100000/);
    expect(() => session.goToPast()).toThrow(SessionStateError);
    expect(() => session.branch()).toThrow(SessionStateError);
    expect(() => session.enter(timeWarp(1))).toThrow(/the past cannot be changed/);
    expect(() => vm.run()).toThrow(/is in its past/);
    expect(events).toHaveLength(before);

    await past.timeline.seek(past.timeline.end);
    session.goLive();
    expect(session.state).toBe('live');
    expect(vm.hash()).toBe(hash);
    expect(events).toHaveLength(before);

    past.goBack();
    await past.timeline.seek(0);
    past.resume();
    expect(vm.instant.instructions).toBe(0);
    expect(events).toHaveLength(0);
    await vm.run({ instructions: 100_000 });
    expect(vm.hash()).not.toBe(hash);
  });

  it('that forgets what enters records it all the same, and does not go back', async () => {
    const record = sink();
    const vm = await tinyMachine({ record, forget: true });
    void vm.write('abc');
    await vm.run({ instructions: 100_000 });
    const hash = vm.hash();
    expect(vm.recording.events).toEqual([]);
    expect(() => vm.internals.goToPast()).toThrow(/not kept in memory/);
    await vm.close();
    const { timeline } = await openTimeline(Buffer.concat(record.pieces), files, room);
    expect(timeline.recording.events.length).toBeGreaterThan(0);
    await timeline.seek(timeline.end);
    expect(timeline.hash()).toBe(hash);
  });

  it('of a recording has no present before it is branched from', async () => {
    const record = sink();
    const vm = await tinyMachine({ record });
    await vm.run({ instructions: 100_000 });
    await vm.close();
    const { timeline } = await openTimeline(new Uint8Array(Buffer.concat(record.pieces)), files, room, {
      core: 'wasm',
    });
    const { session } = timeline;
    await timeline.seek(40_000);
    expect([session.state, session.hasPresent]).toEqual(['past', false]);
    expect(() => session.resume()).toThrow(/branch from it instead/);
    expect(() => session.exportBranch()).toThrow(/no branch/);
    session.branch();
    expect(session.state).toBe('branch');
    expect(session.enter(userCommand(COMMAND.POWER_OFF))).toBeUndefined();
    expect(await session.advance({ instructions: 50_000 })).toBe('halt');
    const branch = await readRecording(session.exportBranch());
    expect(branch.header.parent).toEqual({
      id: (await readRecording(new Uint8Array(Buffer.concat(record.pieces)))).header.id,
      at: { instructions: 40_000, sequence: 0 },
    });
    expect(branch.events.at(-1)).toMatchObject({ kind: EVENT.COMMAND, at: { instructions: 40_000 } });
  });

  it('refuses what would move the machine during a run or a move, and names both', async () => {
    await using vm = await tinyMachine();
    const past = new LivePast(vm, room, { spacing: 20_000, interval: 0 });
    const run = vm.run();
    for (const act of [
      () => void vm.run(),
      () => vm.hash(),
      () => vm.save(),
      () => past.goBack(),
      () => vm.setCore('ts'),
    ])
      expect(act).toThrow(SessionBusyError);
    expect(() => vm.hash()).toThrow(
      'cannot take a hash while a run is under way; the machine is running: pause it first',
    );
    await vm.pause();
    expect((await run).reason).toBe('paused');
    past.goBack();
    const first = past.timeline.seek(0);
    const second = past.timeline.step().catch((error: unknown) => error);
    expect(await second).toBeInstanceOf(SessionBusyError);
    expect(await second).toMatchObject({ operation: 'move', underWay: 'move' });
    expect((await first).at.instructions).toBe(0);
  });

  it('that is closed in the past keeps all of it', async () => {
    const record = sink();
    const vm = await tinyMachine({ record });
    const past = new LivePast(vm, room, { spacing: 20_000, interval: 0 });
    void vm.write('abc');
    await vm.run({ instructions: 100_000 });
    past.goBack();
    await past.timeline.seek(10);
    await vm.close();
    const recording = await readRecording(new Uint8Array(Buffer.concat(record.pieces)));
    expect(recording.complete).toBe(true);
    expect(recording.end.instructions).toBe(100_000);
    expect(recording.events.length).toBeGreaterThan(0);
  });

  it('takes a saved state only where no recording or past would be wrong afterwards', async () => {
    await using saved = await tinyMachine();
    await saved.run({ instructions: 50_000 });
    const state = saved.save();
    await using recorded = await tinyMachine({ record: sink() });
    await recorded.run({ instructions: 100_000 });
    expect(() => recorded.restore(state)).toThrow(SessionStateError);
    await using kept = await tinyMachine();
    new LivePast(kept, room);
    expect(() => kept.restore(state)).toThrow(/checkpoints are kept/);
    await using vm = await tinyMachine();
    void vm.write('abc');
    await vm.run({ instructions: 100_000 });
    vm.restore(state);
    expect(vm.hash()).toBe(saved.hash());
    expect(vm.recording.events).toEqual([]);
    expect(vm.recording.end.instructions).toBe(50_000);
  });
});

describe('listeners', () => {
  it('that throw break neither the run nor the recording, and are reported where they were registered', async () => {
    const record = sink();
    const vm = await tinyMachine({ record, hashEvery: 0 });
    const own: unknown[] = [];
    const all: unknown[] = [];
    const events: unknown[] = [];
    const fail = (): never => {
      throw new Error('a poisoned listener');
    };
    vm.on('event', fail, (error) => own.push(error));
    vm.on('event', fail);
    vm.on('console', fail);
    vm.on('error', (failure) => all.push(failure));
    vm.on('event', (event) => events.push(event));
    void vm.write('hi');
    expect((await vm.run({ instructions: 200_000 })).reason).toBe('limit');
    const hash = vm.hash();
    await vm.close();
    expect(events.length).toBeGreaterThan(0);
    expect(own).toHaveLength(events.length);
    expect(all).toContainEqual({ event: 'event', error: new Error('a poisoned listener') });
    expect(all).toContainEqual({ event: 'console', error: new Error('a poisoned listener') });
    const { timeline } = await openTimeline(new Uint8Array(Buffer.concat(record.pieces)), files, room, {
      core: 'wasm',
    });
    await timeline.seek('100%');
    expect(timeline.hash()).toBe(hash);
  });
});

describe('expectations', () => {
  it('find texts and patterns in order, with what was shown before', async () => {
    await using vm = await tinyMachine();
    void vm.write('one two');
    expect(await vm.expect('one')).toEqual({ match: 'one', text: 'one' });
    const { match, text } = await vm.expect(/t(w.)/);
    expect([match[0], match[1], text]).toEqual(['two', 'wo', ' two']);
    expect(vm.isRunning).toBe(false);
  });

  it('say why they were not met', async () => {
    await using vm = await tinyMachine();
    const reason = async (expectation: Promise<unknown>): Promise<unknown> => {
      const error = await expectation.then(
        () => undefined,
        (e: unknown) => e,
      );
      expect(error).toBeInstanceOf(ExpectError);
      return (error as ExpectError).reason;
    };
    expect(await reason(vm.expect('never', { timeout: 20 }))).toBe('timeout');
    expect(await reason(vm.expect('never', { signal: AbortSignal.timeout(20) }))).toBe('aborted');
    expect(await reason(vm.expect('never', { signal: AbortSignal.abort() }))).toBe('aborted');
    void vm.write('bye q');
    expect(await reason(vm.expect('never'))).toBe('ended');
    await expect(vm.expect('never')).rejects.toThrow(/did not show "never" before the guest ended.*"bye q"/);
  });
});

describe('the random seed of the guest', () => {
  const seedOf = async (options: Parameters<typeof tinyOptions>[0]): Promise<string> => {
    await using vm = await Machine.create(tinyOptions(options), room);
    return vm.config.rngSeed;
  };

  it("is a new one with the host's clock, unless a seed asks for the same; it is part of the recording", async () => {
    expect(await seedOf({ clock: 'host' })).not.toBe(await seedOf({ clock: 'host' }));
    expect(await seedOf({ clock: 'host', seed: 5 })).toBe(await seedOf({ seed: 5 }));
    expect(await seedOf({})).toBe(await seedOf({ clock: 'virtual' }));
    const record = sink();
    const vm = await Machine.create(tinyOptions({ clock: 'host', record }), room);
    await vm.close();
    const { header } = await readRecording(new Uint8Array(Buffer.concat(record.pieces)));
    expect(header.config.rngSeed).toBe(vm.config.rngSeed);
  });
});

describe('data of the host that never comes', () => {
  /** A machine whose clock has an alarm soon, for which it waits for such data. */
  async function waiting(): Promise<Machine> {
    const vm = await tinyMachine();
    const { engine } = vm.internals;
    const rtc = engine.board.slots.findIndex(({ name }) => name === 'rtc');
    const { device } = engine.board.slots[rtc];
    const alarm = 1_767_225_600_000_000_000n + 50_000n;
    device.write(0x0c, 4, Number(alarm >> 32n));
    device.write(0x08, 4, Number(alarm & 0xffff_ffffn));
    engine.late.wait(rtc, new Promise(() => undefined), 0);
    return vm;
  }

  it('holds guest time, but keeps neither pause nor close waiting', async () => {
    const vm = await waiting();
    const run = vm.run();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(vm.internals.engine.time).toBe(50_000);
    await vm.pause();
    expect((await run).reason).toBe('paused');
    const again = vm.run();
    await vm.close();
    expect((await again).reason).toBe('paused');
  });
});

describe('a machine with a clock of its own', () => {
  it('ends a run when all harts wait for input that is not there, and goes on with it', async () => {
    // csrrw x0, mie, x0; wfi; j -4
    const bytes = new Uint8Array(Uint32Array.of(0x3040_1073, 0x1050_0073, 0xffdf_f06f).buffer);
    const firmware = { file: 'sleeper', bytes };
    await using vm = await Machine.create({ firmware, memory: '4M', core: 'wasm' }, room);
    expect((await vm.run()).reason).toBe('idle');
    expect((await vm.run({ guestTime: 1 })).reason).toBe('idle');
    await expect(vm.expect('anything')).rejects.toMatchObject({ reason: 'idle' });
    const run = vm.run({ whenIdle: 'wait' });
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(vm.isRunning).toBe(true);
    vm.powerOff();
    expect((await run).reason).toBe('halt');
  });
});

describe('the console as a stream', () => {
  it('is only kept for those who read it, and waits for them', async () => {
    // lui x6, 0x10000 (the serial port); addi x7, x0, 'x'; sb x7, 0(x6); j -4
    const bytes = new Uint8Array(Uint32Array.of(0x1000_0337, 0x0780_0393, 0x0073_0023, 0xffdf_f06f).buffer);
    await using vm = await Machine.create({ firmware: { file: 'x', bytes }, memory: '4M', core: 'wasm' }, room);
    let shown = 0;
    vm.on('console', ({ length }) => (shown += length));
    void vm.console;
    await vm.run({ instructions: 3_000_000 });
    expect(shown).toBeGreaterThan(2 ** 20);

    // The stream is of what comes from here on; more may have come by the time that the first of it is taken.
    const begin = shown;
    const stream = vm.console[Symbol.asyncIterator]();
    let { length } = ((await stream.next()) as { value: Uint8Array }).value;
    await expect.poll(() => shown - begin - length, { timeout: 120_000 }).toBeGreaterThan(2 ** 20);
    for (let unchanged = 0, last = 0; unchanged < 10; last = shown) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      unchanged = shown === last ? unchanged + 1 : 0;
    }
    expect(vm.isRunning).toBe(true);
    const waited = shown;
    while (begin + length <= waited) length += ((await stream.next()) as { value: Uint8Array }).value.length;
    expect(shown).toBeGreaterThan(waited);
    await stream.return?.();
    await vm.pause();
  });
});
