import { existsSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { build } from 'esbuild';
import { chromium } from 'playwright-core';
import type { CoreKind } from '../../src/index.ts';
import { CHROMIUM, FLAGS } from './headless.ts';

const TYPES: Readonly<Record<string, string>> = { '/': 'text/html', '/worker.js': 'text/javascript' };

/** Replays a recording that holds its images in a Worker of headless Chromium. @returns what the worker posted; undefined without Chromium */
export async function replayInChromium(recording: Uint8Array, core: CoreKind): Promise<unknown> {
  if (!existsSync(CHROMIUM)) return undefined;
  const entryPoints = [new URL('replay-worker.ts', import.meta.url).pathname];
  const bundle = await build({
    entryPoints,
    bundle: true,
    write: false,
    platform: 'browser',
    format: 'esm',
    target: 'es2022',
    logLevel: 'error',
  });
  const files: Readonly<Record<string, string | Uint8Array>> = {
    '/': '<!doctype html><title>hindsight</title>',
    '/worker.js': bundle.outputFiles[0].contents,
    '/recording': recording,
  };
  const server = createServer(({ url = '' }, response) => {
    response
      .writeHead(url in files ? 200 : 404, { 'content-type': TYPES[url] ?? 'application/octet-stream' })
      .end(files[url]);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
  try {
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    return await page.evaluate(
      (request) =>
        new Promise<unknown>((resolve) => {
          const worker = new Worker('/worker.js', { type: 'module' });
          worker.onmessage = ({ data }) => resolve(data);
          worker.onerror = (error) => resolve({ error: error.message });
          worker.postMessage(request);
        }),
      { core },
    );
  } finally {
    await browser.close();
    server.close();
  }
}
