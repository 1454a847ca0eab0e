/** The TCP of src/net/tcp against itself over bad wires, and against segments made by hand. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { segmentFrame } from '../../src/net/segmentation.ts';
import { LARGE_BUFFER, SMALL_BUFFER } from '../../src/net/tcp/budget.ts';
import { Connection } from '../../src/net/tcp/connection.ts';
import { OutOfOrder } from '../../src/net/tcp/reassembly.ts';
import { TCP_FLAG, type TcpSegment } from '../../src/net/tcp/segment.ts';
import { SendQueue } from '../../src/net/tcp/send-queue.ts';
import { A, B, Pair, pathFrom, Side, segmentIn } from './tcp-pair.ts';

const { ack: ACK, fin: FIN, rst: RST, syn: SYN, psh: PSH } = TCP_FLAG;
const pattern = (length: number, seed = 1): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => (Math.imul(i + seed, 2_654_435_761) >>> 13) & 0xff);

/** xorshift32. */
function random(seed: number): () => number {
  let state = seed | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

describe('two ends', () => {
  const exchange = (pair: Pair, up: Uint8Array, down: Uint8Array, until = 10_000_000): void => {
    let upAt = 0;
    let downAt = 0;
    let ended = { up: false, down: false };
    pair.run(until, () => {
      while (!pair.client.program.paused && upAt < up.length) {
        pair.client.connection.data(up.slice(upAt, upAt + 20_000));
        upAt += 20_000;
      }
      if (upAt >= up.length && !ended.up) {
        ended = { ...ended, up: true };
        pair.client.connection.ended();
      }
      if (pair.server.connection === undefined) return;
      while (!pair.server.program.paused && downAt < down.length) {
        pair.server.connection.data(down.slice(downAt, downAt + 7000));
        downAt += 7000;
      }
      if (downAt >= down.length && !ended.down) {
        ended = { ...ended, down: true };
        pair.server.connection.ended();
      }
    });
  };
  const check = (pair: Pair, up: Uint8Array, down: Uint8Array): void => {
    expect(Buffer.compare(pair.server.program.received, up)).toBe(0);
    expect(Buffer.compare(pair.client.program.received, down)).toBe(0);
    expect([pair.server.program.ended, pair.client.program.ended]).toEqual([true, true]);
    expect([pair.server.program.wasReset, pair.client.program.wasReset]).toEqual([false, false]);
    expect([pair.client.over, pair.server.over]).toEqual([true, true]);
  };

  test('carry data both ways and end', () => {
    const pair = new Pair({ arrivals: () => [1] });
    const up = pattern(300_000);
    const down = pattern(200_000, 7);
    exchange(pair, up, down);
    check(pair, up, down);
    // No segment was sent twice: data, acknowledgements and little else.
    expect(pair.sent).toBeLessThan(1000);
  });

  test('a reader that takes its time holds the writer back, and memory is bounded', () => {
    const pair = new Pair({ arrivals: () => [1], drain: 3000 });
    const up = pattern(2 * LARGE_BUFFER);
    exchange(pair, up, new Uint8Array(0));
    check(pair, up, new Uint8Array(0));
    expect(pair.server.program.most).toBeLessThanOrEqual(LARGE_BUFFER + 64 * 1024);
  });

  test('a reader that reads nothing gets its window at most, and is asked again', () => {
    const pair = new Pair({ arrivals: () => [1], drain: 0 });
    const up = pattern(LARGE_BUFFER);
    let at = 0;
    pair.run(600_000, () => {
      while (!pair.client.program.paused && at < up.length) {
        pair.client.connection.data(up.slice(at, at + 20_000));
        at += 20_000;
      }
    });
    expect(pair.server.program.received.length).toBeLessThanOrEqual(2 * SMALL_BUFFER);
    expect(pair.client.over).toBe(false);
    // then it reads
    for (let i = 0; i < 500; i++) {
      const { held } = pair.server.program;
      pair.server.program.held = 0;
      pair.server.connection.drained(held);
      pair.run(100_000, () => {
        while (!pair.client.program.paused && at < up.length) {
          pair.client.connection.data(up.slice(at, at + 20_000));
          at += 20_000;
        }
      });
      if (pair.server.program.received.length === up.length) break;
    }
    expect(Buffer.compare(pair.server.program.received, up)).toBe(0);
  });

  test('over any wire: segments lost, doubled, late, out of order', () => {
    const wires = fc.record({
      seed: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
      loss: fc.constantFrom(0, 0.01, 0.1, 0.3),
      twice: fc.constantFrom(0, 0.05, 0.3),
      spread: fc.constantFrom(0, 5, 80),
      mtu: fc.constantFrom(576, 1500, 9000, 65_535),
      up: fc.integer({ min: 0, max: 120_000 }),
      down: fc.integer({ min: 0, max: 60_000 }),
    });
    fc.assert(
      fc.property(wires, ({ seed, loss, twice, spread, mtu, up, down }) => {
        const next = random(seed);
        const one = (): number[] => (next() < loss ? [] : [1 + next() * spread]);
        const pair = new Pair({ arrivals: () => (next() < twice ? [...one(), ...one()] : one()) }, mtu);
        exchange(pair, pattern(up, seed), pattern(down, seed + 1));
        const [a, b] = [pair.server.program, pair.client.program];
        // A connection may be given up where nothing gets through; what was delivered is right even then.
        expect(Buffer.compare(a.received, pattern(up, seed).subarray(0, a.received.length))).toBe(0);
        expect(Buffer.compare(b.received, pattern(down, seed + 1).subarray(0, b.received.length))).toBe(0);
        if (loss < 0.3) expect([a.received.length, b.received.length]).toEqual([up, down]);
      }),
      { numRuns: 60, seed: 11 },
    );
  });

  test('one lost segment is repeated at once, not by the timer', () => {
    let count = 0;
    const pair = new Pair({ arrivals: () => (++count === 12 ? [] : [1]) });
    const up = pattern(100_000);
    exchange(pair, up, new Uint8Array(0));
    check(pair, up, new Uint8Array(0));
    // time-wait and all; a retransmission timer alone would have taken 200 ms more
    expect(pair.clock.now).toBeLessThan(1100);
  });

  test('a half-closed connection still carries data the other way', () => {
    const pair = new Pair({ arrivals: () => [1] });
    pair.client.connection.ended();
    pair.run(1000);
    expect(pair.server.program.ended).toBe(true);
    pair.server.connection.data(pattern(1000));
    pair.run(1000);
    expect(pair.client.program.received.length).toBe(1000);
    pair.server.connection.ended();
    pair.run(5000);
    expect([pair.client.over, pair.server.over]).toEqual([true, true]);
  });

  test('a reset of one program reaches the other', () => {
    const pair = new Pair({ arrivals: () => [1] });
    pair.run(100);
    pair.server.connection.failed('reset');
    pair.run(100);
    expect(pair.client.program.wasReset).toBe(true);
    expect([pair.client.over, pair.server.over]).toEqual([true, true]);
  });

  test('a peer that is gone is given up: while shaking hands, with data on its way, and by keep-alives', () => {
    const deaf = new Pair({ arrivals: () => [] });
    deaf.run(1_000_000);
    expect([deaf.client.over, deaf.client.program.wasReset]).toEqual([true, true]);

    let cut = false;
    const pair = new Pair({ arrivals: () => (cut ? [] : [1]) });
    pair.run(100);
    cut = true;
    pair.client.connection.data(pattern(10));
    pair.run(3_000_000);
    expect([pair.client.over, pair.client.program.wasReset]).toEqual([true, true]);
    // the other one had nothing to say, and asked
    expect([pair.server.over, pair.server.program.wasReset]).toEqual([true, true]);
  });

  test('keep-alives keep an idle connection', () => {
    const pair = new Pair({ arrivals: () => [1] });
    pair.run(20_000_000);
    expect([pair.client.over, pair.server.over]).toEqual([false, false]);
    expect(pair.sent).toBeGreaterThan(20);
  });
});

describe('a connection to the guest', () => {
  const begin = (): { side: Side; say: () => TcpSegment[] } => {
    const side = new Side();
    side.connection = new Connection(side, { path: pathFrom(A, B), iss: 1000, mtu: 1500 });
    side.connection.attach(side.program);
    const say = (): TcpSegment[] => {
      const said: TcpSegment[] = [];
      for (let f = side.connection.next(side.clock.now); f !== undefined; f = side.connection.next(side.clock.now))
        said.push(segmentIn(f));
      return said;
    };
    return { side, say };
  };

  test('ends an older one of the same ports that the guest remembers, and asks again at once (RFC 9293, 3.10.7.3)', () => {
    const { side, say } = begin();
    expect(say()).toMatchObject([{ flags: SYN, seq: 1000 }]);
    const stray = { sourcePort: B.port, destinationPort: A.port, window: 9, data: new Uint8Array(0) };
    side.connection.receive({ ...stray, seq: 77, ack: 4_000_000_000, flags: ACK });
    expect(say()).toMatchObject([
      { flags: RST, seq: 4_000_000_000 },
      { flags: SYN, seq: 1000 },
    ]);
    side.connection.receive({ ...stray, seq: 77, ack: 4_000_000_000, flags: RST | ACK });
    expect([say(), side.over]).toEqual([[], false]);
  });

  test('a guest that is still booting is asked every second, for a minute', () => {
    const { side, say } = begin();
    const asked: number[] = [];
    while (!side.over) {
      if (say().length > 0) asked.push(side.clock.now);
      side.clock.now = side.connection.deadline;
      side.connection.expired(side.clock.now);
    }
    expect(asked).toEqual(Array.from({ length: 60 }, (_, i) => i * 1000));
    expect(side.program.wasReset).toBe(true);
  });
});

describe('a connection of the guest', () => {
  const ISS = 1000;
  const GUEST = 0xffff_fff0; // its numbers wrap around soon
  const segment = (fields: Partial<TcpSegment>): TcpSegment => ({
    sourcePort: B.port,
    destinationPort: A.port,
    seq: GUEST + 1,
    ack: ISS + 1,
    flags: ACK,
    window: 1000,
    data: new Uint8Array(0),
    ...fields,
  });
  const begin = (syn: Partial<TcpSegment> = {}): { side: Side; say: () => TcpSegment[] } => {
    const side = new Side();
    const first = segment({ seq: GUEST, ack: 0, flags: SYN, mss: 1460, scale: 0, ...syn });
    side.connection = new Connection(side, { path: pathFrom(A, B), iss: ISS, mtu: 1500 }, first);
    side.connection.attach(side.program);
    const say = (): TcpSegment[] => {
      const said: TcpSegment[] = [];
      for (let f = side.connection.next(side.clock.now); f !== undefined; f = side.connection.next(side.clock.now))
        said.push(...segmentFrame(f).map(segmentIn));
      return said;
    };
    return { side, say };
  };
  const opened = (syn: Partial<TcpSegment> = {}): ReturnType<typeof begin> => {
    const it = begin(syn);
    it.side.connection.opened();
    expect(it.say()).toMatchObject([{ seq: ISS, ack: GUEST + 1, flags: SYN | ACK, mss: 1460 }]);
    it.side.connection.receive(segment({}));
    return it;
  };

  test('is answered when the host has connected, not before', () => {
    const { side, say } = begin();
    expect(say()).toEqual([]);
    side.connection.opened();
    expect(say()).toMatchObject([{ flags: SYN | ACK, ack: GUEST + 1, mss: 1460, scale: 7 }]);
  });

  test('that does not scale windows gets none scaled', () => {
    const { side, say } = begin({ scale: undefined });
    side.connection.opened();
    const [answer] = say();
    expect([answer.scale, answer.window]).toEqual([undefined, 65_535]);
  });

  test('the SYN is answered again when it comes again, or when the answer has no answer', () => {
    const { side, say } = begin();
    side.connection.opened();
    expect(say()).toHaveLength(1);
    side.connection.receive(segment({ seq: GUEST, ack: 0, flags: SYN }));
    expect(say()).toMatchObject([{ flags: SYN | ACK }]);
    side.clock.now = side.connection.deadline;
    side.connection.expired(side.clock.now);
    expect(say()).toMatchObject([{ flags: SYN | ACK }]);
  });

  test('refused by the host, it is reported as such', () => {
    const { side } = begin();
    side.connection.failed('refused');
    expect([side.refusedWith, side.over]).toEqual(['refused', true]);
  });

  test('only an exact reset resets (RFC 5961); others are asked for', () => {
    const { side, say } = opened();
    side.connection.receive(segment({ seq: GUEST + 5, flags: RST }));
    expect(side.program.wasReset).toBe(false);
    expect(say()).toMatchObject([{ flags: ACK, ack: (GUEST + 1) >>> 0 }]);
    side.connection.receive(segment({ flags: RST }));
    expect([side.program.wasReset, side.over]).toEqual([true, true]);
  });

  test('a SYN in the middle is a question, not an end (RFC 5961)', () => {
    const { side, say } = opened();
    side.connection.receive(segment({ seq: GUEST + 20, flags: SYN }));
    expect([side.over, say()]).toMatchObject([false, [{ flags: ACK }]]);
  });

  test('each segment out of order is acknowledged by itself, in order one acknowledgement does', () => {
    const { side, say } = opened();
    for (const at of [10, 20, 30]) side.connection.receive(segment({ seq: (GUEST + 1 + at) >>> 0, data: pattern(10) }));
    expect(say().map(({ ack }) => ack)).toEqual([GUEST + 1, GUEST + 1, GUEST + 1]);
    side.connection.receive(segment({ data: pattern(10) }));
    side.connection.receive(segment({ seq: (GUEST + 41) >>> 0, data: pattern(10) }));
    expect(say().map(({ ack }) => ack)).toEqual([(GUEST + 51) >>> 0]);
    expect(side.program.received).toHaveLength(50);
  });

  test('little data is acknowledged a little later, two full segments at once', () => {
    const { side, say } = opened();
    side.connection.receive(segment({ data: pattern(10) }));
    expect(say()).toEqual([]);
    side.connection.expired(side.connection.deadline);
    expect(say()).toMatchObject([{ ack: (GUEST + 11) >>> 0 }]);
    side.connection.receive(segment({ seq: (GUEST + 11) >>> 0, data: pattern(1460) }));
    expect(say()).toEqual([]);
    side.connection.receive(segment({ seq: (GUEST + 1471) >>> 0, data: pattern(1460) }));
    expect(say()).toMatchObject([{ ack: (GUEST + 2931) >>> 0 }]);
  });

  test('acknowledgements of what was never sent change nothing', () => {
    const { side, say } = opened();
    side.connection.data(pattern(100));
    say();
    side.connection.receive(segment({ ack: ISS + 5000 }));
    expect(say()).toMatchObject([{ flags: ACK }]);
    side.clock.now = side.connection.deadline;
    side.connection.expired(side.clock.now);
    expect(say()).toMatchObject([{ seq: ISS + 1, flags: ACK | PSH }]);
  });

  test('without room the guest gets one byte at a time, and all when there is room', () => {
    const { side, say } = opened();
    side.connection.receive(segment({ window: 0, seq: GUEST + 1, ack: ISS + 1 }));
    side.connection.data(pattern(500));
    expect(say()).toEqual([]);
    const lengths: number[] = [];
    for (let i = 0; i < 20; i++) {
      side.clock.now = side.connection.deadline;
      side.connection.expired(side.clock.now);
      lengths.push(...say().map(({ data }) => data.length));
      side.connection.receive(segment({ window: 0 }));
    }
    expect(side.over).toBe(false);
    expect(new Set(lengths)).toEqual(new Set([1]));
    side.connection.receive(segment({ window: 1000 }));
    expect(say().map(({ seq, data }) => [seq, data.length])).toEqual([[ISS + 1, 500]]);
  });

  test('a window that shrinks to little is not filled by crumbs', () => {
    const { side, say } = opened({});
    side.connection.data(pattern(3000));
    const first = say();
    expect(first.map(({ data }) => data.length)).toEqual([1000]);
    side.connection.receive(segment({ ack: ISS + 1001, window: 10 }));
    expect(say()).toEqual([]);
  });

  test('both ends closed at once end properly', () => {
    const { side, say } = opened();
    side.connection.ended();
    expect(say()).toMatchObject([{ flags: FIN | ACK | PSH }]);
    side.connection.receive(segment({ flags: FIN | ACK }));
    expect(say()).toMatchObject([{ flags: ACK, ack: GUEST + 2 }]);
    side.connection.receive(segment({ seq: GUEST + 2, ack: ISS + 2 }));
    side.clock.now = side.connection.deadline;
    side.connection.expired(side.clock.now);
    expect(side.over).toBe(true);
  });

  test('data after a FIN is not delivered', () => {
    const { side } = opened();
    side.connection.receive(segment({ flags: FIN | ACK, data: pattern(4) }));
    side.connection.receive(segment({ seq: GUEST + 6, data: pattern(4) }));
    expect([side.program.received.length, side.program.ended]).toEqual([4, true]);
  });

  test('any segments whatever leave it whole and bounded', () => {
    const wild = fc.record({
      seq: fc.oneof(
        fc.nat(200_000).map((n) => (GUEST + n) >>> 0),
        fc.nat(0xffff_ffff),
      ),
      ack: fc.oneof(
        fc.nat(20_000).map((n) => ISS + n),
        fc.nat(0xffff_ffff),
      ),
      flags: fc.nat(0x3f).map((flags) => flags & ~RST),
      window: fc.nat(0xffff),
      data: fc.integer({ min: 0, max: 3000 }).map((n) => pattern(n)),
    });
    fc.assert(
      fc.property(fc.array(wild, { maxLength: 60 }), (segments) => {
        const { side, say } = opened();
        side.connection.data(pattern(20_000));
        for (const fields of segments) {
          side.connection.receive(segment(fields));
          say();
          side.clock.now += 50;
          if (!side.over && side.connection.deadline <= side.clock.now) side.connection.expired(side.clock.now);
        }
        expect(side.program.most).toBeLessThanOrEqual(4 * SMALL_BUFFER);
      }),
      { numRuns: 150, seed: 5 },
    );
  });
});

describe('queues', () => {
  test('the send queue is a stream of bytes', () => {
    const steps = fc.array(fc.tuple(fc.integer({ min: 0, max: 9000 }), fc.integer({ min: 0, max: 9000 })), {
      maxLength: 30,
    });
    fc.assert(
      fc.property(steps, (moves) => {
        const queue = new SendQueue();
        let model: number[] = [];
        for (const [add, take] of moves) {
          const bytes = pattern(add, model.length);
          queue.push(bytes);
          model.push(...bytes);
          const from = Math.min(take >>> 1, model.length);
          const target = new Uint8Array(model.length - from);
          queue.copy(from, target);
          expect(Buffer.compare(target, Buffer.from(model.slice(from)))).toBe(0);
          const drop = Math.min(take, model.length);
          queue.drop(drop);
          model = model.slice(drop);
          expect(queue.length).toBe(model.length);
        }
      }),
      { numRuns: 60, seed: 3 },
    );
  });

  test('data out of order comes out in order, whatever overlaps', () => {
    const whole = pattern(200);
    const pieces = fc.array(fc.tuple(fc.nat(199), fc.nat(60)), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(pieces, fc.nat(0xffff_ffff), (cuts, base) => {
        const queue = new OutOfOrder();
        const have = new Set<number>();
        for (const [at, length] of cuts) {
          if (at === 0) continue;
          const data = whole.subarray(at, at + length);
          queue.add((base + at) >>> 0, data, base);
          for (let i = at; i < at + data.length; i++) have.add(i);
        }
        expect(queue.length).toBe(have.size);
        expect(queue.take(base)).toBeUndefined();
        // byte 0 comes, and whatever follows without a gap
        let next = 1;
        for (let data = queue.take((base + next) >>> 0); data !== undefined; data = queue.take((base + next) >>> 0)) {
          expect(data).toEqual(whole.subarray(next, next + data.length));
          next += data.length;
        }
        expect(have.has(next)).toBe(false);
        for (let i = 1; i < next; i++) expect(have.has(i)).toBe(true);
      }),
      { numRuns: 200, seed: 9 },
    );
  });
});
