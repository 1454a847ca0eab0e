import { appendFileSync, mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { openHttpDisk } from '../../src/host/http-disk.ts';
import { ChunkFile } from '../../src/host/node/chunk-file.ts';

const SIZE = 700_000;
const bytes = Uint8Array.from({ length: SIZE }, (_, i) => (i * 13 + (i >> 9)) & 0xff);
const dir = mkdtempSync(join(tmpdir(), 'hindsight-http-'));

/** What the server does now; each test sets it. */
let tag: string | undefined;
let ranges: boolean;
let failures: number;
let length: number;
let requests: number;
/** Statuses that it answers with first. */
let refusals: number[];
/** Most bytes that it sends at a time, and milliseconds it takes. */
let most: number;
let delay: number;
/** After so many requests the file is another one. */
let changesAfter: number;

function answer(request: IncomingMessage, response: ServerResponse): void {
  if (delay === 0) answerNow(request, response);
  else setTimeout(answerNow, delay, request, response);
}

function answerNow(request: IncomingMessage, response: ServerResponse): void {
  requests++;
  const refusal = refusals.shift();
  if (refusal !== undefined) {
    response.writeHead(refusal).end('not now');
    return;
  }
  if (requests > changesAfter) tag = '"another"';
  if (failures > 0) {
    failures--;
    response.destroy();
    return;
  }
  const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
  const headers = { ...(tag !== undefined && { ETag: tag }) };
  const condition = request.headers['if-range'];
  if (range === null || !ranges || (condition !== undefined && condition !== tag)) {
    response.writeHead(200, headers).end(bytes);
    return;
  }
  const from = Number(range[1]);
  const to = Math.min(Number(range[2]), length - 1, from + most - 1);
  response.writeHead(206, { ...headers, 'Content-Range': `bytes ${from}-${to}/${length}` });
  response.end(bytes.subarray(from, to + 1));
}

const server = createServer(answer);
let url: string;
beforeAll(async () => {
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/disk.img`;
});
beforeEach(() => {
  [tag, ranges, failures, length, requests] = ['"v1"', true, 0, SIZE, 0];
  [refusals, most, delay, changesAfter] = [[], Infinity, 0, Infinity];
});
afterEach(() => server.closeAllConnections());
afterAll(() => {
  server.close();
  rmSync(dir, { recursive: true, force: true });
});

const store = (name: string, chunkSize: number, size: number): ChunkFile =>
  new ChunkFile(join(dir, 'kept'), name, chunkSize, size);
const retries = [1, 1, 1];

async function read(disk: Awaited<ReturnType<typeof openHttpDisk>>, offset: number, size: number): Promise<Uint8Array> {
  const into = new Uint8Array(size);
  await disk.read(offset, into);
  return into;
}

test('a disk on a server is read where it is needed, once', async () => {
  const disk = await openHttpDisk(url, { retries });
  expect([disk.size, disk.hash, disk.immediate]).toEqual([700_416, 'http:"v1"', false]);
  expect(await read(disk, 131_072 - 512, 1024)).toEqual(bytes.slice(131_072 - 512, 131_072 + 512));
  expect(requests).toBe(3);
  await read(disk, 0, 262_144);
  expect(requests).toBe(3);
  const end = await read(disk, 699_904, 512);
  expect(end.subarray(0, 96)).toEqual(bytes.slice(699_904));
  expect(end.subarray(96).every((b) => b === 0)).toBe(true);
});

test('what was fetched is there in the next run; what is damaged is fetched again; another version is another disk', async () => {
  const first = await openHttpDisk(url, { store, retries });
  await read(first, 0, 700_416);
  const fetched = requests;
  const second = await openHttpDisk(url, { store, retries });
  expect(Buffer.compare(await read(second, 0, SIZE - (SIZE % 512)), bytes.subarray(0, SIZE - (SIZE % 512)))).toBe(0);
  expect(requests).toBe(fetched + 1); // what it is was asked, nothing of it
  const file = join(dir, 'kept', readdirSync(join(dir, 'kept')).find((name) => name.endsWith('.chunks'))!);
  const index = file.replace('.chunks', '.index');
  truncateSync(file, 400_000);
  appendFileSync(index, 'half');
  const third = await openHttpDisk(url, { store, retries });
  expect(Buffer.compare(await read(third, 512, 600_064), bytes.subarray(512, 600_576))).toBe(0);
  expect(requests).toBe(fetched + 1 + 1 + 2);
  tag = '"v2"';
  const before = requests;
  await read(await openHttpDisk(url, { store, retries }), 0, 512);
  expect(requests).toBe(before + 2);
  for (const name of readdirSync(join(dir, 'kept'))) writeFileSync(join(dir, 'kept', name), '');
});

test('a connection that breaks is tried again, and given up with a reason', async () => {
  const disk = await openHttpDisk(url, { retries });
  failures = 2;
  expect(await read(disk, 0, 512)).toEqual(bytes.slice(0, 512));
  failures = 99;
  await expect(read(disk, 262_144, 512)).rejects.toThrow(/disk http:.* cannot be reached \(.*\), tried 4 times/);
  failures = 0;
  expect(await read(disk, 262_144, 512)).toEqual(bytes.slice(262_144, 262_656));
});

test('a server that says it may answer later is asked again; what it says for good is final', async () => {
  refusals = [503, 500];
  const disk = await openHttpDisk(url, { retries });
  refusals = [502, 429, 504];
  expect(await read(disk, 0, 512)).toEqual(bytes.slice(0, 512));
  refusals = [500, 500, 500, 500];
  await expect(read(disk, 262_144, 512)).rejects.toThrow(/cannot be reached \(.*answered 500\), tried 4 times/);
  refusals = [404];
  await expect(read(disk, 262_144, 512)).rejects.toThrow(/answered 404 to a range at byte 262144/);
  expect(await read(disk, 262_144, 512)).toEqual(bytes.slice(262_144, 262_656));
});

test('a server that sends less than it was asked for is asked for the rest', async () => {
  const disk = await openHttpDisk(url, { retries });
  most = 50_000;
  expect(Buffer.compare(await read(disk, 0, 262_144), bytes.subarray(0, 262_144))).toBe(0);
  expect(requests).toBe(1 + 2 * 3);
});

test('a slow server is waited for, and reads that want the same piece share a fetch', async () => {
  delay = 30;
  const disk = await openHttpDisk(url, { retries });
  const both = await Promise.all([read(disk, 0, 1024), read(disk, 512, 1024)]);
  expect(both).toEqual([bytes.slice(0, 1024), bytes.slice(512, 1536)]);
  expect(requests).toBe(2);
});

test('a file that becomes another one in the middle of a piece is noticed, and nothing of it kept', async () => {
  const disk = await openHttpDisk(url, { store, retries });
  most = 50_000;
  changesAfter = 2;
  await expect(read(disk, 131_072, 512)).rejects.toThrow(/changed on the server/);
  expect(disk.tiers).toMatchObject({ fetched: { chunks: 0 }, stored: { chunks: 0 } });
});

test('of a disk that is known, what was fetched is there without the server', async () => {
  const first = await openHttpDisk(url, { store, retries });
  await read(first, 0, 512);
  failures = 99;
  await expect(openHttpDisk(url, { store, retries })).rejects.toThrow(/cannot be reached/);
  const later = await openHttpDisk(url, { store, retries, known: { hash: first.hash, size: first.size } });
  expect([later.hash, later.size]).toEqual([first.hash, first.size]);
  expect(await read(later, 512, 512)).toEqual(bytes.slice(512, 1024));
  await expect(read(later, 655_360, 512)).rejects.toThrow(/what is at byte 655360 is not kept here/);
});

test('a server without ranges, without versions, or with a file that changes is refused', async () => {
  ranges = false;
  await expect(openHttpDisk(url, { retries })).rejects.toThrow(
    /answered 200 instead of a range \(206\): download the file/,
  );
  ranges = true;
  tag = undefined;
  await expect(openHttpDisk(url, { retries })).rejects.toThrow(/neither ETag nor Last-Modified/);
  tag = '"v1"';
  const disk = await openHttpDisk(url, { retries });
  tag = '"v2"';
  await expect(read(disk, 0, 512)).rejects.toThrow(/changed on the server/);
  tag = '"v1"';
  length = SIZE - 1000;
  await expect(read(disk, 0, 512)).rejects.toThrow(/changed on the server/);
});
