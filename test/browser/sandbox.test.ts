import { existsSync } from 'node:fs';
import type { Server } from 'node:http';
import { type Browser, chromium } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { theGuest } from '../e2e/guest.ts';
import { CHROMIUM, FLAGS } from './headless.ts';
import { portOf, servePage } from './page-server.ts';

const { found: guest } = await theGuest();

/** What sandbox-page.ts found. */
interface Session {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly heard: string;
  readonly several: readonly string[];
  readonly listed: readonly object[];
  readonly rewound: string;
  readonly refused: readonly string[];
  readonly texts: readonly string[];
  readonly drawn: readonly string[];
  readonly ended: string;
}

describe.skipIf(!existsSync(CHROMIUM) || guest === undefined)('a sandbox in a page', { timeout: 600_000 }, () => {
  let server: Server;
  let browser: Browser;
  let session: Session;

  beforeAll(async () => {
    server = await servePage('sandbox-page.ts', guest!);
    browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
    const page = await browser.newPage();
    const failures: string[] = [];
    page.on('pageerror', ({ message }) => failures.push(message));
    await page.goto(`http://127.0.0.1:${portOf(server)}/`);
    await page.waitForFunction('globalThis.session');
    session = (await page.evaluate('session()')) as Session;
    expect(failures).toEqual([]);
  }, 600_000);
  afterAll(async () => {
    await browser?.close();
    server?.closeAllConnections();
    server?.close();
  });

  it('runs commands: input, outputs as they come, folder, environment, status, several at once', () => {
    expect(session).toMatchObject({
      exitCode: 3,
      stdout: 'out\ntyped\n/tmp\nvalue\n',
      stderr: 'err\n',
      several: ['1', '2', '3', '4'],
    });
    expect(session.heard).toBe(session.stdout);
  });

  it('reads and writes files, packs and unpacks folders, rewinds', () => {
    expect(session.listed).toEqual([{ name: 'text', size: 6, mode: 0o644 }]);
    expect(session.rewound).toBe('before');
  });

  it('says what is refused, and by what name', () => {
    expect(session.refused).toEqual([
      expect.stringMatching(/^AbortError: /),
      expect.stringMatching(/^CommandTimeoutError: sleep 1000: not over after 200 ms/),
      'GuestError: read /nothing: no such file or directory (ENOENT)',
      expect.stringMatching(/^GuestError: .*ENOENT/),
    ]);
    expect(session.ended).toMatch(/^SessionEndedError: /);
  });

  it('makes copies that go their own way, with other random numbers, and snapshots to start from', () => {
    expect(session.texts).toEqual(['before', 'of the copy', 'before']);
    expect(session.drawn[0]).not.toBe(session.drawn[1]);
  });
});
