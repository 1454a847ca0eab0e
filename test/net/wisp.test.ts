/** The relay and its client, with each other and with other implementations of the Wisp protocol. */
import { createHash, randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { createServer as createHttpServer, type Server as HttpServer } from 'node:http';
import { type AddressInfo, createServer, type Server } from 'node:net';
// @ts-expect-error there are no types
import { client as otherClient } from '@mercuryworkshop/wisp-js/client';
// @ts-expect-error there are no types
import { logging, server as otherServer } from '@mercuryworkshop/wisp-js/server';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { type Relay, type RelayOptions, serveRelay } from '../../src/host/node/net/relay.ts';
import { type Endpoint, formatIp, ip } from '../../src/net/address.ts';
import type { StreamHandler } from '../../src/net/host.ts';
import { parseWisp, type WispPacket, wispMessage } from '../../src/net/wisp.ts';
import { WispClient } from '../../src/net/wisp-client.ts';

const LOOPBACK = ip('127.0.0.1');
const portOf = (server: { address(): string | AddressInfo | null }): number => (server.address() as AddressInfo).port;
const listening = (server: Server | HttpServer): Promise<void> =>
  new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));

/** Our client over a WebSocket. */
function clientOf(url: string): { readonly client: WispClient; readonly sockets: WebSocket[] } {
  const sockets: WebSocket[] = [];
  const client = new WispClient({
    open({ message, closed }) {
      const socket = new WebSocket(url);
      sockets.push(socket);
      socket.binaryType = 'nodebuffer';
      socket.on('message', (bytes: Buffer) => message(bytes));
      socket.on('error', () => undefined);
      socket.on('close', closed);
      return { send: (bytes) => socket.send(bytes) };
    },
    after: (milliseconds, callback) => void setTimeout(callback, milliseconds).unref(),
  });
  return { client, sockets };
}

/** What a stream reported. */
class Program implements StreamHandler {
  readonly received: Uint8Array[] = [];
  readonly said: string[] = [];
  drainedBytes = 0;
  private waiters: (() => void)[] = [];

  opened = (): void => this.say('opened');
  ended = (): void => this.say('ended');
  failed = (why: string): void => this.say(why);

  data(bytes: Uint8Array): void {
    this.received.push(bytes);
    this.wake();
  }

  drained(bytes: number): void {
    this.drainedBytes += bytes;
    this.wake();
  }

  get bytes(): Buffer {
    return Buffer.concat(this.received);
  }

  async until(met: () => boolean): Promise<void> {
    while (!met()) await new Promise<void>((resolve) => this.waiters.push(resolve));
  }

  private say(word: string): void {
    this.said.push(word);
    this.wake();
  }

  private wake(): void {
    for (const waiter of this.waiters.splice(0)) waiter();
  }
}

describe('packets', () => {
  const stream = fc.integer({ min: 0, max: 0xffff_ffff });
  const packet: fc.Arbitrary<WispPacket> = fc.oneof(
    fc.record({
      type: fc.constant('connect' as const),
      stream,
      protocol: fc.constantFrom('tcp' as const, 'udp' as const),
      host: fc.domain(),
      port: fc.integer({ min: 0, max: 65_535 }),
    }),
    fc.record({ type: fc.constant('data' as const), stream, data: fc.uint8Array() }),
    fc.record({ type: fc.constant('continue' as const), stream, room: stream }),
    fc.record({ type: fc.constant('close' as const), stream, reason: fc.integer({ min: 0, max: 255 }) }),
  );

  test('are read as they were written', () => {
    fc.assert(
      fc.property(packet, (one) => {
        expect(parseWisp(wispMessage(one))).toEqual(one);
      }),
    );
  });

  test('that are none are undefined, not errors', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        parseWisp(bytes);
      }),
    );
    for (const bytes of [
      [],
      [2, 0, 0, 0],
      [1, 1, 0, 0, 0, 3, 80, 0, 97],
      [3, 1, 0, 0, 0, 1],
      [4, 1, 0, 0, 0],
      [9, 0, 0, 0, 0],
    ])
      expect(parseWisp(Uint8Array.from(bytes))).toBeUndefined();
  });

  test('lie as the specification has them', () => {
    const connect = { type: 'connect', stream: 0x01020304, protocol: 'tcp', host: 'ab', port: 0x1f90 } as const;
    expect([...wispMessage(connect)]).toEqual([1, 4, 3, 2, 1, 1, 0x90, 0x1f, 97, 98]);
    expect([...wispMessage({ type: 'continue', stream: 0, room: 128 })]).toEqual([3, 0, 0, 0, 0, 128, 0, 0, 0]);
  });
});

