import { existsSync, readFileSync } from 'node:fs';
import type { Server } from 'node:http';
import { type Browser, chromium } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { commandLine } from '../../src/guest/cmdline.ts';
import type { Instant } from '../../src/index.ts';
import { MemoryBackend, Timeline } from '../../src/index.ts';
import { theGuest } from '../e2e/guest.ts';
import { CHROMIUM, FLAGS } from './headless.ts';
import { portOf, servePage } from './page-server.ts';

const { found: guest } = await theGuest();

/** What worker-page.ts found. */
interface Session {
  readonly match: readonly string[];
  readonly shown: boolean;
  readonly events: boolean;
  readonly present: {
    readonly reason: string;
    readonly instructions: number;
    readonly guestTime: number;
    readonly hash: string;
  };
  readonly inputs: number;
  readonly before: string;
  readonly half: { readonly at: Instant; readonly hash: string };
  readonly stepped: Instant;
  readonly cancelled: string;
  readonly again: string;
  readonly refused: readonly string[];
  readonly live: string;
  readonly restored: string;
  readonly replayed: string;
  readonly branched: string;
  readonly ofBranch: string;
  readonly compared: number;
  readonly recording: string;
}

describe.skipIf(!existsSync(CHROMIUM) || guest === undefined)("a page's worker", { timeout: 600_000 }, () => {
  let server: Server;
  let browser: Browser;
  let session: Session;

  beforeAll(async () => {
    server = await servePage('worker-page.ts', guest!);
    browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
    const page = await browser.newPage();
    const failures: string[] = [];
    page.on('pageerror', ({ message }) => failures.push(message));
    await page.goto(`http://127.0.0.1:${portOf(server)}/`);
    await page.waitForFunction('globalThis.session');
    const append = commandLine({ modules: ['virtio_mmio', 'virtio_blk'] });
    session = (await page.evaluate(`session(${JSON.stringify(append)})`)) as Session;
    expect(failures).toEqual([]);
  }, 600_000);
  afterAll(async () => {
    await browser?.close();
    server?.closeAllConnections();
    server?.close();
  });

  it('has disks from a Blob, from a file of the private file system, and empty ones', () => {
    expect(session.match.slice(1)).toEqual(['helloworld', '42']);
  });

  it('waits for texts on the console, tells of events, and ends a run where it was to end', () => {
    expect(session).toMatchObject({ present: { reason: 'limit' }, shown: true, events: true });
    expect(session.inputs).toBeGreaterThan(0);
  });

  it('goes back in time and forward again, to the same states', () => {
    const { before, half, stepped, again, present, live } = session;
    expect(before).toBe('there');
    expect(stepped).toEqual({ instructions: half.at.instructions - 1000, sequence: 0 });
    expect(again).toBe(present.hash);
    expect(live).toBe('limit');
  });

  it('saves a state that another machine takes over', () => {
    expect(session.restored).toBe(session.present.hash);
  });

  it('records in memory what replays in another worker, on another core, and in Node', async () => {
    const { half, cancelled, replayed, recording } = session;
    expect(cancelled).toBe('interrupted');
    expect(replayed).toBe(half.hash);
    const named = (file: string): { file: string; bytes: Uint8Array } => ({ file, bytes: readFileSync(file) });
    const disk = async (text: string): Promise<{ file: string; backend: MemoryBackend }> => {
      const bytes = new Uint8Array(300_000);
      bytes.set(new TextEncoder().encode(text));
      const hash = Buffer.from(await crypto.subtle.digest('SHA-256', bytes)).toString('hex');
      return { file: text, backend: new MemoryBackend(bytes, hash) };
    };
    const disks = [await disk('hello'), await disk('world')];
    const files = { kernel: named(guest!.kernel), initrd: named(guest!.initrd), disks };
    const here = await Timeline.open(Buffer.from(recording, 'base64'), files);
    await here.seek(half.at);
    expect(here.hash()).toBe(half.hash);
  });

  it('branches off a recording, into a file of the private file system', () => {
    expect(session.ofBranch).toBe(session.branched);
    expect(session.compared).toBeGreaterThan(0);
  });

  it('refuses by name what cannot be', () => {
    expect(session.refused).toEqual([
      expect.stringMatching(/^SessionStateError: the machine is in its past/),
      'RangeError: disk empty is empty: expected a raw disk image',
      expect.stringMatching(/^ConfigError: memory size 1 is impossible/),
      expect.stringMatching(/^SessionStateError: the machine keeps no past/),
      expect.stringMatching(/^SessionStateError: there is no recording in memory/),
    ]);
  });
});
