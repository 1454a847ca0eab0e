/** The user-mode network as its guest sees it, by frames. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatIp, ip } from '../../src/net/address.ts';
import { ARP_OPERATION, arpFrame, parseArp } from '../../src/net/arp.ts';
import { addressesIn, encodeName } from '../../src/net/dns.ts';
import { fragmentPacket } from '../../src/net/fragments.ts';
import { completeFrame, ETHERNET_SIZE, ethernetOf, OFFLOAD_SIZE } from '../../src/net/frame.ts';
import { icmpFrame, soundIcmp } from '../../src/net/icmp.ts';
import { type IpPacket, newPacket, PROTOCOL, parseIpv4, parseIpv6 } from '../../src/net/ip.ts';
import { Nat, type NatOptions } from '../../src/net/nat.ts';
import { NetworkOptionError } from '../../src/net/policy.ts';
import { SUBNET } from '../../src/net/subnet.ts';
import { parseTcp, TCP_FLAG, type TcpSegment, tcpFrame } from '../../src/net/tcp/segment.ts';
import { parseUdp, udpFrame } from '../../src/net/udp.ts';
import { FakeHost } from './fake-host.ts';

const GUEST_MAC = Uint8Array.of(0x52, 0x54, 0, 0x12, 0x34, 0x56);
const GUEST = ip('10.0.2.15');
const GUEST6 = ip('fd68:696e:6473:0:5054:ff:fe12:3456');
const MACS = { sourceMac: GUEST_MAC, destinationMac: SUBNET.gatewayMac };
const WEB = { address: ip('192.0.2.80'), port: 80 };
const { syn: SYN, ack: ACK, rst: RST, fin: FIN } = TCP_FLAG;

class Guest {
  readonly host = new FakeHost();
  readonly nat: Nat;
  now = 0;
  private seed = 1;

  constructor(options: Partial<NatOptions> = {}) {
    this.nat = new Nat({
      host: this.host,
      random: () => (this.seed = (Math.imul(this.seed, 1_103_515_245) + 12_345) >>> 0),
      guestMac: GUEST_MAC,
      ...options,
    });
  }

  /** Sends a frame, and gives what comes back. */
  send(frame: Uint8Array): Uint8Array[] {
    this.nat.receive(frame, this.now);
    return this.take();
  }

  take(): Uint8Array[] {
    const frames: Uint8Array[] = [];
    for (let f = this.nat.pull(this.now); f !== undefined; f = this.nat.pull(this.now)) frames.push(f);
    return frames;
  }

  async later(): Promise<Uint8Array[]> {
    await new Promise((resolve) => setImmediate(resolve));
    return this.take();
  }

  tcp(to: { address: Uint8Array; port: number }, fields: Partial<TcpSegment>, port = 40_000): TcpSegment[] {
    const source = { address: to.address.length === 4 ? GUEST : GUEST6, port };
    const { data = new Uint8Array(0) } = fields;
    const frame = tcpFrame(
      { ...MACS, source, destination: to },
      { seq: 1000, ack: 0, flags: SYN, window: 65_535, ...fields },
      data.length,
      0,
      (target) => target.set(data),
    );
    return this.send(frame)
      .map(packet)
      .filter(({ protocol }) => protocol === PROTOCOL.tcp)
      .map(segment);
  }

  dns(name: string, type = 1, to = SUBNET.resolver): Uint8Array[] {
    const message = Uint8Array.of(0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, ...encodeName(name), 0, type, 0, 1);
    return this.send(udpFrame(MACS, { address: GUEST, port: 5353 }, { address: to, port: 53 }, message));
  }

  async ask(name: string, type = 1): Promise<{ status: number; addresses: string[] }> {
    const [answer] = [...this.dns(name, type), ...(await this.later())];
    const { data } = parseUdp(packet(answer), false)!;
    expect([data[0], data[1], data[2] & 0x80]).toEqual([0x12, 0x34, 0x80]);
    return { status: data[3] & 15, addresses: addressesIn(data).map(formatIp) };
  }
}

function packet(frame: Uint8Array): IpPacket {
  const bytes = ethernetOf(frame);
  const body = bytes.subarray(ETHERNET_SIZE);
  const parsed = bytes[12] === 0x86 ? parseIpv6(body) : parseIpv4(body);
  if (parsed === undefined) throw new Error('not an IP packet');
  return parsed;
}

