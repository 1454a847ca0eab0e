import type { HostStream, StreamHandler } from './host.ts';

/** Bytes of a request's head, and of its body. */
const MOST_HEAD = 64 * 1024;
const MOST_BODY = 16 * 1024 * 1024;
/** Headers of one connection, not of the message (RFC 9110, 7.6.1), and those that the other side writes itself. */
const HOP_BY_HOP = [
  'connection',
  'content-length',
  'expect',
  'host',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
];
/** What no longer holds of a body that was decoded on the way. */
const OF_CODED_BODY = ['content-encoding', 'content-length'];

type Header = readonly [name: string, value: string];

/** A request of the guest's. */
export interface GatewayRequest {
  readonly method: string;
  /** Where it goes: what `Host` says, with its port. */
  readonly authority: string | undefined;
  /** Path and query. */
  readonly target: string;
  /** Without those of the connection. */
  readonly headers: readonly Header[];
  readonly body: Uint8Array | undefined;
}

/** What came of it. */
export interface GatewayResponse {
  readonly status: number;
  readonly statusText: string;
  readonly headers: Iterable<Header>;
  /** The next piece of the body; undefined after the last. */
  next(): Promise<Uint8Array | undefined>;
  /** Nobody wants the rest. */
  cancel(): void;
}

/** A request that can't be served: a status of HTTP's and why. */
class RequestError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const latin1 = (bytes: Uint8Array): string => {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
};

/**
 * The other end of a guest's connection that speaks HTTP/1.1 (RFC 9112): each request is passed on whole, its response comes as it comes.
 * A guest that speaks something else is reset.
 * @param fetch rejects with what the guest is shown when there is no response
 */
export function httpGateway(
  handler: StreamHandler,
  fetch: (request: GatewayRequest) => Promise<GatewayResponse>,
): HostStream {
  return new Gateway(handler, fetch);
}

class Gateway implements HostStream {
  private readonly handler: StreamHandler;
  private readonly fetch: (request: GatewayRequest) => Promise<GatewayResponse>;
  private buffered = new Uint8Array(0);
  private wakeUp: (() => void) | undefined;
  private guestEnded = false;
  private over = false;
  private held: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined;
  private response: GatewayResponse | undefined;

  constructor(handler: StreamHandler, fetch: (request: GatewayRequest) => Promise<GatewayResponse>) {
    this.handler = handler;
    this.fetch = fetch;
    void Promise.resolve().then(() => this.serve());
  }

  write(bytes: Uint8Array): void {
    const all = new Uint8Array(this.buffered.length + bytes.length);
    all.set(this.buffered);
    all.set(bytes, this.buffered.length);
    this.buffered = all;
    void Promise.resolve().then(() => this.over || this.handler.drained(bytes.length));
    this.wake();
  }

  end(): void {
    this.guestEnded = true;
    this.wake();
  }

  reset(): void {
    this.over = true;
    this.response?.cancel();
    this.wake();
    this.resume();
  }

  pause(): void {
    if (this.held !== undefined) return;
    let resolve!: () => void;
    const promise = new Promise<void>((done) => (resolve = done));
    this.held = { promise, resolve };
  }

  resume(): void {
    this.held?.resolve();
    this.held = undefined;
  }

  private wake(): void {
    this.wakeUp?.();
    this.wakeUp = undefined;
  }

  private async serve(): Promise<void> {
    if (this.over) return;
    this.handler.opened();
    try {
      while (await this.one());
      if (!this.over) this.handler.ended();
    } catch (error) {
      if (this.over) return;
      if (error instanceof RequestError && error.status > 0) {
        this.answer(error.status, error.message, true);
        this.handler.ended();
      } else this.handler.failed('reset');
    }
    this.over = true;
  }

