import { existsSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { build } from 'esbuild';
import { chromium } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { commandLine } from '../../src/guest/cmdline.ts';
import { type CoreKind, Machine } from '../../src/index.ts';
import { describeGuest, theGuest } from '../e2e/guest.ts';
import { CHROMIUM, FLAGS } from './headless.ts';

const STEP = 5_000_000;
const END = 20_000_000;

describeGuest('a Worker in Chromium', () => {
  let server: Server;
  const append = commandLine({ exec: 'true', stdin: 'none' });

  beforeAll(async () => {
    const { found } = await theGuest();
    const bundle = await build({
      entryPoints: [new URL('worker-main.ts', import.meta.url).pathname],
      bundle: true,
      write: false,
      platform: 'browser',
      format: 'esm',
      target: 'es2022',
      logLevel: 'error',
    });
    const files: Record<string, (() => Uint8Array) | undefined> = {
      '/': () => Buffer.from('<!doctype html><title>hindsight</title>'),
      '/worker.js': () => bundle.outputFiles[0].contents,
      '/kernel': () => readFileSync(found!.kernel),
      '/initrd': () => readFileSync(found!.initrd),
    };
    server = createServer((request, response) => {
      const file = files[request.url ?? ''];
      response.writeHead(file ? 200 : 404, {
        'content-type':
          request.url === '/'
            ? 'text/html'
            : request.url === '/worker.js'
              ? 'text/javascript'
              : 'application/octet-stream',
      });
      response.end(file?.());
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  afterAll(() => void server.close());

  it('boots the same guest to the same hashes as Node', async (context) => {
    if (!existsSync(CHROMIUM)) return context.skip(`${CHROMIUM} is not installed`);
    const { found } = await theGuest();
    const named = (file: string, role: string): { file: string; bytes: Uint8Array } => ({
      file: role,
      bytes: new Uint8Array(readFileSync(file)),
    });
    const machine = await Machine.create({
      kernel: named(found!.kernel, 'kernel'),
      initrd: named(found!.initrd, 'initrd'),
      append,
      core: 'wasm',
      seed: 5,
    });
    const expected: string[] = [];
    for (let at = STEP; at <= END; at += STEP) {
      await machine.run({ instructions: at });
      expected.push(machine.hash());
    }
    await machine.close();
    const browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
    try {
      const page = await browser.newPage();
      await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
      for (const core of ['wasm', 'jit'] satisfies CoreKind[]) {
        const told = await page.evaluate(
          (request) =>
            new Promise<{ hashes?: string[]; error?: string }>((resolve) => {
              const worker = new Worker('/worker.js', { type: 'module' });
              worker.onmessage = ({ data }) => resolve(data as { hashes?: string[] });
              worker.onerror = (error) => resolve({ error: error.message });
              worker.postMessage(request);
            }),
          { append, core, step: STEP, end: END },
        );
        expect(told).toEqual({ hashes: expected });
      }
    } finally {
      await browser.close();
    }
  });
});
