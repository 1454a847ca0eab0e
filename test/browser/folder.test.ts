/** Folders that a page has as handles: compared with the model, and as shares of a machine. */
import { existsSync, readFileSync } from 'node:fs';
import type { Server } from 'node:http';
import fc from 'fast-check';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { commandLine } from '../../src/guest/cmdline.ts';
import { Timeline } from '../../src/index.ts';
import { theGuest } from '../e2e/guest.ts';
import { step } from '../fs/model.ts';
import { CHROMIUM, FLAGS } from './headless.ts';
import { portOf, servePage } from './page-server.ts';

const { found: guest } = await theGuest();
/** Such folders have no links, and what is far behind a file's end would be written to the disk here. */
const possible = step.filter(
  (s) =>
    !['symlink', 'link', 'readlink'].includes(s.op) &&
    !('offset' in s && s.offset > 2 ** 20) &&
    !('size' in s && s.size > 2 ** 20),
);

describe.skipIf(!existsSync(CHROMIUM) || guest === undefined)('a folder of a page', { timeout: 600_000 }, () => {
  let server: Server;
  let browser: Browser;
  let page: Page;
  const failures: string[] = [];

  beforeAll(async () => {
    server = await servePage('folder-page.ts', guest!, { workers: ['folder-worker'] });
    browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
    page = await browser.newPage();
    page.on('pageerror', ({ message }) => failures.push(message));
    await page.goto(`http://127.0.0.1:${portOf(server)}/`);
    await page.waitForFunction('globalThis.share');
  }, 600_000);
  afterAll(async () => {
    await browser?.close();
    server?.closeAllConnections();
    server?.close();
  });

  it('does what the model does', async () => {
    const runs = fc.sample(fc.array(possible, { minLength: 20, maxLength: 60 }), {
      numRuns: Number(process.env.HINDSIGHT_FUZZ ?? 20),
      seed: 12,
    });
    const differences = await page.evaluate(`compare(${JSON.stringify(runs)})`);
    expect(differences).toEqual([]);
    expect(failures).toEqual([]);
  });

  it('is a share of a machine, whose recording replays without it', async () => {
    const append = commandLine({ shares: ['work', 'look'] });
    const { text, hash, kept, recording } = (await page.evaluate(`share(${JSON.stringify(append)})`)) as {
      readonly text: string;
      readonly hash: string;
      readonly kept: string;
      readonly recording: string;
    };
    expect(text).toContain('hello from the page');
    // seq 1 20000 | md5sum, by its name and, once that was removed, by its descriptor.
    expect(text.match(/e071f707df7bbeee2a6a1eb48011ddd0/g)).toHaveLength(2);
    expect(text).toMatch(/-\r?\n0\r?\n.*Read-only file system\r?\n.*Operation not permitted\r?\n700\r?\n/);
    expect(text).toMatch(/700\r?\nfrom the page\s+kept\r?\n/);
    expect(kept).toBe(`${Array.from({ length: 1000 }, (_, i) => i + 1).join('\n')}\n`);
    const named = (file: string): { file: string; bytes: Uint8Array } => ({ file, bytes: readFileSync(file) });
    const images = { kernel: named(guest!.kernel), initrd: named(guest!.initrd) };
    const again = await Timeline.open(Buffer.from(recording, 'base64'), images);
    await again.seek(again.end);
    expect(again.hash()).toBe(hash);
  });
});
