import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Browser, chromium } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { commandLine } from '../../src/guest/cmdline.ts';
import { serveFiles } from '../../src/host/node/static-server.ts';
import { Machine } from '../../src/index.ts';
import { guest } from '../cli/guest.ts';
import { bundled } from '../cli/hindsight.ts';
import { CHROMIUM, FLAGS } from './headless.ts';

if (!existsSync(CHROMIUM)) process.stderr.write(`tests of the browser are skipped: ${CHROMIUM} is not there\n`);

/** What the page sends back: the console's text, where the machine is, and its state's hash. */
interface Run {
  readonly text: string;
  readonly instructions: number;
  readonly hash: string;
}

/** A page's script: boots in a worker and leaves a {@link Run}. */
const SCRIPT = `
import { WorkerMachine } from './browser.js';
const bytes = async (path) => new Uint8Array(await (await fetch(path)).arrayBuffer());
window.boot = async (core, append, until) => {
  const decoder = new TextDecoder();
  let text = '';
  const worker = new Worker('worker.js', { type: 'module' });
  const kernel = { file: 'kernel', bytes: await bytes('kernel') };
  const initrd = { file: 'initrd', bytes: await bytes('initrd') };
  const machine = await WorkerMachine.create(worker, { kernel, initrd, core, append, memory: '128M' });
  machine.on('console', (chunk) => { text += decoder.decode(chunk, { stream: true }); });
  await machine.run(until);
  const { instructions } = await machine.progress();
  const hash = await machine.hash();
  worker.terminate();
  return { text, instructions, hash };
};
window.ready = true;
`;

describe.skipIf(!existsSync(CHROMIUM) || guest === undefined)(
  'the guest in headless Chromium',
  { timeout: 300_000 },
  () => {
    let browser: Browser;
    let dir: string;
    let close: () => void;
    let address: string;

    beforeAll(async () => {
      await bundled;
      dir = mkdtempSync(join(tmpdir(), 'hindsight-browser-'));
      writeFileSync(
        join(dir, 'index.html'),
        '<!doctype html><link rel="icon" href="data:,"><script type="module" src="test.js"></script>',
      );
      writeFileSync(join(dir, 'test.js'), SCRIPT);
      const dist = (name: string): string => fileURLToPath(new URL(`../../dist/${name}`, import.meta.url));
      const routes = new Map([
        ['/', join(dir, 'index.html')],
        ['/test.js', join(dir, 'test.js')],
        ['/browser.js', dist('browser.js')],
        ['/worker.js', dist('worker.js')],
        ['/kernel', guest!.kernel],
        ['/initrd', guest!.initrd],
      ]);
      const served = await serveFiles(routes, '127.0.0.1', 0);
      close = () => served.server.close().closeAllConnections();
      address = `http://127.0.0.1:${served.port}/`;
      browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
    });
    afterAll(async () => {
      await browser?.close();
      close?.();
      if (dir) rmSync(dir, { recursive: true, force: true });
    });

    test.each(['wasm', 'jit'] as const)('%s: a command in Debian ends in the same state as in Node', async (core) => {
      const append = commandLine({ exec: 'uname -m; seq 3 | sort -r; exit 3', stdin: 'none' });
      const page = await browser.newPage();
      const errors: string[] = [];
      page.on('pageerror', (error) => errors.push(error.message));
      await page.goto(address);
      await page.waitForFunction('window.ready');
      const there = (await page.evaluate(`window.boot(${JSON.stringify(core)}, ${JSON.stringify(append)}, {})`)) as Run;
      await page.close();

      let text = '';
      const { readFile } = await import('node:fs/promises');
      const named = async (file: string): Promise<{ file: string; bytes: Uint8Array }> => ({
        file,
        bytes: await readFile(file),
      });
      await using here = await Machine.create({
        kernel: await named(guest!.kernel),
        initrd: await named(guest!.initrd),
        core: 'wasm',
        append,
        memory: '128M',
      });
      here.on('console', (chunk) => (text += new TextDecoder().decode(chunk)));
      await here.run();

      expect(errors).toEqual([]);
      expect(there.text).toContain('begin\nriscv64\n3\n2\n1\n\x1ehindsight:exec end 3\n');
      expect(there).toEqual({ text, instructions: here.instant.instructions, hash: here.hash() });
    });
  },
);
