/** Switch, shaper, segmentation, captures, resets and options: the small pure parts around the network. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { StateError } from '../../src/bytes/state-stream.ts';
import { formatIp, inPrefix, ip, parseIp, parseMac, parsePrefix } from '../../src/net/address.ts';
import { completeFrame, ethernetOf, finishChecksum, readOffload } from '../../src/net/frame.ts';
import { parseIpv4 } from '../../src/net/ip.ts';
import type { Link } from '../../src/net/link.ts';
import { parseWire } from '../../src/net/options.ts';
import { pcapngHeader, pcapngInterface, pcapngPacket } from '../../src/net/pcapng.ts';
import { GuestConnections, OpenConnections } from '../../src/net/resets.ts';
import { segmentFrame } from '../../src/net/segmentation.ts';
import { Shaper } from '../../src/net/shaper.ts';
import { Switch } from '../../src/net/switch.ts';
import { parseTcp, TCP_FLAG, tcpFrame } from '../../src/net/tcp/segment.ts';
import { TurnClock } from '../../src/net/turns.ts';
import { udpFrame } from '../../src/net/udp.ts';
import { segmentIn } from './tcp-pair.ts';

const mac = (n: number): Uint8Array => Uint8Array.of(2, 0, 0, 0, 0, n);
const A = { address: ip('10.0.2.2'), port: 80 };
const B = { address: ip('10.0.2.15'), port: 40_000 };
const MACS = { sourceMac: mac(1), destinationMac: mac(2) };
const path = { ...MACS, source: A, destination: B };

/** A frame from one machine to another; to everybody without `to`. */
const frame = (from: number, to?: number, length = 60): Uint8Array => {
  const bytes = new Uint8Array(length);
  bytes.set(to === undefined ? [255, 255, 255, 255, 255, 255] : mac(to));
  bytes.set(mac(from), 6);
  return completeFrame(bytes);
};
const drain = (link: Link, now = 0): number => {
  let count = 0;
  while (link.pull(now) !== undefined) count++;
  return count;
};