describe('a relay', () => {
  let echo: Server;
  let hello: HttpServer;
  let other: HttpServer;
  const relays: Relay[] = [];
  const opened: WebSocket[] = [];

  beforeAll(async () => {
    logging.set_level(logging.NONE);
    echo = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.pipe(socket);
    });
    hello = createHttpServer((_request, response) => response.end('hello'));
    otherServer.options.allow_loopback_ips = true;
    otherServer.options.allow_private_ips = true;
    other = createHttpServer();
    other.on('upgrade', (request, socket, head) => otherServer.routeRequest(request, socket, head));
    await Promise.all([echo, hello, other].map(listening));
  });
  afterAll(() => {
    for (const socket of opened) socket.terminate();
    for (const relay of relays) relay.close();
    for (const server of [echo, hello, other]) server.close();
    hello.closeAllConnections();
    other.closeAllConnections();
  });

  async function relayed(
    options: Partial<RelayOptions> = {},
  ): Promise<{ client: WispClient; relay: Relay; sockets: WebSocket[] }> {
    const relay = await serveRelay({ host: '127.0.0.1', port: 0, allowHost: true, ...options });
    relays.push(relay);
    return { relay, ...clientOf(`ws://127.0.0.1:${relay.port}/`) };
  }

  const at = (server: { address(): string | AddressInfo | null }): Endpoint => ({
    address: LOOPBACK,
    port: portOf(server),
  });

  /** Sends much to the echo server, as far as there is room, and compares what comes back. */
  async function echoes(client: WispClient): Promise<void> {
    const program = new Program();
    const stream = client.connect(at(echo), program);
    const sent = createHash('sha256');
    const total = 6_000_000;
    const piece = 50_000;
    for (let done = 0; done < total; done += piece) {
      await program.until(() => done - program.drainedBytes < 1_000_000);
      const bytes = randomBytes(piece);
      sent.update(bytes);
      stream.write(bytes);
    }
    await program.until(() => program.received.reduce((sum, { length }) => sum + length, 0) === total);
    expect(createHash('sha256').update(program.bytes).digest('hex')).toBe(sent.digest('hex'));
    expect(program.said).toEqual(['opened']);
    stream.reset();
  }

  test('of ours carries what our client sends, both ways', async () => echoes((await relayed()).client));

  test('of wisp-js carries it too', () => echoes(clientOf(`ws://127.0.0.1:${portOf(other)}/`).client));

  test("of ours serves wisp-js's client", async () => {
    const { relay } = await relayed();
    const connection = new otherClient.ClientConnection(`ws://127.0.0.1:${relay.port}/`, { wisp_version: 1 });
    await new Promise<void>((resolve) => (connection.onopen = resolve));
    const text = await new Promise<string>((resolve) => {
      const stream = connection.create_stream('127.0.0.1', portOf(hello));
      let all = '';
      stream.onmessage = (bytes: Uint8Array) => (all += Buffer.from(bytes).toString());
      stream.onclose = () => resolve(all);
      stream.send(Buffer.from('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'));
    });
    connection.close();
    expect(text).toMatch(/^HTTP\/1.1 200 OK\r\n[\s\S]*hello/);
  });

  test('resolves names, which have addresses of their own here', async () => {
    const { client } = await relayed();
    const [address] = await client.lookup('localhost');
    expect(formatIp(address)).toMatch(/^198\.1[89]\./);
    expect(await client.lookup('localhost')).toEqual([address]);
    expect(await client.lookup('other.test')).not.toEqual([address]);
    const program = new Program();
    const stream = client.connect({ address, port: portOf(hello) }, program);
    stream.write(Buffer.from('GET / HTTP/1.0\r\n\r\n'));
    await program.until(() => program.said.includes('ended'));
    expect(program.bytes.toString()).toContain('hello');
    // Nobody is there for what comes after.
    stream.write(Buffer.from('more'));
    await program.until(() => program.said.includes('reset'));
    expect(program.said).toEqual(['opened', 'ended', 'reset']);
  });

  test.each([
    ['a port at which nobody listens', {}, { address: LOOPBACK, port: 1 }, 'refused'],
    ["the host's own loopback, unless asked for", { allowHost: false }, undefined, 'prohibited'],
    ['what no pattern names', { allow: ['192.0.2.0/24', 'example.org:443'] }, undefined, 'prohibited'],
  ] as const)('does not reach %s', async (_what, options, to, why) => {
    const { client } = await relayed(options);
    const program = new Program();
    client.connect(to ?? at(echo), program);
    await program.until(() => program.said.includes(why));
    expect(program.said.at(-1)).toBe(why);
  });

  test('reaches what a pattern names, and no other port of it', async () => {
    const { client } = await relayed({ allow: [`localhost:${portOf(hello)}`] });
    const [address] = await client.lookup('localhost');
    const [good, bad, unknown] = [new Program(), new Program(), new Program()];
    client.connect({ address, port: portOf(hello) }, good).write(Buffer.from('GET / HTTP/1.0\r\n\r\n'));
    client.connect({ address, port: portOf(echo) }, bad);
    const [elsewhere] = await client.lookup('elsewhere.test');
    client.connect({ address: elsewhere, port: 80 }, unknown);
    await good.until(() => good.said.includes('ended'));
    await bad.until(() => bad.said.includes('prohibited'));
    await unknown.until(() => unknown.said.includes('prohibited'));
    expect(good.bytes.toString()).toContain('hello');
  });

  test('carries datagrams', async () => {
    const socket = createSocket('udp4');
    socket.on('message', (data, { port, address }) => socket.send(`back ${data.toString()}`, port, address));
    await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
    const { client } = await relayed();
    const text = await new Promise<string>((resolve) => {
      const datagrams = client.datagrams(4, (from, data) => {
        datagrams.close();
        resolve(`${from.port} ${Buffer.from(data).toString()}`);
      });
      datagrams.send({ address: LOOPBACK, port: socket.address().port }, Buffer.from('and forth'));
    });
    expect(text).toBe(`${socket.address().port} back and forth`);
    socket.close();
  });

  test('that is not there, or goes away, is a network that is not there; one that comes back is used again', async () => {
    const { relay, client } = await relayed();
    const program = new Program();
    const stream = client.connect(at(echo), program);
    stream.write(Buffer.from('x'));
    await program.until(() => program.received.length > 0);
    relay.close();
    await program.until(() => program.said.length > 1);
    expect(program.said).toEqual(['opened', 'reset']);
    const second = new Program();
    client.connect(at(echo), second);
    await second.until(() => second.said.length > 0);
    expect(second.said).toEqual(['unreachable']);
    relays.push(await serveRelay({ host: '127.0.0.1', port: relay.port, allowHost: true }));
    const third = new Program();
    client.connect(at(echo), third).write(Buffer.from('y'));
    await third.until(() => third.received.length > 0);
    expect(third.bytes.toString()).toBe('y');
  });

  test('lets in pages of this computer and of origins it was told, and programs', async () => {
    const { relay } = await relayed({ origins: ['https://example.org'] });
    const enters = (origin?: string): Promise<boolean> =>
      new Promise((resolve) => {
        const socket = new WebSocket(`ws://127.0.0.1:${relay.port}/`, origin === undefined ? {} : { origin });
        opened.push(socket);
        socket.on('open', () => resolve(true));
        socket.on('error', () => resolve(false));
      });
    expect(await enters()).toBe(true);
    expect(await enters('http://localhost:8080')).toBe(true);
    expect(await enters('https://example.org')).toBe(true);
    for (const origin of [
      'https://example.com',
      'null',
      'http://localhost.example.com',
      'https://example.org.evil.test',
    ])
      expect(await enters(origin)).toBe(false);
  });

  test('cuts off who speaks something else, and closes what is used wrongly', async () => {
    const { relay } = await relayed();
    const socket = new WebSocket(`ws://127.0.0.1:${relay.port}/`);
    opened.push(socket);
    const packets: (WispPacket | undefined)[] = [];
    let more = (): void => undefined;
    socket.on('message', (bytes: Buffer) => {
      packets.push(parseWisp(bytes));
      more();
    });
    const next = async (count: number): Promise<void> => {
      while (packets.length < count) await new Promise<void>((resolve) => (more = resolve));
    };
    await next(1);
    expect(packets[0]).toEqual({ type: 'continue', stream: 0, room: 128 });
    const connect = { type: 'connect', protocol: 'tcp', host: '127.0.0.1', port: portOf(echo) } as const;
    socket.send(wispMessage({ ...connect, stream: 7 }));
    socket.send(wispMessage({ ...connect, stream: 7 }));
    socket.send(wispMessage({ type: 'data', stream: 99, data: new Uint8Array(10) }));
    await next(2);
    expect(packets[1]).toEqual({ type: 'close', stream: 7, reason: 0x41 });
    // A flood without waiting for room is bounded.
    socket.send(wispMessage({ ...connect, stream: 8, port: portOf(echo) }));
    for (let i = 0; i < 400; i++) socket.send(wispMessage({ type: 'data', stream: 8, data: new Uint8Array(100_000) }));
    await new Promise<void>((resolve) => {
      more = () => packets.some((one) => one?.type === 'close' && one.stream === 8) && resolve();
      more();
    });
    const closed = new Promise((resolve) => socket.on('close', resolve));
    socket.send('text');
    expect(await closed).toBe(1002);
  });

  test('does not start with a pattern that is none, or at a port that is taken', async () => {
    await expect(relayed({ allow: ['300.1.1.1'] })).rejects.toThrow('--allow 300.1.1.1: expected');
    await expect(relayed({ port: portOf(echo) })).rejects.toThrow('EADDRINUSE');
  });
});
