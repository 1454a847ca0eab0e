import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ramWrite } from '../../src/machine/engine/debug-write.ts';
import { stateHash } from '../../src/machine/state/state-hash.ts';
import { DivergenceError } from '../../src/record/divergence.ts';
import {
  COMMAND,
  type Door,
  EVENT,
  type HostEvent,
  type Input,
  TERMINAL_PORT,
  type Witness,
} from '../../src/record/door.ts';
import { deviceCommand, deviceInput, timeWarp, userCommand } from '../../src/record/inputs.ts';
import { InputOverflowError, LiveDoor } from '../../src/record/live-door.ts';
import { ReplayDoor } from '../../src/record/replay-door.ts';
import { fixedSources } from '../../src/record/sources.ts';
import { tinyEngine } from '../machine/fixtures.ts';

const at = { instructions: 100, sequence: 0 };
const witness: Witness = {
  instant: at,
  time: 100,
  diverged: (field, expected, found) => new DivergenceError({ at, hart: 0, pc: 0n }, field, expected, found),
  portName: (port) => `port ${port}`,
};
const event = (input: Input, taken = input.payload.length): HostEvent => ({
  ...input,
  at,
  time: 100,
  payload: input.payload.subarray(0, taken),
});
const bytes = (length: number): Uint8Array => new Uint8Array(length).fill(0x61);

describe('the door of a replay', () => {
  const recorded = [event(deviceInput(3, Uint8Array.of(1, 2, 3))), event(timeWarp(5))];

  it('refuses whatever arrives otherwise, and loses no event of the log', () => {
    const door = new ReplayDoor(recorded);
    for (const stray of [timeWarp(1), timeWarp(5), deviceInput(3, Uint8Array.of(1, 2, 3)), userCommand(COMMAND.RESET)])
      expect(() => door.entered(stray, event(stray), witness)).toThrow(DivergenceError);
    expect(door.position).toBe(0);
    expect(door.take(witness)).toBe(recorded[0]);
  });

  it('tells a device that takes less, or nothing, from the recorded one', () => {
    const door = new ReplayDoor(recorded);
    const input = door.take(witness)!;
    expect(() => door.entered(input, event(input, 2), witness)).toThrow(/port 3: expected 3 bytes taken, found 2/);
    expect(() => door.refused(input, 3, undefined, witness)).toThrow(/port 3: expected 3 bytes taken, found 0/);
    door.entered(input, event(input), witness);
    expect(door.take(witness)).toBe(recorded[1]);
  });

  it('gives an event at its instant only, and at its guest time', () => {
    const door = new ReplayDoor(recorded);
    const early = { ...witness, instant: { instructions: 99, sequence: 7 } };
    expect(door.take(early)).toBeUndefined();
    const past = { ...witness, instant: { instructions: 100, sequence: 1 } };
    expect(() => door.take(past)).toThrow(/the machine went past it/);
    expect(() => door.take({ ...witness, time: 101 })).toThrow(/guest time of an event: expected 100, found 101/);
  });
});

describe('the door of a live machine', () => {
  const live = (): { door: LiveDoor; entered: HostEvent[] } => {
    const entered: HostEvent[] = [];
    return { door: new LiveDoor(fixedSources(0), (e) => void entered.push(e)), entered };
  };

  it('offers the rest only once the guest has touched the device', () => {
    const { door, entered } = live();
    void door.give(3, bytes(10));
    expect(door.nextAt).toBe(0);
    const first = door.take(witness)!;
    door.entered(first, event(first, 4));
    expect(door.take(witness)).toBeUndefined();
    expect(door.nextAt).toBe(Infinity);
    void door.give(3, bytes(1));
    expect(door.nextAt).toBe(Infinity);
    expect(door.touched(2)).toBe(false);
    expect(door.touched(3)).toBe(true);
    expect(door.take(witness)?.payload).toHaveLength(6);
    expect(entered.map(({ payload }) => payload.length)).toEqual([4]);
  });

  it('lets commands in first, one device that is full keeps no other waiting', () => {
    const { door } = live();
    void door.give(3, bytes(1));
    void door.give(4, bytes(2));
    door.command(deviceCommand(5, bytes(3)));
    const order: number[] = [];
    for (let input = door.take(witness); input !== undefined; input = door.take(witness)) {
      order.push(input.port);
      if (input.port === 3) door.refused(input, 3, undefined);
      else door.entered(input, event(input));
    }
    expect(order).toEqual([5, 3, 4]);
    expect(door.waitingFor(3)).toBe(1);
  });

  it('says why a command was refused, and records nothing of it', () => {
    const { door, entered } = live();
    let reason: string | undefined;
    door.command(deviceCommand(5, bytes(1)), (why) => (reason = why));
    door.refused(door.take(witness)!, 5, 'no such command');
    expect(reason).toBe('no such command');
    expect(entered).toEqual([]);
    expect(door.take(witness)).toBeUndefined();
  });

  it('asks those who give to wait, and keeps no more than 16 MiB', async () => {
    const { door } = live();
    const chunk = 2 ** 20;
    let roomy = false;
    for (let i = 0; i < 16; i++) void door.give(TERMINAL_PORT, bytes(chunk)).then(() => (roomy = true));
    expect(() => door.give(TERMINAL_PORT, bytes(1))).toThrow(InputOverflowError);
    expect(door.waitingFor(TERMINAL_PORT)).toBe(16 * chunk);
    for (let i = 0; i < 15; i++) {
      const input = door.take(witness)!;
      door.entered(input, event({ ...input, port: 1 }));
    }
    await Promise.resolve();
    expect(roomy).toBe(false);
    const last = door.take(witness)!;
    door.entered(last, event({ ...last, port: 1 }, chunk - 1000));
    await Promise.resolve();
    expect(roomy).toBe(true);
    for (let i = 0; i < 65_536; i++) door.command(timeWarp(1));
    expect(() => door.command(timeWarp(1))).toThrow(InputOverflowError);
  });
});