describe('addresses', () => {
  test.each([
    ['0.0.0.0', '0.0.0.0'],
    ['192.0.2.1', '192.0.2.1'],
    ['::', '::'],
    ['::1', '::1'],
    ['2001:DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['1::', '1::'],
    ['::ffff:192.0.2.1', '::ffff:c000:201'],
  ])('%s reads as %s', (text, formatted) => expect(formatIp(ip(text))).toBe(formatted));

  test.each(['', '1.2.3', '1.2.3.256', '01.2.3.4', '1:2', ':::', '1::2::3', '1:2:3:4:5:6:7:8:9', '12345::', '::1.2.3'])(
    '"%s" is none',
    (text) => expect(parseIp(text)).toBeUndefined(),
  );

  test('what is written is read again', () => {
    const any = fc.oneof(
      fc.uint8Array({ minLength: 4, maxLength: 4 }),
      fc.uint8Array({ minLength: 16, maxLength: 16 }),
      fc.array(fc.constantFrom(0, 0, 0, 1), { minLength: 16, maxLength: 16 }).map((b) => Uint8Array.from(b)),
    );
    fc.assert(
      fc.property(any, (address) => {
        expect(parseIp(formatIp(address))).toEqual(address);
      }),
      { seed: 1, numRuns: 500 },
    );
  });

  test('prefixes hold what they should', () => {
    const holds = (prefix: string, address: string): boolean => inPrefix(ip(address), parsePrefix(prefix)!);
    expect(holds('10.0.0.0/8', '10.255.0.1')).toBe(true);
    expect(holds('10.0.0.0/9', '10.128.0.1')).toBe(false);
    expect(holds('0.0.0.0/0', '1.2.3.4')).toBe(true);
    expect(holds('2001:db8::/33', '2001:db8:8000::')).toBe(false);
    expect(holds('0.0.0.0/0', '::1')).toBe(false);
    expect([parsePrefix('1.2.3.4/33'), parsePrefix('1.2.3.4/x'), parsePrefix('1.2.3.4/1/2')]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    expect([parseMac('52:54:00:12:34:56'), parseMac('53:54:00:12:34:56'), parseMac('52:54')]).toEqual([
      Uint8Array.of(0x52, 0x54, 0, 0x12, 0x34, 0x56),
      undefined,
      undefined,
    ]);
  });
});

describe('a switch', () => {
  test('floods what it does not know, and learns', () => {
    const wire = new Switch();
    const [a, b, c] = [wire.connect(), wire.connect(), wire.connect()];
    a.receive(frame(1, 2), 0);
    expect([drain(a), drain(b), drain(c)]).toEqual([0, 1, 1]);
    b.receive(frame(2, 1), 0);
    expect([drain(a), drain(b), drain(c)]).toEqual([1, 0, 0]);
    a.receive(frame(1, 2), 0);
    a.receive(frame(1), 0);
    expect([drain(a), drain(b), drain(c)]).toEqual([0, 2, 1]);
  });

  test('follows a machine that moves, forgets one that leaves, sends nothing back', () => {
    const wire = new Switch();
    const [a, b, c] = [wire.connect(), wire.connect(), wire.connect()];
    b.receive(frame(2), 0);
    c.receive(frame(2), 0); // the same address elsewhere
    drain(a);
    drain(b);
    drain(c);
    a.receive(frame(1, 2), 0);
    expect([drain(b), drain(c)]).toEqual([0, 1]);
    c.receive(frame(3, 2), 0); // to itself
    expect([drain(a), drain(b), drain(c)]).toEqual([0, 0, 0]);
    c.close();
    a.receive(frame(1, 2), 0);
    expect([drain(b), drain(c), wire.size]).toEqual([1, 0, 2]);
  });

  test('what is not taken is dropped beyond some megabytes; frames that are none go nowhere', () => {
    const wire = new Switch();
    const [a, b] = [wire.connect(), wire.connect()];
    for (let i = 0; i < 1000; i++) a.receive(frame(1, 2, 60_000), 0);
    expect(drain(b)).toBeLessThan(200);
    a.receive(new Uint8Array(12), 0);
    expect(drain(b)).toBe(0);
  });
});

describe('turns of machines on a wire', () => {
  test('are numbered when another one runs; what was sent is before what follows its arrival', () => {
    const [here, there] = [new TurnClock(), new TurnClock()];
    const [a, b, c] = [{}, {}, {}];
    expect([here.begin(a), here.begin(a), here.begin(b), here.begin(a)]).toEqual([1, undefined, 2, 3]);
    expect(there.begin(c)).toBe(1);
    there.heard(here.now);
    expect([there.begin(c), there.begin(c)]).toEqual([4, undefined]);
    here.heard(1); // of long ago
    here.heard(Number.NaN);
    expect([here.begin(a), here.now]).toEqual([undefined, 3]);
    here.heard(4);
    expect(here.begin(a)).toBe(5);
  });

  test('between two machines of one process a frame is not copied: what one put out is what the other gets', () => {
    const wire = new Switch();
    const [a, b] = [wire.connect(), wire.connect()];
    const sent = frame(1, 2, 60_000);
    a.receive(sent, 0);
    expect(b.pull(0)).toBe(sent);
    expect(a.turns).toBe(b.turns);
  });
});

describe('a wire with faults', () => {
  /** What one direction does with `count` frames sent a millisecond apart. */
  const through = (options: ConstructorParameters<typeof Shaper>[1], count: number, every = 1): number[] => {
    const hub = new Switch();
    const link = new Shaper(hub.connect(), options);
    const other = hub.connect();
    const arrivals: number[] = [];
    for (let now = 0; now < count * every + 20_000; now++) {
      if (now % every === 0 && now / every < count) link.receive(frame(1, 2, 1000), now);
      link.pull(now);
      for (let got = other.pull(now); got !== undefined; got = other.pull(now)) arrivals.push(now);
    }
    return arrivals;
  };

  test('delays', () => expect(through({ delay: 30 }, 3)).toEqual([30, 31, 32]));

  test('takes its time for bits, and drops what waits too long', () => {
    const arrivals = through({ rate: 1e6 }, 1000);
    // 8 ms a frame of 1000 bytes; 64 KiB may wait
    expect(arrivals[1] - arrivals[0]).toBe(8);
    expect(arrivals.length).toBeLessThan(220);
    expect(arrivals.length).toBeGreaterThan(150);
  });

  test('loses its share, the same with the same seed', () => {
    const lost = (seed: number): number[] => through({ loss: 0.2, seed }, 2000);
    expect(lost(1).length / 2000).toBeCloseTo(0.8, 1);
    expect(lost(1)).toEqual(lost(1));
    expect(lost(1)).not.toEqual(lost(2));
  });
});

describe('segmentation', () => {
  const whole = (length: number, size: number, flags = 0x19): Uint8Array =>
    tcpFrame(path, { seq: 0xffff_ff00, ack: 9, flags, window: 5 }, length, size, (target) =>
      target.forEach((_, i) => (target[i] = i)),
    );

  test('cuts into segments that say the same', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20_000 }), fc.integer({ min: 64, max: 9000 }), (length, size) => {
        const pieces = segmentFrame(whole(length, size)).map(segmentIn);
        expect(pieces.length).toBe(Math.ceil(length / size));
        let seq = 0xffff_ff00;
        let at = 0;
        for (const [index, piece] of pieces.entries()) {
          const last = index === pieces.length - 1;
          expect([piece.seq, piece.flags]).toEqual([seq >>> 0, last ? 0x19 : 0x10]);
          expect(piece.data.every((byte, i) => byte === ((at + i) & 0xff))).toBe(true);
          at += piece.data.length;
          seq = (seq + piece.data.length) >>> 0;
        }
        expect(at).toBe(length);
      }),
      { seed: 4, numRuns: 30 },
    );
  });

  test('refuses what can not be cut', () => {
    const sound = whole(5000, 1000);
    const broken = (at: number, value: number): Uint8Array => {
      const copy = sound.slice();
      copy[at] = value;
      return copy;
    };
    expect(segmentFrame(sound)).toHaveLength(5);
    expect(segmentFrame(broken(1, 3))).toEqual([]); // UDP
    expect(segmentFrame(broken(1, 4))).toEqual([]); // IPv6 it is not
    expect(segmentFrame(broken(4, 1).fill(0, 5, 6))).toEqual([]); // segments of one byte
    expect(segmentFrame(broken(10 + 14, 0x46))).toEqual([]); // options
    expect(segmentFrame(sound.subarray(0, 30))).toEqual([]);
  });

  test('a checksum that was left is computed where it lies, or refused', () => {
    const left = whole(5000, 1000);
    left[1] = 0;
    expect(finishChecksum(left)).toBe(true);
    expect(readOffload(left).needsChecksum).toBe(false);
    expect(segmentIn(left).data.length).toBe(5000);
    const outside = whole(100, 50);
    outside[6] = 0xff;
    outside[7] = 0xff;
    expect(finishChecksum(outside)).toBe(false);
  });
});