function segment(from: IpPacket): TcpSegment {
  const parsed = parseTcp(from, false);
  if (parsed === undefined) throw new Error('not a segment');
  return parsed;
}

const ascii = (text: string): Uint8Array => new TextEncoder().encode(text);

describe('neighbours', () => {
  test('the router and the resolver answer ARP; others do not', () => {
    const guest = new Guest();
    for (const [address, answers] of [
      ['10.0.2.2', 1],
      ['10.0.2.3', 1],
      ['10.0.2.77', 0],
    ] as const) {
      const frames = guest.send(
        arpFrame(ARP_OPERATION.request, { mac: GUEST_MAC, address: GUEST }, { address: ip(address) }),
      );
      expect(frames).toHaveLength(answers);
      for (const frame of frames) {
        const reply = parseArp(ethernetOf(frame).subarray(ETHERNET_SIZE))!;
        expect([reply.operation, formatIp(reply.senderAddress)]).toEqual([ARP_OPERATION.reply, address]);
        expect(reply.senderMac).toEqual(SUBNET.gatewayMac);
      }
    }
  });

  test('a router solicitation is answered with prefix, MTU and resolver', () => {
    const guest = new Guest();
    const linkLocal = ip('fe80::5054:ff:fe12:3456');
    const head = {
      ...MACS,
      source: linkLocal,
      destination: ip('ff02::2'),
      protocol: PROTOCOL.icmpv6,
      hopLimit: 255,
    };
    const [frame] = guest.send(icmpFrame(head, Uint8Array.of(133, 0, 0, 0, 0, 0, 0, 0)));
    const advertisement = packet(frame);
    expect(soundIcmp(advertisement)).toBe(true);
    expect([advertisement.hopLimit, formatIp(advertisement.source), formatIp(advertisement.destination)]).toEqual([
      255,
      'fe80::2',
      'ff02::1',
    ]);
    const { payload } = advertisement;
    expect(payload[0]).toBe(134);
    expect(Buffer.from(payload).includes(Buffer.from(SUBNET.v6.address.subarray(0, 8)))).toBe(true);
    expect(Buffer.from(payload).includes(Buffer.from(SUBNET.resolver6))).toBe(true);
    // and again before it has run out
    guest.now = guest.nat.deadline;
    expect(guest.take()).toHaveLength(1);
  });

  test('neighbour solicitations for the router are answered, those for the guest itself are not', () => {
    const guest = new Guest();
    const solicit = (target: string, source: string): Uint8Array[] => {
      const message = new Uint8Array(24);
      message[0] = 135;
      message.set(ip(target), 8);
      const head = {
        ...MACS,
        source: ip(source),
        destination: ip('ff02::1:ff00:2'),
        protocol: PROTOCOL.icmpv6,
        hopLimit: 255,
      };
      return guest.send(icmpFrame(head, message));
    };
    expect(solicit('fe80::2', 'fe80::9')).toHaveLength(1);
    expect(solicit('fd68:696e:6473::3', 'fd68:696e:6473::9')).toHaveLength(1);
    // duplicate address detection of the guest's own
    expect(solicit('fd68:696e:6473::9', '::')).toHaveLength(0);
  });

  test('ping: the router answers, elsewhere is said to be out of reach', () => {
    const guest = new Guest();
    const echo = Uint8Array.of(8, 0, 0, 0, 0, 7, 0, 1, 1, 2, 3);
    const ping = (to: string): IpPacket =>
      packet(guest.send(icmpFrame({ ...MACS, source: GUEST, destination: ip(to), protocol: PROTOCOL.icmp }, echo))[0]);
    expect([...ping('10.0.2.2').payload.subarray(4)]).toEqual([...echo.subarray(4)]);
    expect(ping('10.0.2.2').payload[0]).toBe(0);
    const refused = ping('192.0.2.1');
    expect([refused.payload[0], refused.payload[1], soundIcmp(refused)]).toEqual([3, 13, true]);
    expect(formatIp(refused.payload.subarray(8 + 16, 8 + 20))).toBe('192.0.2.1');
  });
});

