import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ByteSource } from '../../src/bytes/source.ts';
import { openSource } from '../../src/host/node/file-source.ts';
import { BlobSource, HttpSource } from '../../src/host/sources.ts';

const BYTES = Uint8Array.from({ length: 100_000 }, (_, i) => Math.imul(i, 0x9e37_79b1) >>> 24);

describe('sources', () => {
  let server: Server;
  let url: string;
  let tag = '"one"';
  let ranges = true;
  let dir: string;

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'hindsight-source-'));
    server = createServer((request, response) => {
      const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
      const stale = request.headers['if-range'] !== undefined && request.headers['if-range'] !== tag;
      if (!ranges || from === undefined || stale) {
        response.writeHead(200, { ETag: tag }).end(BYTES);
        return;
      }
      const part = BYTES.subarray(Number(from), Number(to) + 1);
      response.writeHead(206, { 'Content-Range': `bytes ${from}-${to}/${BYTES.length}`, ETag: tag }).end(part);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/a.hsr`;
  });
  afterAll(() => {
    server.close();
    rmSync(dir, { recursive: true, force: true });
  });

  it('read a file, a Blob and HTTP ranges anywhere', async () => {
    const file = join(dir, 'file');
    writeFileSync(file, BYTES);
    const sources: ByteSource[] = [openSource(file), new BlobSource(new Blob([BYTES])), await HttpSource.open(url)];
    for (const source of sources) {
      expect(source.size).toBe(BYTES.length);
      for (const [at, length] of [
        [0, 10],
        [99_990, 10],
        [12_345, 50_000],
        [5, 0],
      ] as const)
        expect(Buffer.compare(await source.read(at, length), BYTES.subarray(at, at + length))).toBe(0);
      source.close?.();
    }
  });

  it('that fail name themselves', async () => {
    const file = join(dir, 'short');
    writeFileSync(file, BYTES);
    const source = openSource(file);
    truncateSync(file, 1000);
    await expect(source.read(900, 200)).rejects.toThrow(`${file}: ends at byte 1000, expected 100000`);
    source.close?.();
    expect(() => openSource(join(dir, 'none'))).toThrow(/ENOENT.*none/);
    expect(() => openSource(dir)).toThrow(expect.objectContaining({ path: dir }));

    const changing = await HttpSource.open(url);
    tag = '"two"';
    await expect(changing.read(0, 10)).rejects.toThrow(`${url}: the file changed on the server since it was opened`);
    ranges = false;
    await expect(HttpSource.open(url)).rejects.toThrow(`${url}: the server answered 200 instead of a range (206)`);
  });
});
