import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { extname } from 'node:path';
import { Readable } from 'node:stream';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json',
  '.map': 'application/json',
  '.wasm': 'application/wasm',
};

/** What is served where: URL paths to files, or to contents. Nothing else is reachable. */
export type Routes = ReadonlyMap<string, string | Uint8Array>;

/** Bytes of something from one to another, the last included. */
interface ByteRange {
  readonly first: number;
  readonly last: number;
}

/** Something that is served. */
interface Served {
  readonly size: number;
  /** Changes with the contents (RFC 9110, section 8.8.3). */
  readonly tag: string;
  stream(range: ByteRange): Readable;
}

async function find(what: string | Uint8Array | undefined): Promise<Served | undefined> {
  if (what instanceof Uint8Array)
    return {
      size: what.length,
      tag: `"${what.length}"`,
      stream: ({ first, last }) => Readable.from([what.subarray(first, last + 1)]),
    };
  const found = what === undefined ? undefined : await stat(what).catch(() => undefined);
  if (what === undefined || !found?.isFile()) return undefined;
  return {
    size: found.size,
    tag: `"${found.size.toString(16)}-${found.mtimeMs.toString(16)}"`,
    stream: ({ first, last }) => createReadStream(what, { start: first, end: last }),
  };
}

/** A request for one range of bytes (RFC 9110, section 14.2). @returns undefined when all is asked for, `none` when the range lies outside */
function rangeOf(request: IncomingMessage, { size, tag }: Served): ByteRange | 'none' | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(request.headers.range ?? '');
  const condition = request.headers['if-range'];
  if (match === null || (match[1] === '' && match[2] === '') || (condition !== undefined && condition !== tag))
    return undefined;
  const first = match[1] === '' ? Math.max(0, size - Number(match[2])) : Number(match[1]);
  const last = match[1] === '' || match[2] === '' ? size - 1 : Math.min(Number(match[2]), size - 1);
  return first > last ? 'none' : { first, last };
}

async function answer(routes: Routes, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.writeHead(405, { allow: 'GET, HEAD' }).end();
    return;
  }
  const path = new URL(request.url ?? '/', 'http://localhost').pathname;
  const found = await find(routes.get(path));
  if (found === undefined) {
    response.writeHead(404, { 'content-type': 'text/plain' }).end('not found\n');
    return;
  }
  const range = rangeOf(request, found);
  if (range === 'none') {
    response.writeHead(416, { 'content-range': `bytes */${found.size}` }).end();
    return;
  }
  const { first, last } = range ?? { first: 0, last: found.size - 1 };
  response.writeHead(range === undefined ? 200 : 206, {
    'content-type': TYPES[extname(path)] ?? (path.endsWith('/') ? TYPES['.html'] : 'application/octet-stream'),
    'content-length': last - first + 1,
    'accept-ranges': 'bytes',
    etag: found.tag,
    'cache-control': 'no-cache',
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-embedder-policy': 'require-corp',
    ...(range && { 'content-range': `bytes ${first}-${last}/${found.size}` }),
  });
  if (request.method === 'HEAD' || found.size === 0) response.end();
  else
    found
      .stream({ first, last })
      .on('error', () => response.destroy())
      .pipe(response);
}

/** Serves files over HTTP, whole or in ranges. @param port 0 for any free one @returns the server, listening, and its port */
export async function serveFiles(
  routes: Routes,
  host: string,
  port: number,
): Promise<{ server: Server; port: number }> {
  const server = createServer((request, response) => {
    answer(routes, request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  const address = server.address();
  return { server, port: typeof address === 'object' && address !== null ? address.port : port };
}