describe('DHCP', () => {
  const message = (type: number, options: readonly number[] = [], mac = GUEST_MAC): Uint8Array => {
    const bytes = new Uint8Array(300);
    bytes.set([1, 1, 6, 0, 0xca, 0xfe, 0xba, 0xbe]);
    bytes.set(mac, 28);
    bytes.set([0x63, 0x82, 0x53, 0x63, 53, 1, type, ...options, 255], 236);
    return udpFrame(
      { sourceMac: mac, destinationMac: Uint8Array.of(255, 255, 255, 255, 255, 255) },
      { address: new Uint8Array(4), port: 68 },
      { address: Uint8Array.of(255, 255, 255, 255), port: 67 },
      bytes,
    );
  };
  const answer = (frames: Uint8Array[]): { type: number; address: string; options: Map<number, number[]> } => {
    expect(frames).toHaveLength(1);
    const { data } = parseUdp(packet(frames[0]), false)!;
    const options = new Map<number, number[]>();
    for (let at = 240; data[at] !== 255; at += 2 + data[at + 1])
      options.set(data[at], [...data.subarray(at + 2, at + 2 + data[at + 1])]);
    return { type: options.get(53)![0], address: formatIp(data.subarray(16, 20)), options };
  };

  test('discover, offer, request, acknowledgement', () => {
    const guest = new Guest({ mtu: 9000 });
    const offer = answer(guest.send(message(1)));
    expect([offer.type, offer.address]).toEqual([2, '10.0.2.15']);
    const lease = answer(guest.send(message(3, [50, 4, ...GUEST, 54, 4, ...SUBNET.gateway])));
    expect([lease.type, lease.address]).toEqual([5, '10.0.2.15']);
    expect(lease.options.get(3)).toEqual([10, 0, 2, 2]);
    expect(lease.options.get(6)).toEqual([10, 0, 2, 3]);
    expect(lease.options.get(26)).toEqual([9000 >>> 8, 9000 & 255]);
  });

  test('an address of another network is refused, another server is left alone', () => {
    const guest = new Guest();
    expect(answer(guest.send(message(3, [50, 4, 192, 168, 1, 5]))).type).toBe(6);
    expect(guest.send(message(3, [50, 4, ...GUEST, 54, 4, 10, 0, 2, 99]))).toEqual([]);
  });

  test('each guest has an address of its own, and keeps it', () => {
    const guest = new Guest();
    const other = Uint8Array.of(0x52, 0x54, 0, 0, 0, 9);
    expect(answer(guest.send(message(1))).address).toBe('10.0.2.15');
    expect(answer(guest.send(message(1, [], other))).address).toBe('10.0.2.16');
    expect(answer(guest.send(message(1))).address).toBe('10.0.2.15');
    for (let i = 0; i < 1000; i++) guest.send(message(1, [], Uint8Array.of(2, 0, 0, 0, i >>> 8, i & 255)));
    expect(answer(guest.send(message(1, [], other))).address).toMatch(/^10\.0\.2\.\d+$/);
  });

  test('a guest that starts anew has left its connections behind', () => {
    const guest = new Guest();
    guest.tcp(WEB, {});
    expect(guest.nat.connections).toBe(1);
    guest.send(message(1));
    expect([guest.nat.connections, guest.host.connections[0].program.wasReset]).toEqual([0, true]);
  });
});

describe('names', () => {
  test('addresses come from the host, by version', async () => {
    const guest = new Guest();
    guest.host.names.set('example.test', [ip('192.0.2.7'), ip('2001:db8::7')]);
    expect(await guest.ask('Example.test')).toEqual({ status: 0, addresses: ['192.0.2.7'] });
    expect(await guest.ask('example.test', 28)).toEqual({ status: 0, addresses: ['2001:db8::7'] });
    expect(await guest.ask('nowhere.test')).toEqual({ status: 3, addresses: [] });
    expect(await guest.ask('broken.test')).toEqual({ status: 2, addresses: [] });
  });

  test('a name with addresses of the other version only is no name that is not there', async () => {
    const guest = new Guest();
    guest.host.names.set('old.test', [ip('192.0.2.7')]);
    expect(await guest.ask('old.test', 28)).toEqual({ status: 0, addresses: [] });
  });

  test('the host has a name', async () => {
    expect(await new Guest().ask('host.hindsight')).toEqual({ status: 0, addresses: ['10.0.2.2'] });
  });

  test("other types go to the host's resolver as they are", async () => {
    const guest = new Guest();
    await guest.ask('example.test', 15);
    expect(guest.host.queries).toHaveLength(1);
  });

  test('over TCP too', async () => {
    const guest = new Guest();
    guest.host.names.set('example.test', [ip('192.0.2.7')]);
    const server = { address: SUBNET.resolver, port: 53 };
    guest.tcp(server, {});
    const [synAck] = (await guest.later()).map((f) => segment(packet(f)));
    expect(synAck.flags).toBe(SYN | ACK);
    const query = Uint8Array.of(0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, ...encodeName('example.test'), 0, 1, 0, 1);
    guest.tcp(server, { seq: 1001, ack: synAck.seq + 1, flags: ACK, data: Uint8Array.of(0, query.length, ...query) });
    const data = (await guest.later()).map((f) => segment(packet(f))).find((s) => s.data.length > 0)!.data;
    expect(addressesIn(data.subarray(2)).map(formatIp)).toEqual(['192.0.2.7']);
  });
});

