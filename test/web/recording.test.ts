import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { extname, join, normalize } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Timeline } from '../../src/host/node/index.ts';
import { CLI, hindsight } from '../cli/hindsight.ts';
import {
  describePage,
  instantOf,
  launch,
  openPage,
  PATIENT,
  press,
  recordTwoLines,
  screenText,
  untilIdle,
  untilIndexed,
  untilShows,
} from './open-page.ts';

const TYPES: Readonly<Record<string, string>> = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css' };

/** The plainest of file servers: no ranges, no headers of its own. */
async function serveFolder(folder: string): Promise<{ readonly server: Server; readonly address: string }> {
  const server = createServer(({ url = '/' }, response) => {
    const name = normalize(decodeURIComponent(new URL(url, 'http://x').pathname));
    try {
      const file = readFileSync(join(folder, name === '/' ? 'index.html' : name));
      const type = TYPES[extname(name === '/' ? '.html' : name)] ?? 'application/octet-stream';
      response.writeHead(200, { 'content-type': name === '/' ? 'text/html' : type }).end(file);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { server, address: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` };
}

/** Goes from the beginning by lines of the console until the first one shows. */
async function toFirstLine(page: Page): Promise<void> {
  await press(page, 'Home');
  for (let i = 0; i < 5; i++) {
    await page.getByRole('button', { name: 'Forward one line' }).click();
    await untilIdle(page);
    if ((await screenText(page)).includes('first')) return;
  }
  throw new Error(`the terminal does not show the first line, but ${await screenText(page)}`);
}

describePage('a recording in the page', { timeout: 300_000 }, () => {
  let folder: string;
  let site: string;
  let recording: string;
  let served: Awaited<ReturnType<typeof serveFolder>>;
  let browser: Browser;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'hindsight-page-'));
    site = join(folder, 'site');
    recording = join(folder, 'told.hsr');
    await recordTwoLines(recording);
    const written = await hindsight(['web', '--quiet', '--site', site, recording]);
    expect(written).toMatchObject({ status: 0, stdout: '#rec=recordings/told.hsr\n' });
    writeFileSync(join(site, 'recordings', 'cut.hsr'), readFileSync(recording));
    truncateSync(join(site, 'recordings', 'cut.hsr'), 700);
    writeFileSync(join(site, 'recordings', 'foreign.hsr'), 'no recording at all, whatever its name says');
    served = await serveFolder(site);
    browser = await launch();
  }, 300_000);
  afterAll(async () => {
    await browser?.close();
    served?.server.close();
    if (folder) rmSync(folder, { recursive: true, force: true });
  });

  test('opens from a plain file server in a fresh profile, lands exactly, and has the hash that Node has', async () => {
    const context = await browser.newContext();
    const { page, errors } = await openPage(context, `${served.address}#rec=recordings/told.hsr`);
    await untilIndexed(page, 'told.hsr');
    await press(page, 'End');
    await untilShows(page, 'second');
    await toFirstLine(page);
    expect(await screenText(page)).not.toContain('second');
    const at = await instantOf(page);
    const hash = await page.evaluate(() => document.querySelector('hindsight-machine')!.hash());
    await using timeline = await Timeline.open(recording);
    await timeline.seek(at);
    expect(hash).toBe(timeline.hash());

    // The link shows the same in another profile.
    const other = await browser.newContext();
    const { page: again } = await openPage(other, page.url());
    await expect.poll(() => again.url(), PATIENT).toContain(`at=${at}`);
    await untilShows(again, 'first');
    expect(await screenText(again)).not.toContain('second');
    expect(errors).toEqual([]);
    await context.close();
    await other.close();
  });

  test('goes on live from an instant of a recording', async () => {
    const context = await browser.newContext();
    const { page } = await openPage(context, `${served.address}#rec=recordings/told.hsr`);
    await untilIndexed(page, 'told.hsr');
    await toFirstLine(page);
    await page.getByRole('button', { name: 'Go on from here' }).click();
    await untilShows(page, 'second');
    await page.getByRole('button', { name: 'future 1' }).click();
    await expect.poll(() => page.locator('#status').innerText(), PATIENT).toContain('future 1');
    await untilShows(page, 'second');
    await context.close();
  });

  test.each([
    ['cut.hsr', /is damaged at its end|recording/],
    ['foreign.hsr', /recording/],
    ['missing.hsr', /the server answered 404\. Check the address of the recording\./],
  ])('says what is wrong with %s', async (name, message) => {
    const context = await browser.newContext();
    const { page } = await openPage(context, `${served.address}#rec=recordings/${name}`);
    await expect.poll(() => page.getByRole('alert').allInnerTexts(), PATIENT).toEqual([expect.stringMatching(message)]);
    await context.close();
  });

  test('is small: page 250 KB, with cores 500 KB', () => {
    const size = (...names: string[]): number =>
      names.reduce((sum, name) => sum + gzipSync(readFileSync(join(site, name)), { level: 9 }).length, 0);
    expect(size('index.html', 'page.js', 'style.css')).toBeLessThan(250_000);
    expect(size('index.html', 'page.js', 'style.css', 'worker.js')).toBeLessThan(500_000);
  });

  test('a site is not written over a folder of something else', async () => {
    const child = spawn(process.execPath, [CLI, 'web', '--quiet', '--no-guest', '--site', tmpdir(), recording]);
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    expect(await new Promise((resolve) => child.once('exit', resolve))).toBe(2);
    expect(said).toContain('holds no page; name an empty or a new one');
  });
});