  /** Serves one request. @returns whether another may follow */
  private async one(): Promise<boolean> {
    const head = await this.head();
    if (head === undefined) return false;
    const [first, ...lines] = head.split('\r\n');
    const [, method, target, minor] = /^([!#$%&'*+.^_`|~\w-]+) (\S+) HTTP\/1\.([01])$/.exec(first) ?? [];
    if (method === undefined) throw new RequestError(0, 'no HTTP/1');
    const headers = lines.map((line): Header => {
      const [, name, value] = /^([!#$%&'*+.^_`|~\w-]+):[ \t]*(.*?)[ \t]*$/.exec(line) ?? [];
      if (name === undefined) throw new RequestError(400, `"${line}" is no header`);
      return [name.toLowerCase(), value];
    });
    const field = (name: string): string | undefined => headers.find(([key]) => key === name)?.[1];
    if (method === 'CONNECT') throw new RequestError(501, 'this is a gateway, not a proxy for tunnels');
    if (field('expect')?.toLowerCase() === '100-continue') this.handler.data(encode('HTTP/1.1 100 Continue\r\n\r\n'));
    const body = await this.body(field('transfer-encoding'), field('content-length'));
    const absolute = /^http:\/\/([^/?#]+)(.*)$/i.exec(target);
    const passed = headers.filter(([name]) => !HOP_BY_HOP.includes(name));
    const keep = minor === '1' && !/\bclose\b/i.test(field('connection') ?? '');
    const request: GatewayRequest = {
      method,
      authority: absolute?.[1] ?? field('host'),
      target: absolute === null ? target : absolute[2] || '/',
      headers: passed,
      body,
    };
    let response: GatewayResponse;
    try {
      response = await this.fetch(request);
    } catch (error) {
      this.answer(502, (error as Error).message, !keep);
      return keep;
    }
    this.response = response;
    await this.respond(response, method, minor === '1', keep);
    this.response = undefined;
    return keep && minor === '1';
  }

  private async respond(response: GatewayResponse, method: string, chunked: boolean, keep: boolean): Promise<void> {
    const { status, statusText } = response;
    const bare = method === 'HEAD' || status === 204 || status === 304;
    let head = `HTTP/1.1 ${status} ${statusText}\r\n`;
    for (const [name, value] of response.headers)
      if (![...HOP_BY_HOP, ...OF_CODED_BODY].includes(name.toLowerCase())) head += `${name}: ${value}\r\n`;
    if (!bare && chunked) head += 'transfer-encoding: chunked\r\n';
    if (!keep || !chunked) head += 'connection: close\r\n';
    this.handler.data(encode(`${head}\r\n`));
    if (bare) return response.cancel();
    for (;;) {
      await this.held?.promise;
      if (this.over) return;
      const piece = await response.next();
      if (this.over) return;
      if (piece === undefined) break;
      if (piece.length === 0) continue;
      if (chunked) this.handler.data(encode(`${piece.length.toString(16)}\r\n`));
      this.handler.data(piece);
      if (chunked) this.handler.data(encode('\r\n'));
    }
    if (chunked) this.handler.data(encode('0\r\n\r\n'));
  }

  /** A response of the gateway's own. */
  private answer(status: number, text: string, close: boolean): void {
    const body = encode(`hindsight: ${text}\n`);
    const head = `HTTP/1.1 ${status} Gateway\r\ncontent-type: text/plain\r\ncontent-length: ${body.length}\r\n`;
    this.handler.data(encode(`${head}${close ? 'connection: close\r\n' : ''}\r\n`));
    this.handler.data(body);
  }

  /** The head of the next request; undefined when the guest sends none. */
  private async head(): Promise<string | undefined> {
    for (let searched = 0; ; ) {
      if (this.over) return undefined;
      const { buffered } = this;
      // What cannot become a request line is another protocol: TLS, SSH, …
      if (buffered.length > 0 && !/[A-Za-z\r\n]/.test(String.fromCharCode(buffered[0])))
        throw new RequestError(0, 'no HTTP');
      for (let at = searched; at + 4 <= buffered.length; at++) {
        if (buffered[at] !== 13 || buffered[at + 1] !== 10 || buffered[at + 2] !== 13 || buffered[at + 3] !== 10)
          continue;
        this.buffered = buffered.slice(at + 4);
        return latin1(buffered.subarray(0, at)).replace(/^(\r\n)+/, '');
      }
      searched = Math.max(0, buffered.length - 3);
      if (buffered.length > MOST_HEAD) throw new RequestError(431, `a request's head has more than ${MOST_HEAD} bytes`);
      if (this.guestEnded) return undefined;
      await this.more();
    }
  }

  private async body(coding: string | undefined, length: string | undefined): Promise<Uint8Array | undefined> {
    if (coding !== undefined) {
      if (coding.toLowerCase() !== 'chunked') throw new RequestError(501, `transfer coding ${coding}`);
      return this.chunks();
    }
    if (length === undefined) return undefined;
    const size = Number(length);
    if (!/^\d+$/.test(length)) throw new RequestError(400, `content-length ${length}`);
    return size === 0 ? undefined : this.take(size);
  }

  private async chunks(): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    let total = 0;
    for (;;) {
      const line = await this.line();
      const size = Number.parseInt(line, 16);
      if (!/^[0-9a-f]+[ \t]*(;.*)?$/i.test(line)) throw new RequestError(400, `chunk of size "${line}"`);
      if (size === 0) break;
      total += size;
      if (total > MOST_BODY) throw new RequestError(413, `a request's body has more than ${MOST_BODY} bytes`);
      parts.push(await this.take(size));
      await this.line();
    }
    while ((await this.line()) !== '');
    const whole = new Uint8Array(total);
    let at = 0;
    for (const part of parts) {
      whole.set(part, at);
      at += part.length;
    }
    return whole;
  }

  private async line(): Promise<string> {
    for (;;) {
      const end = this.buffered.indexOf(10);
      if (end >= 0) return latin1(await this.take(end + 1)).replace(/\r?\n$/, '');
      if (this.buffered.length > MOST_HEAD) throw new RequestError(400, 'a line without an end');
      await this.moreOfBody();
    }
  }

  private async take(length: number): Promise<Uint8Array> {
    if (length > MOST_BODY) throw new RequestError(413, `a request's body has more than ${MOST_BODY} bytes`);
    while (this.buffered.length < length) await this.moreOfBody();
    const taken = this.buffered.slice(0, length);
    this.buffered = this.buffered.slice(length);
    return taken;
  }

  private moreOfBody(): Promise<void> {
    if (this.guestEnded || this.over) throw new RequestError(0, 'a request that is cut');
    return this.more();
  }

  private more(): Promise<void> {
    return new Promise((resolve) => (this.wakeUp = resolve));
  }
}