describe('TCP', () => {
  test('a connection of the guest becomes one of the host', () => {
    const guest = new Guest();
    expect(guest.tcp(WEB, { mss: 1460 })).toEqual([]);
    const { to, handler, program } = guest.host.connections[0];
    expect(to).toBe('192.0.2.80:80');
    handler.opened();
    const [synAck] = guest.take().map((f) => segment(packet(f)));
    expect(synAck).toMatchObject({ flags: SYN | ACK, ack: 1001, sourcePort: 80, destinationPort: 40_000 });
    const ack = synAck.seq + 1;
    guest.tcp(WEB, { seq: 1001, ack, flags: ACK, data: ascii('GET /') });
    expect(Buffer.from(program.received).toString()).toBe('GET /');
    handler.data(ascii('hello'));
    handler.ended();
    const [answer] = guest.take().map((f) => segment(packet(f)));
    expect([Buffer.from(answer.data).toString(), answer.flags & FIN]).toEqual(['hello', FIN]);
  });

  test('over IPv6 too', () => {
    const guest = new Guest();
    const to = { address: ip('2001:db8::80'), port: 443 };
    guest.tcp(to, {});
    guest.host.connections[0].handler.opened();
    expect(guest.take().map((f) => segment(packet(f)).flags)).toEqual([SYN | ACK]);
    expect(guest.host.connections[0].to).toBe('[2001:db8::80]:443');
  });

  test.each([
    ['refused', RST | ACK],
    ['reset', RST | ACK],
  ] as const)('a connection that is %s is reset', (why, flags) => {
    const guest = new Guest();
    guest.tcp(WEB, {});
    guest.host.connections[0].handler.failed(why);
    const [answer] = guest.take().map((f) => segment(packet(f)));
    expect([answer.flags, answer.ack]).toEqual([flags, 1001]);
    expect(guest.nat.connections).toBe(0);
  });

  test('a destination out of reach is reported by ICMP, which quotes the SYN', () => {
    const guest = new Guest();
    guest.tcp(WEB, {});
    guest.host.connections[0].handler.failed('unreachable');
    const [error] = guest.take().map(packet);
    expect([error.protocol, error.payload[0], error.payload[1], soundIcmp(error)]).toEqual([1, 3, 1, true]);
    const quoted = parseIpv4(error.payload.subarray(8))!;
    expect([formatIp(quoted.source), formatIp(quoted.destination)]).toEqual(['10.0.2.15', '192.0.2.80']);
    expect(parseTcp(quoted, false)).toMatchObject({ sourcePort: 40_000, destinationPort: 80, seq: 1000 });
  });

  test('segments of no connection are reset', () => {
    const guest = new Guest();
    expect(guest.tcp(WEB, { flags: ACK, ack: 77 })).toMatchObject([{ flags: RST, seq: 77 }]);
    expect(guest.tcp(WEB, { flags: RST })).toEqual([]);
  });

  test('a published port: the guest is connected to, and the host hears how it goes', () => {
    const guest = new Guest();
    const program = { handler: undefined as unknown };
    const streams: { written: number[]; wasReset: boolean }[] = [];
    const accept = (): void => {
      const stream = { written: [] as number[], wasReset: false };
      streams.push(stream);
      guest.nat.accept(8080, (handler) => {
        program.handler = handler;
        return {
          write: (bytes) => void stream.written.push(...bytes),
          end: () => undefined,
          reset: () => void (stream.wasReset = true),
          pause: () => undefined,
          resume: () => undefined,
        };
      });
    };
    accept();
    const [syn] = guest.take().map((f) => segment(packet(f)));
    expect(syn).toMatchObject({ flags: SYN, destinationPort: 8080 });
    const client = { address: SUBNET.gateway, port: syn.sourcePort };
    guest.tcp(client, { seq: 5000, ack: syn.seq + 1, flags: SYN | ACK }, 8080);
    guest.tcp(client, { seq: 5001, ack: syn.seq + 1, flags: ACK, data: ascii('hi') }, 8080);
    expect(streams[0].written).toEqual([...ascii('hi')]);
    accept();
    const [second] = guest
      .take()
      .map((f) => segment(packet(f)))
      .filter(({ flags }) => flags === SYN);
    // Not soon again the same: the guest remembers connections for a while after their end.
    expect(second.sourcePort).not.toBe(syn.sourcePort);
    guest.tcp(
      { address: SUBNET.gateway, port: second.sourcePort },
      { seq: 0, ack: second.seq + 1, flags: RST | ACK },
      8080,
    );
    expect(streams[1].wasReset).toBe(true);
  });

  test('thousands of connections at once, and no more than there may be', () => {
    const guest = new Guest();
    for (let port = 1; port <= 9000; port++) guest.tcp(WEB, {}, port);
    expect(guest.nat.connections).toBe(8192);
    expect(guest.tcp(WEB, {}, 9500)).toMatchObject([{ flags: RST | ACK }]);
    for (const { handler } of guest.host.connections) handler.opened();
    expect(guest.take()).toHaveLength(8192);
  });

  test('what the guest does not read is held back on the host', () => {
    const guest = new Guest();
    guest.tcp(WEB, {});
    const { handler, program } = guest.host.connections[0];
    handler.opened();
    const [synAck] = guest.take().map((f) => segment(packet(f)));
    guest.tcp(WEB, { seq: 1001, ack: synAck.seq + 1, flags: ACK, window: 0 });
    let given = 0;
    while (!program.paused && given < 64 << 20) {
      handler.data(new Uint8Array(65_536));
      given += 65_536;
    }
    expect([program.paused, given <= 4 << 20]).toEqual([true, true]);
    expect(guest.take()).toEqual([]);
  });
});