describe('a machine at its door', () => {
  it('refuses a command that no device knows, without an event, and goes on', async () => {
    const entered: HostEvent[] = [];
    const door = new LiveDoor(fixedSources(0), (e) => void entered.push(e));
    const engine = await tinyEngine({}, door);
    engine.run({ instructions: 1000 });
    const reasons: (string | undefined)[] = [];
    door.command(deviceCommand(engine.board.uart, bytes(1)), (why) => reasons.push(why));
    door.command(deviceCommand(77, bytes(1)), (why) => reasons.push(why));
    engine.run({ instructions: 2000 });
    expect(reasons).toEqual(['uart knows no commands', 'port 77 knows no commands']);
    expect(entered.filter(({ kind }) => kind === EVENT.CONTROL)).toEqual([]);
  });

  it('takes what is put there at its next boundary, where it is or in the middle of a run', async () => {
    const entered: HostEvent[] = [];
    const door = new LiveDoor(fixedSources(0), (e) => void entered.push(e));
    const engine = await tinyEngine({}, door);
    engine.run({ instructions: 1000 });
    door.command(timeWarp(7));
    engine.admit();
    expect(entered).toMatchObject([{ kind: EVENT.WARP, at: { instructions: 1000 } }]);
    void door.give(TERMINAL_PORT, bytes(100));
    engine.run({ instructions: 200_000 });
    const typed = entered.filter(({ kind }) => kind === EVENT.INPUT);
    expect(typed.length).toBeGreaterThan(3);
    expect(typed.every(({ port }) => port === engine.board.uart)).toBe(true);
    expect(typed.reduce((sum, { payload }) => sum + payload.length, 0)).toBe(100);
  });
});

describe('a machine that is replayed', () => {
  const LENGTH = 60_000;
  const replay = async (events: readonly HostEvent[], stray?: { at: number; input: Input }): Promise<string> => {
    const log = new ReplayDoor(events);
    // The log's door, but for one input that somebody else puts in.
    let pending = stray;
    const door: Door = {
      get nextAt() {
        return Math.min(log.nextAt, pending?.at ?? Infinity);
      },
      take(machine) {
        if (pending === undefined || machine.instant.instructions < pending.at) return log.take(machine);
        const { input } = pending;
        pending = undefined;
        return input;
      },
      entered: (...args) => log.entered(...args),
      refused: (...args) => log.refused(...args),
      touched: () => log.touched(),
      ask: (...args) => log.ask(...args),
    };
    const engine = await tinyEngine({}, door);
    engine.run({ instructions: LENGTH });
    return stateHash(engine);
  };
  const payload = fc.uint8Array({ minLength: 1, maxLength: 20 });
  const port = fc.integer({ min: -1, max: 20 });
  const strays = fc.oneof(
    fc.integer({ min: 1, max: 1e9 }).map(timeWarp),
    fc.tuple(port, payload).map(([id, data]) => deviceInput(id, data)),
    fc.tuple(port, payload).map(([id, data]) => deviceCommand(id, data)),
    fc.constantFrom(COMMAND.RESET, COMMAND.POWER_OFF).map(userCommand),
    fc.integer({ min: 0, max: 4095 }).map((offset) => ramWrite(offset, Uint8Array.of(1))),
  );

  it('takes nothing that its log does not hold, whatever it is and whenever it comes', async () => {
    const events: HostEvent[] = [];
    const door = new LiveDoor(fixedSources(0), (e) => void events.push(e));
    const engine = await tinyEngine({}, door);
    for (let i = 1; i <= 5; i++) {
      engine.run({ instructions: (LENGTH / 6) * i });
      door.command(timeWarp(i));
      void door.give(TERMINAL_PORT, bytes(i));
    }
    engine.run({ instructions: LENGTH });
    expect(events.length).toBeGreaterThan(9);
    expect(await replay(events)).toBe(stateHash(engine));
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: LENGTH - 1 }), strays, async (at, input) => {
        await expect(replay(events, { at, input })).rejects.toThrow(DivergenceError);
      }),
      { numRuns: 60 },
    );
  });

  it('answers no question but those of its log', async () => {
    const engine = await tinyEngine();
    const answers: HostEvent[] = [];
    const live = new LiveDoor(fixedSources(0), (e) => void answers.push(e));
    live.ask(3, 'clock', 8, witness);
    live.ask(3, 'entropy', 16, witness);
    fc.assert(
      fc.property(
        fc.record({
          id: fc.integer({ min: 0, max: 4 }),
          question: fc.constantFrom('clock' as const, 'entropy' as const),
          length: fc.integer({ min: 1, max: 32 }),
          time: fc.constantFrom(100, 101),
        }),
        ({ id, question, length, time }) => {
          const door = new ReplayDoor(answers);
          const ask = (): Uint8Array => door.ask(id, question, length, { ...witness, time });
          if (id === 3 && question === 'clock' && length === 8 && time === 100) expect(ask()).toHaveLength(8);
          else expect(ask).toThrow(DivergenceError);
        },
      ),
    );
    expect(() => new ReplayDoor([]).ask(0, 'clock', 8, engine)).toThrow(/none any more/);
  });
});