describe('resets for a machine whose peers are gone', () => {
  test('one for each connection it has, at the byte it waits for', () => {
    const open = new OpenConnections();
    const say = (port: number, seq: number, flags: number, length = 0): void =>
      open.note(tcpFrame({ ...path, source: { ...A, port } }, { seq, ack: 1, flags, window: 9 }, length));
    say(80, 100, TCP_FLAG.syn | TCP_FLAG.ack);
    say(80, 101, TCP_FLAG.ack, 50);
    say(80, 101, TCP_FLAG.ack, 20); // repeated
    say(81, 500, TCP_FLAG.ack, 10);
    say(81, 510, TCP_FLAG.rst);
    say(82, 0xffff_fffe, TCP_FLAG.ack | TCP_FLAG.fin, 1);
    open.note(udpFrame(MACS, A, B, new Uint8Array(5)));
    open.note(new Uint8Array(12));
    const resets = open.resets().map(segmentIn);
    expect(resets.map(({ sourcePort, seq, flags }) => [sourcePort, seq, flags])).toEqual([
      [80, 151, TCP_FLAG.rst],
      [82, 0, TCP_FLAG.rst],
    ]);
  });
});

test('what a snapshot says of connections is what was seen of them, and frames go on from there', () => {
  const before = new GuestConnections();
  const v6 = { address: ip('fd68:696e:6473::2'), port: 443 };
  const guest6 = { address: ip('fd68:696e:6473::9'), port: 50_000 };
  const head = { seq: 7, ack: 1, flags: TCP_FLAG.ack, window: 9 };
  before.of(1).note(tcpFrame(path, head, 5));
  before.of(4).note(tcpFrame({ ...path, source: v6, destination: guest6 }, head, 100));
  const saved = before.save()!;
  const after = new GuestConnections();
  after.begin(saved);
  for (const port of [1, 4]) expect(after.of(port).resets()).toEqual(before.of(port).resets());
  after.of(1).note(tcpFrame(path, { ...head, seq: 12, flags: TCP_FLAG.rst }));
  expect([after.of(1).size, after.of(4).size, after.any]).toEqual([0, 1, true]);
  after.restart();
  expect(after.save()).toEqual(saved);
  expect(new GuestConnections().save()).toBeUndefined();
  expect(() => after.begin(saved.subarray(0, 20))).toThrow(StateError);
});