describe('UDP', () => {
  const send = (guest: Guest, to: string, port: number, data: Uint8Array): Uint8Array[] =>
    guest.send(udpFrame(MACS, { address: GUEST, port: 7000 }, { address: ip(to), port }, data));

  test('one socket for a port of the guest; only those that were written to may answer', () => {
    const guest = new Guest();
    send(guest, '192.0.2.1', 9, ascii('a'));
    send(guest, '192.0.2.2', 9, ascii('b'));
    const [socket, ...rest] = guest.host.sockets;
    expect([rest.length, socket.sent.map(({ to }) => to)]).toEqual([0, ['192.0.2.1:9', '192.0.2.2:9']]);
    socket.received({ address: ip('192.0.2.2'), port: 99 }, ascii('yes'));
    socket.received({ address: ip('192.0.2.3'), port: 9 }, ascii('no'));
    const [answer, ...more] = guest.take().map((f) => parseUdp(packet(f), false)!);
    expect([more.length, answer.sourcePort, answer.destinationPort]).toEqual([0, 99, 7000]);
    expect(Buffer.from(answer.data).toString()).toBe('yes');
  });

  test('flows end when they are silent, and the oldest makes room', () => {
    const guest = new Guest();
    send(guest, '192.0.2.1', 9, ascii('a'));
    guest.now = 119_000;
    guest.take();
    expect(guest.host.sockets[0].closed).toBe(false);
    guest.now = 121_000;
    guest.take();
    expect(guest.host.sockets[0].closed).toBe(true);
    for (let port = 1; port <= 2000; port++)
      guest.send(udpFrame(MACS, { address: GUEST, port }, { address: ip('192.0.2.1'), port: 9 }, ascii('x')));
    expect(guest.host.sockets.filter(({ closed }) => !closed)).toHaveLength(1024);
  });

  test('large datagrams are cut and put together', () => {
    const guest = new Guest();
    const data = Uint8Array.from({ length: 20_000 }, (_, i) => i & 0xff);
    const to = { address: ip('192.0.2.1'), port: 9 };
    const head = { ...MACS, source: GUEST, destination: to.address, protocol: PROTOCOL.udp };
    const pieces = fragmentPacket(udpFrame(MACS, { address: GUEST, port: 7000 }, to, data), head, 1500, 77);
    expect(pieces.length).toBeGreaterThan(10);
    for (const piece of [...pieces].reverse()) guest.send(piece);
    expect(guest.host.sockets[0].sent[0].data).toEqual(data);
    guest.host.sockets[0].received(to, data);
    const back = guest.take();
    expect(Math.max(...back.map(({ length }) => length))).toBeLessThanOrEqual(1500 + ETHERNET_SIZE + OFFLOAD_SIZE);
    expect(back.map(packet).reduce((sum, { payload }) => sum + payload.length, 0)).toBe(20_008);
  });

  test('published: the guest answers whoever asked', () => {
    const guest = new Guest();
    const replies: string[] = [];
    const ask = (port: number, text: string): void =>
      guest.nat.acceptDatagram(53, { address: ip('127.0.0.1'), port }, ascii(text), (data) =>
        replies.push(`${port} ${Buffer.from(data).toString()}`),
      );
    ask(1000, 'one');
    ask(1001, 'two');
    for (const question of guest.take().map((f) => parseUdp(packet(f), false)!)) {
      const to = { address: SUBNET.gateway, port: question.sourcePort };
      guest.send(udpFrame(MACS, { address: GUEST, port: 53 }, to, question.data));
    }
    expect(replies).toEqual(['1000 one', '1001 two']);
  });
});

