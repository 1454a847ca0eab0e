import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { HostStream, StreamHandler } from '../../src/net/host.ts';
import { type GatewayRequest, type GatewayResponse, httpGateway } from '../../src/net/http-gateway.ts';

/** What the guest sees of a gateway. */
class Guest implements StreamHandler {
  text = '';
  over: string | undefined;
  readonly stream: HostStream;
  private waiters: (() => void)[] = [];

  constructor(fetch: (request: GatewayRequest) => Promise<GatewayResponse>) {
    this.stream = httpGateway(this, fetch);
  }

  opened(): void {}
  drained(): void {}

  data(bytes: Uint8Array): void {
    this.text += Buffer.from(bytes).toString('latin1');
    this.wake();
  }

  ended(): void {
    this.over = 'ended';
    this.wake();
  }

  failed(why: string): void {
    this.over = why;
    this.wake();
  }

  send(text: string): void {
    this.stream.write(Buffer.from(text, 'latin1'));
  }

  async until(met: () => boolean): Promise<void> {
    while (!met()) await new Promise<void>((resolve) => this.waiters.push(resolve));
  }

  private wake(): void {
    for (const waiter of this.waiters.splice(0)) waiter();
  }
}

const responds = (...pieces: string[]): GatewayResponse => ({
  status: 200,
  statusText: 'OK',
  headers: [
    ['content-type', 'text/plain'],
    ['content-encoding', 'gzip'],
    ['Content-Length', '999'],
  ],
  next: async () => {
    const piece = pieces.shift();
    return piece === undefined ? undefined : Buffer.from(piece);
  },
  cancel: () => undefined,
});

const ok = 'HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n';

test('passes requests on and responses back, one after the other, however they are cut', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 12 }), async (cuts) => {
      const asked: GatewayRequest[] = [];
      const guest = new Guest(async (request) => {
        asked.push(request);
        return responds('first', ' second');
      });
      let text =
        'GET /a?b HTTP/1.1\r\nHost: example.org:81\r\nAccept: */*\r\nConnection: keep-alive\r\n\r\n' +
        'POST /c HTTP/1.1\r\nHost: example.org\r\nContent-Length: 4\r\n\r\nbody' +
        'PUT http://other.test/d HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3;x\r\nabc\r\n2\r\nde\r\n0\r\nT: v\r\n\r\n';
      for (const cut of cuts) {
        guest.send(text.slice(0, cut));
        text = text.slice(cut);
        await Promise.resolve();
      }
      guest.send(text);
      await guest.until(() => guest.over !== undefined);
      expect(asked.map(({ method, authority, target }) => `${method} ${authority} ${target}`)).toEqual([
        'GET example.org:81 /a?b',
        'POST example.org /c',
        'PUT other.test /d',
      ]);
      expect(asked.map(({ body }) => body && Buffer.from(body).toString())).toEqual([undefined, 'body', 'abcde']);
      expect(asked[0].headers).toEqual([['accept', '*/*']]);
      const chunks = '5\r\nfirst\r\n7\r\n second\r\n0\r\n\r\n';
      const last = ok.replace(/\r\n\r\n$/, '\r\nconnection: close\r\n\r\n');
      expect(guest.text).toBe(ok + chunks + ok + chunks + last + chunks);
      expect(guest.over).toBe('ended');
    }),
    { numRuns: 50 },
  );
});

test('an HTTP/1.0 response ends with its connection; one to HEAD has no body', async () => {
  const old = new Guest(async () => responds('all'));
  old.send('GET / HTTP/1.0\r\n\r\n');
  await old.until(() => old.over !== undefined);
  expect(old.text).toBe('HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nconnection: close\r\n\r\nall');
  const head = new Guest(async () => responds('not sent'));
  head.send('HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  await head.until(() => head.over !== undefined);
  expect(head.text).not.toContain('not sent');
});

test('what cannot be fetched is a 502 that says why, and the connection goes on', async () => {
  let fails = true;
  const guest = new Guest(async () => {
    if (fails) throw new Error('it does not allow other origins (CORS)');
    return responds('x');
  });
  guest.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  await guest.until(() => guest.text.includes('CORS'));
  expect(guest.text).toMatch(/^HTTP\/1.1 502 Gateway\r\n/);
  fails = false;
  guest.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  await guest.until(() => guest.text.endsWith('0\r\n\r\n'));
  guest.stream.end();
  await guest.until(() => guest.over !== undefined);
  expect(guest.over).toBe('ended');
});

test('a guest that does not read holds the response back', async () => {
  let pulled = 0;
  const guest = new Guest(async () => ({
    ...responds(),
    next: async () => (++pulled > 10_000 ? undefined : Buffer.alloc(1000)),
  }));
  guest.send('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  await guest.until(() => guest.text !== '');
  guest.stream.pause();
  for (let turn = 0; turn < 1000; turn++) await Promise.resolve();
  expect(pulled).toBeLessThan(1000);
  guest.stream.resume();
  await guest.until(() => guest.over !== undefined);
  expect(pulled).toBe(10_001);
});

test.each([
  ['\x16\x03\x01\x02\x00 a TLS hello', 'reset', ''],
  ['SSH-2.0-OpenSSH_10\r\n\r\n', 'reset', ''],
  ['GET / HTTP/1.1\r\nno header\r\n\r\n', 'ended', 'HTTP/1.1 400'],
  ['CONNECT a:443 HTTP/1.1\r\n\r\n', 'ended', 'HTTP/1.1 501'],
  [`GET / HTTP/1.1\r\nA: ${'x'.repeat(70_000)}`, 'ended', 'HTTP/1.1 431'],
  ['POST / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n', 'ended', 'HTTP/1.1 413'],
  ['POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n', 'ended', 'HTTP/1.1 400'],
])('%j ends as %s', async (text, over, answer) => {
  const guest = new Guest(async () => responds());
  guest.send(text);
  await guest.until(() => guest.over !== undefined);
  expect([guest.over, guest.text.slice(0, answer.length)]).toEqual([over, answer]);
});

test('bytes of any kind end or wait, and nothing is thrown', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 8 }), async (pieces) => {
      const guest = new Guest(async () => responds('x'));
      for (const piece of pieces) guest.stream.write(piece);
      guest.stream.end();
      await guest.until(() => guest.over !== undefined);
    }),
  );
});