describe('captures', () => {
  test('are read by capinfos and tshark: frames, times, directions, comments, checksums', () => {
    const folder = mkdtempSync(join(tmpdir(), 'hindsight-pcapng-'));
    try {
      const file = join(folder, 'x.pcapng');
      const time = 1_767_225_600_123_456_789n;
      const offloaded = tcpFrame(path, { seq: 1, ack: 1, flags: 0x18, window: 5 }, 3000, 1400);
      const blocks = [
        pcapngHeader('hindsight test'),
        pcapngInterface('virtio1'),
        pcapngPacket({ interface: 0, time, direction: 'out', frame: udpFrame(MACS, B, A, Buffer.from('odd')) }),
        pcapngPacket({ interface: 0, time: time + 1000n, direction: 'in', frame: offloaded, comment: '12345.6' }),
      ];
      writeFileSync(file, Buffer.concat(blocks));
      expect(execFileSync('capinfos', ['-c', '-E', '-F', file], { encoding: 'utf8' })).toMatch(/Number of packets.*2/);
      const fields = [
        'frame.time_epoch',
        'frame.packet_flags_direction',
        'ip.proto',
        'frame.comment',
        'tcp.checksum.status',
        'tcp.len',
      ];
      const shown = execFileSync(
        'tshark',
        [
          '-r',
          file,
          '-o',
          'tcp.check_checksum:TRUE',
          '-T',
          'fields',
          '-E',
          'separator=,',
          ...fields.flatMap((f) => ['-e', f]),
        ],
        { encoding: 'utf8' },
      );
      const [first, second] = shown
        .trim()
        .split('\n')
        .map((line) => line.split(','));
      expect(first.slice(0, 4)).toEqual(['1767225600.123456789', '0x00000002', '17', '']);
      expect(second).toEqual(['1767225600.123457789', '0x00000001', '6', '12345.6', '1', '3000']);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('--net', () => {
  test.each([
    ['user', { to: 'user' }],
    [
      'user,mtu=9000,rate=10M,delay=20ms,loss=1%,seed=7',
      { to: 'user', mtu: 9000, rate: 1e7, delay: 20, loss: 0.01, seed: 7 },
    ],
    ['switch:lab-1,delay=0.5s', { to: { switch: 'lab-1' }, delay: 500 }],
    ['switch:a,ip=10.1.0.1/24', { to: { switch: 'a' }, address: '10.1.0.1/24' }],
    ['user,mac=52:54:00:aa:bb:cc', { to: 'user', mac: Uint8Array.of(0x52, 0x54, 0, 0xaa, 0xbb, 0xcc) }],
  ])('%s', (text, options) => expect(parseWire(text)).toEqual(options));

  test.each([
    ['tap0', 'expected none, user or switch:NAME'],
    ['switch:../x', 'switch:NAME'],
    ['user,mtu=100', '1280 to 65535'],
    ['user,mac=01:00:00:00:00:00', 'unicast'],
    ['switch:a,ip=10.1.0.1', '10.1.0.1/24'],
    ['user,rate=fast', 'bits per second'],
    ['user,delay=1h', 'a time'],
    ['user,loss=200%', '100% at most'],
    ['user,speed=1', 'expected mtu, mac, ip, rate, delay, loss or seed'],
  ])('%s is refused: %s', (text, what) => expect(() => parseWire(text)).toThrow(what));
});

test('segments over IPv4 are read as they were written, and damage is seen', () => {
  const written = tcpFrame(path, { seq: 1, ack: 2, flags: TCP_FLAG.syn, window: 3, mss: 1400, scale: 7 });
  const packet = parseIpv4(ethernetOf(written).subarray(14))!;
  expect(parseTcp(packet, false)).toMatchObject({ seq: 1, ack: 2, window: 3, mss: 1400, scale: 7 });
  for (let at = 0; at < packet.payload.length; at++) {
    packet.payload[at] ^= 0x10;
    expect(parseTcp(packet, false)).toBeUndefined();
    packet.payload[at] ^= 0x10;
  }
});