describe('rules', () => {
  const reaches = (guest: Guest, address: string, port = 80): boolean => {
    const before = guest.host.connections.length;
    guest.tcp({ address: ip(address), port }, {}, 30_000 + before);
    return guest.host.connections.length > before;
  };

  test("the host's loopback and its addresses are out of reach unless asked for", () => {
    const guest = new Guest();
    guest.host.own = ['192.0.2.200'];
    for (const address of ['10.0.2.2', '127.0.0.1', '::1', '::ffff:127.0.0.1', '0.0.0.0', '192.0.2.200'])
      expect([address, reaches(guest, address)]).toEqual([address, false]);
    const open = new Guest({ allowHost: true });
    expect(reaches(open, '10.0.2.2', 8000)).toBe(true);
    expect(open.host.connections[0].to).toBe('127.0.0.1:8000');
    expect(reaches(open, 'fd68:696e:6473::2', 8000)).toBe(true);
    expect(open.host.connections[1].to).toBe('[::1]:8000');
  });

  test('a closed host is a closed port; a prohibited destination is said to be so', () => {
    const guest = new Guest({ allow: ['10.9.0.0/16'] });
    expect(guest.tcp({ address: SUBNET.gateway, port: 80 }, {})).toMatchObject([{ flags: RST | ACK }]);
    const syn = tcpFrame(
      { ...MACS, source: { address: GUEST, port: 1 }, destination: WEB },
      { seq: 1, ack: 0, flags: SYN, window: 0 },
    );
    const [error] = guest.send(syn).map(packet);
    expect([error.payload[0], error.payload[1]]).toEqual([3, 13]);
    expect(guest.nat.counters.prohibited).toBe(2);
  });

  test('patterns: blocks, ports, names as they were answered', async () => {
    const guest = new Guest({
      allow: ['10.9.0.0/16', '192.0.2.1:443', '[2001:db8::]:1', '*.example.test:80', 'one.test'],
    });
    guest.host.names.set('a.example.test', [ip('198.51.100.1')]);
    guest.host.names.set('one.test', [ip('198.51.100.2')]);
    guest.host.names.set('two.test', [ip('198.51.100.3')]);
    expect([reaches(guest, '10.9.3.4'), reaches(guest, '10.10.0.1')]).toEqual([true, false]);
    expect([reaches(guest, '192.0.2.1', 443), reaches(guest, '192.0.2.1', 80)]).toEqual([true, false]);
    expect(reaches(guest, '198.51.100.1')).toBe(false); // nobody asked for its name yet
    expect((await guest.ask('a.example.test')).status).toBe(0);
    expect((await guest.ask('one.test')).status).toBe(0);
    expect((await guest.ask('two.test')).status).toBe(5); // refused: a question can carry secrets out
    expect([reaches(guest, '198.51.100.1'), reaches(guest, '198.51.100.1', 443)]).toEqual([true, false]);
    expect([reaches(guest, '198.51.100.2', 22), reaches(guest, '198.51.100.3', 22)]).toEqual([true, false]);
  });

  test('nothing allowed is nothing reached, not even names', async () => {
    const guest = new Guest({ allow: [] });
    expect(reaches(guest, '192.0.2.1')).toBe(false);
    expect((await guest.ask('example.test')).status).toBe(5);
    expect((await guest.ask('example.test', 16)).status).toBe(5);
  });

  test.each(['300.1.1.1', '10.0.0.0/33', 'a b', 'example.test:0', 'example.test:99999', '[::1', '[nonsense]:3', ''])(
    'the pattern "%s" is refused by name',
    (pattern) => {
      expect(() => new Guest({ allow: [pattern] })).toThrow(NetworkOptionError);
      expect(() => new Guest({ allow: [pattern] })).toThrow(`--allow ${pattern}`);
    },
  );
});

