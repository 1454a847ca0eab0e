/** What the page draws and says of recordings, compared with what the library says. */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Origins } from '../../src/debug/origin.ts';
import { GuestInfo, Timeline } from '../../src/host/node/index.ts';
import { hindsight } from '../cli/hindsight.ts';
import {
  describePage,
  drawn,
  instantOf,
  launch,
  openPage,
  PATIENT,
  press,
  Site,
  untilIdle,
  untilIndexed,
} from './open-page.ts';

describePage('what the page says of a recording', { timeout: 300_000 }, () => {
  let folder: string;
  let browser: Browser;
  const sites: Site[] = [];

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'hindsight-answers-'));
    browser = await launch();
  });
  afterAll(async () => {
    await browser?.close();
    for (const site of sites) site.close();
    if (folder) rmSync(folder, { recursive: true, force: true });
  });

  /** Records a command. @returns the file, and the address of a page that shows it */
  async function recorded(
    name: string,
    exec: string,
    ...options: string[]
  ): Promise<{ file: string; address: string }> {
    const file = join(folder, `${name}.hsr`);
    const args = ['run', '--quiet', '--clock', 'virtual', ...options, '--record', file, '--exec', exec];
    expect(await hindsight(args)).toMatchObject({ status: 0 });
    const site = await Site.start(file);
    sites.push(site);
    return { file, address: site.address };
  }
  async function pane(page: Page, title: string): Promise<ReturnType<Page['locator']>> {
    await page.locator('#pane-menu summary').click();
    await page.locator('#pane-menu').getByRole('button', { name: title, exact: true }).click();
    await page.locator('#pane-menu summary').click();
    return page.locator(`section.pane[aria-label="${title}"]`);
  }

  test('frames in the network lane; accesses and breakpoints, both ways, are where the library finds them', async () => {
    const { file, address } = await recorded('net', 'ping -c 1 10.0.2.2 && echo there', '--net', 'user');
    const context = await browser.newContext();
    const { page, errors } = await openPage(context, address);
    page.setDefaultTimeout(PATIENT.timeout);
    await untilIndexed(page, 'net.hsr');
    await using timeline = await Timeline.open(file);
    const ports = timeline.session.log.header.ports;
    const net = ports.findIndex((port) => port.includes('net') || port === 'virtio2');
    expect(net).toBeGreaterThanOrEqual(0);
    await expect.poll(() => drawn(page, 'lane-network'), PATIENT).toBe(true);
    for (const lane of ['lane-syscalls', 'lane-interrupts', 'process-0'])
      expect([lane, await drawn(page, lane)]).toEqual([lane, true]);

    // Half way.
    await page.locator('#lanes').focus();
    for (let i = 0; i < 5; i++) await page.keyboard.press('Shift+ArrowRight');
    await untilIdle(page);
    const here = await instantOf(page);
    const guest = new GuestInfo(timeline.view);
    const jiffies = guest.address('jiffies_64')!;
    const exit = guest.address('do_exit')!;
    await timeline.seek(here);
    const memory = await pane(page, 'Memory');
    await memory.getByLabel('Address').fill('jiffies_64');
    await memory.getByRole('button', { name: 'Go', exact: true }).click();
    for (const [label, kind, direction] of [
      ['Who reads it next', 'read', 1],
      ['Who read it last', 'read', -1],
      ['Who writes it next', 'write', 1],
      ['Who wrote this', 'write', -1],
    ] as const) {
      const origins = new Origins(timeline, guest);
      const question = { kind, address: jiffies, length: 8, space: { hart: 0 } };
      const found = await (direction > 0 ? origins.nextAccess(question) : origins.lastAccess(question));
      if (found === undefined || found === 'interrupted') throw new Error(`${label}: the library finds nothing`);
      await memory.getByLabel('Bytes', { exact: true }).selectOption('8');
      await memory.getByRole('button', { name: label }).click();
      await untilIdle(page);
      await memory.locator('.origin').getByRole('button', { name: 'Go there' }).click();
      expect([label, await instantOf(page)]).toEqual([label, found.at.instructions]);
      await page.evaluate((at) => location.replace(location.hash.replace(/at=[\d.]+/, `at=${at}`)), here);
      await page.reload();
      await untilIndexed(page, 'net.hsr');
      await expect.poll(() => instantOf(page), PATIENT).toBe(here);
    }

    const points = await pane(page, 'Breakpoints');
    await points.getByLabel('Place').fill('do_exit');
    await points.getByRole('button', { name: 'Add' }).click();
    await timeline.seek(here);
    await timeline.continue({ execute: exit });
    await points.getByRole('button', { name: 'Forward to where it executes do_exit' }).click();
    expect(await instantOf(page)).toBe(timeline.at.instructions);
    await press(page, 'End');
    await timeline.seek(timeline.end);
    await timeline.reverseContinue({ execute: exit });
    await points.getByRole('button', { name: 'Back to where it executes do_exit' }).click();
    expect(await instantOf(page)).toBe(timeline.at.instructions);
    expect(errors).toEqual([]);
    await context.close();
  });

  test('a recording of ten minutes with checkpoints opens after a tenth of its bytes was read', async () => {
    const script = 'for i in 1 2 3 4 5 6 7 8 9 10; do head -c 300000 /dev/urandom | md5sum; sleep 60; done';
    const { file, address } = await recorded('long', script, '--checkpoints');
    const { size } = statSync(file);
    expect(size).toBeGreaterThan(1_000_000);
    const context = await browser.newContext();
    let read = 0;
    context.on('response', (response) => {
      if (!response.url().endsWith('.hsr')) return;
      read += Number(response.headers()['content-length']);
    });
    const { page } = await openPage(context, address);
    await page.getByText('before the end').waitFor(PATIENT);
    expect(read).toBeGreaterThan(0);
    expect(read).toBeLessThan(size / 10);
    await context.close();
  });
});
