/** In a browser, too, regions are made by a worker of their own, and the machine is the same. */
import { existsSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { build } from 'esbuild';
import { chromium } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Machine } from '../../src/index.ts';
import { Assembler } from '../jit/assembler.ts';
import { CHROMIUM, FLAGS } from './headless.ts';

/** What translation-worker.ts found. */
interface Found {
  readonly submitted: number;
  readonly modules: number;
  readonly here: number;
  readonly made: number;
  readonly instructions: number;
  readonly hash: string;
}

function loop(): Uint8Array {
  const a = new Assembler();
  a.label('loop');
  a.op('addi', { rd: 10, rs1: 10, imm: 1 });
  a.op('mul', { rd: 11, rs1: 10, rs2: 10 });
  a.op('xor', { rd: 12, rs1: 12, rs2: 11 });
  a.to('jal', { rd: 0 }, 'loop');
  return a.finish();
}

let server: Server;
beforeAll(async () => {
  const bundle = await build({
    entryPoints: [new URL('translation-worker.ts', import.meta.url).pathname],
    bundle: true,
    write: false,
    platform: 'browser',
    format: 'esm',
    target: 'es2022',
    logLevel: 'error',
  });
  server = createServer(({ url }, response) => {
    const script = url === '/worker.js';
    response.writeHead(200, { 'content-type': script ? 'text/javascript' : 'text/html' });
    response.end(script ? bundle.outputFiles[0].contents : '<!doctype html><title>hindsight</title>');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterAll(() => void server.close());

it('translates in a worker of its own', { timeout: 240_000 }, async (context) => {
  if (!existsSync(CHROMIUM)) return context.skip(`${CHROMIUM} is not installed`);
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
  let found: Found;
  try {
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    found = (await page.evaluate(
      (program) =>
        new Promise<unknown>((resolve) => {
          const worker = new Worker('/worker.js', { type: 'module' });
          worker.onmessage = ({ data }) => resolve(data);
          worker.onerror = (error) => resolve({ error: error.message });
          worker.postMessage(Uint8Array.from(program));
        }),
      [...loop()],
    )) as Found;
  } finally {
    await browser.close();
  }
  // the one module that is compiled here asks whether any may be
  expect(found).toMatchObject({ submitted: 1, modules: 1, here: 1, made: 1 });
  const machine = await Machine.create({ firmware: { file: 'loop', bytes: loop() }, memory: '2M', core: 'wasm' });
  await machine.run({ instructions: found.instructions });
  expect(machine.hash()).toBe(found.hash);
  await machine.close();
});