describe('hostile frames', () => {
  const seeds = [
    arpFrame(1, { mac: GUEST_MAC, address: GUEST }, { address: SUBNET.gateway }),
    udpFrame(MACS, { address: GUEST, port: 1 }, { address: SUBNET.resolver, port: 53 }, new Uint8Array(40)),
    udpFrame(MACS, { address: GUEST, port: 68 }, { address: SUBNET.gateway, port: 67 }, new Uint8Array(300)),
    tcpFrame(
      { ...MACS, source: { address: GUEST, port: 1 }, destination: WEB },
      { seq: 1, ack: 0, flags: SYN, window: 9, mss: 9, scale: 40 },
    ),
    newPacket({ ...MACS, source: GUEST6, destination: ip('ff02::1'), protocol: 0 }, 64),
    newPacket({ ...MACS, source: GUEST6, destination: SUBNET.gateway6, protocol: 44 }, 64),
  ];

  test('change nothing but counters: cut, random, mutated', () => {
    const mutated = fc
      .record({
        seed: fc.nat(seeds.length - 1),
        cut: fc.option(fc.nat(400)),
        pokes: fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { maxLength: 12 }),
      })
      .map(({ seed, cut, pokes }) => {
        const frame = seeds[seed].slice(0, cut === null ? undefined : Math.max(OFFLOAD_SIZE, cut));
        for (const [at, value] of pokes) if (at < frame.length) frame[at] = value;
        return frame;
      });
    const random = fc.uint8Array({ maxLength: 200 }).map(completeFrame);
    const guest = new Guest();
    fc.assert(
      fc.property(fc.oneof(mutated, random), (frame) => {
        guest.now += 1;
        guest.send(frame);
      }),
      { numRuns: 4000, seed: 77 },
    );
    expect(guest.nat.connections).toBeLessThanOrEqual(2000);
    expect(guest.nat.counters.malformed).toBeGreaterThan(1000);
    // it still works
    const [reply] = guest.send(seeds[0]);
    expect(parseArp(ethernetOf(reply).subarray(ETHERNET_SIZE))?.operation).toBe(ARP_OPERATION.reply);
  });

  test('wrong checksums are dropped, unless they were left to the host', () => {
    const guest = new Guest();
    const frame = udpFrame(MACS, { address: GUEST, port: 1 }, { address: ip('192.0.2.1'), port: 9 }, ascii('x'));
    frame[frame.length - 1] ^= 1;
    guest.send(frame);
    expect([guest.host.sockets.length, guest.nat.counters.malformed]).toEqual([0, 1]);
    frame[0] = 1;
    guest.send(frame);
    expect(guest.host.sockets.length).toBe(1);
  });

  test('a guest that does not read gets what fits, and the rest is dropped', () => {
    const guest = new Guest();
    const frame = seeds[0];
    for (let i = 0; i < 50_000; i++) guest.nat.receive(frame, 0);
    expect(guest.nat.counters.dropped).toBeGreaterThan(20_000);
    expect(guest.take().length).toBeLessThan(30_000);
  });
});
