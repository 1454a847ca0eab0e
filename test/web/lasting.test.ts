/** What outlasts a page: links, recordings of the site, what the browser's storage keeps, tabs that end or stand side by side. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readRecording } from '../../src/record/reader.ts';
import { CHROMIUM, FLAGS } from '../browser/headless.ts';
import {
  command,
  describePage,
  drawn,
  instantOf,
  launch,
  type OpenedPage,
  openPage,
  PATIENT,
  press,
  recordTwoLines,
  Site,
  screenText,
  untilIdle,
  untilIndexed,
  untilPrompt,
  untilShows,
} from './open-page.ts';

describePage('what outlasts a page', { timeout: 300_000 }, () => {
  let folder: string;
  let site: Site;
  let browser: Browser;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'hindsight-lasting-'));
    const recording = join(folder, 'two-lines-told.hsr');
    await recordTwoLines(recording);
    site = await Site.start(recording);
    browser = await launch();
  }, 300_000);
  afterAll(async () => {
    await browser?.close();
    site?.close();
    if (folder) rmSync(folder, { recursive: true, force: true });
  });

  const base = (): string => site.address.replace(/#.*/, '');
  const indexed = (page: Page): Promise<unknown> => untilIndexed(page, 'two-lines-told.hsr');
  test('a recording of the site is chosen from its menu; its lanes are made once and kept', async () => {
    const context = await browser.newContext();
    const { page, errors } = await openPage(context, base());
    await page.locator('#recording-menu summary').click(PATIENT);
    await page.getByRole('button', { name: 'Two lines told' }).click();
    await indexed(page);
    expect(page.url()).toContain('#rec=recordings/two-lines-told.hsr');
    await expect.poll(() => drawn(page, 'lane-syscalls'), PATIENT).toBe(true);
    expect(await drawn(page, 'lane-interrupts')).toBe(true);
    await page.locator('#lane-menu summary').click();
    await page.locator('#lane-menu').getByRole('button', { name: 'System calls' }).click();
    await expect.poll(() => drawn(page, 'lane-syscalls'), PATIENT).toBe(false);

    // No replay: the lanes are there with the page.
    await page.addInitScript(() => {
      const watch = (): void => {
        if (document.querySelector('#status')?.textContent?.includes('%')) document.title = 'lanes were made';
      };
      new MutationObserver(watch).observe(document, { childList: true, subtree: true, characterData: true });
    });
    await page.reload();
    await indexed(page);
    await expect.poll(() => drawn(page, 'lane-syscalls'), PATIENT).toBe(true);
    expect(await page.title()).not.toBe('lanes were made');
    await press(page, 'End');
    await untilShows(page, 'second');
    await page.getByRole('button', { name: 'Storage' }).click();
    await page.getByRole('cell', { name: /^Lanes and checkpoints of recordings/ }).waitFor(PATIENT);
    await page.getByRole('button', { name: 'Remove Lanes and checkpoints of recordings' }).click();
    await expect.poll(() => page.getByText('Lanes and checkpoints of recordings (').count(), PATIENT).toBe(0);
    expect(errors).toEqual([]);
    await context.close();
  });

  test('a link with an instant, panes and marks shows the same in a fresh profile', async () => {
    const here = await browser.newContext();
    const { page } = await openPage(here, `${base()}#rec=recordings/two-lines-told.hsr`);
    await indexed(page);
    await press(page, 'End');
    await untilShows(page, 'second');
    // Past what the command line writes behind the command's own output.
    for (let i = 0; i < 5 && (await screenText(page)).includes('second'); i++) await press(page, 'p');
    expect(await screenText(page)).not.toContain('second');
    await page.locator('#lanes').focus();
    page.once('dialog', (dialog) => void dialog.accept('one line, so far'));
    await page.keyboard.press('m');
    await page.locator('#pane-menu summary').click();
    for (const name of ['Registers', 'Kernel log'])
      await page.locator('#pane-menu').getByRole('button', { name, exact: true }).click();
    const registers = page.locator('section.pane[aria-label="Registers"]');
    const pc = await registers.locator('dd button').first().innerText(PATIENT);
    await page.getByRole('button', { name: 'Share' }).click();
    const link = await page.getByLabel('Link').inputValue();
    await here.close();

    const there = await browser.newContext();
    const { page: other, errors } = await openPage(there, link);
    await untilShows(other, 'first');
    await expect
      .poll(() => other.locator('section.pane h2').allInnerTexts(), PATIENT)
      .toEqual(['Registers', 'Kernel log']);
    await expect.poll(() => other.locator('.registers dd button').first().innerText(), PATIENT).toBe(pc);
    await untilIdle(other);
    expect(await screenText(other)).not.toContain('second');
    expect(new URL(other.url()).hash).toBe(new URL(link).hash);
    expect(new URLSearchParams(new URL(link).hash.slice(1)).get('mark')).toMatch(/~one line, so far$/);
    expect(errors).toEqual([]);
    await there.close();
  });

  test('text of the past leads to when it was printed; steps go there and back; playing ends at the end', async () => {
    const context = await browser.newContext();
    const { page } = await openPage(context, `${base()}#rec=recordings/two-lines-told.hsr`);
    await indexed(page);
    const at = (): Promise<number> => instantOf(page);
    await press(page, 'End');
    await untilShows(page, 'second');
    const end = await at();
    await page
      .locator('#past-terminal .xterm-rows')
      .getByText('first')
      .click({ position: { x: 4, y: 4 }, force: true });
    await expect.poll(() => screenText(page), PATIENT).not.toContain('second');
    const printed = await at();
    expect(printed).toBeLessThan(end);

    for (const [back, forward] of [
      [',', '.'],
      ['[', ']'],
      ['{', '}'],
    ]) {
      const before = await at();
      await press(page, back);
      const earlier = await at();
      expect(earlier).toBeLessThan(before);
      await press(page, forward);
      expect(await at()).toBeGreaterThan(earlier);
      if (back === ',') expect(await at()).toBe(before);
    }
    await press(page, 'n');
    expect(await at()).toBeGreaterThan(printed);
    await press(page, 'p');

    await page.locator('.transport select').first().selectOption('10');
    await page.getByRole('button', { name: 'Play' }).click();
    await untilShows(page, 'second');
    await page.getByRole('button', { name: 'Play' }).waitFor(PATIENT);
    await expect.poll(at, PATIENT).toBe(end);
    await context.close();
  });

  test('a tab that is killed leaves its recording, which opens again', async () => {
    const profile = mkdtempSync(join(tmpdir(), 'hindsight-profile-'));
    const open = (): Promise<BrowserContext> =>
      chromium.launchPersistentContext(profile, { executablePath: CHROMIUM, args: FLAGS });
    try {
      const first = await open();
      const { page } = await openPage(first, base());
      await untilPrompt(page);
      await command(page, 'echo $((6*7)) was said', '42 was said');
      // What the browser keeps of the recording has what was typed.
      const kept = async (): Promise<string> => {
        const bytes = await page.evaluate(async () => {
          const root = await navigator.storage.getDirectory();
          const folder = await (await root.getDirectoryHandle('hindsight')).getDirectoryHandle('recordings', {
            create: true,
          });
          for await (const handle of folder.values())
            return [...new Uint8Array(await (await (handle as FileSystemFileHandle).getFile()).arrayBuffer())];
          return [];
        });
        if (bytes.length === 0) return '';
        const { events, header } = await readRecording(Uint8Array.from(bytes));
        const typed = events.filter(({ port }) => header.ports[port] === 'uart');
        return typed.map(({ payload }) => Buffer.from(payload).toString()).join('');
      };
      await expect.poll(kept, PATIENT).toContain('was said\r');
      await page.goto('chrome://crash').catch(() => undefined);
      await first.close();

      const second = await open();
      const { page: again } = await openPage(second, base());
      await untilPrompt(again);
      await again.getByRole('button', { name: 'Storage' }).click();
      await again.getByRole('button', { name: 'Open', exact: true }).last().click(PATIENT);
      await again.getByText('Go on from here').waitFor(PATIENT);
      await untilIndexed(again, '20');
      await press(again, 'End');
      await untilShows(again, '42 was said');
      await second.close();
    } finally {
      rmSync(profile, { recursive: true, force: true });
    }
  });

  test('two tabs of one browser run machines of their own, and both recordings are kept', async () => {
    const context = await browser.newContext();
    const tabs: OpenedPage[] = [];
    for (const said of ['this tab', 'that tab']) {
      const { page, errors } = await openPage(context, base());
      await untilPrompt(page);
      await command(page, `echo $((6*7)) ${said}`, `42 ${said}`);
      tabs.push({ page, errors });
    }
    expect(await screenText(tabs[0].page)).not.toContain('42 that tab');
    expect(await screenText(tabs[1].page)).not.toContain('42 this tab');
    await tabs[1].page.getByRole('button', { name: 'Storage' }).click();
    const kept = tabs[1].page.getByRole('button', { name: /^Remove 20/ });
    await expect
      .poll(
        async () => {
          await tabs[1].page.keyboard.press('Escape');
          await tabs[1].page.getByRole('button', { name: 'Storage' }).click();
          await tabs[1].page.getByText('are used').waitFor(PATIENT);
          return kept.count();
        },
        { timeout: 60_000, interval: 2000 },
      )
      .toBe(2);
    expect(tabs.flatMap(({ errors }) => errors)).toEqual([]);
    await context.close();
  });

  test('what is dropped and is neither a recording nor goes into the guest is said', async () => {
    const context = await browser.newContext();
    const { page } = await openPage(context, `${base()}#rec=recordings/two-lines-told.hsr`);
    await indexed(page);
    const drop = (name: string, contents: string): Promise<void> =>
      page.evaluate(
        ([fileName, text]) => {
          const data = new DataTransfer();
          data.items.add(new File([text], fileName));
          document
            .querySelector('.hindsight')!
            .dispatchEvent(new DragEvent('drop', { dataTransfer: data, bubbles: true }));
        },
        [name, contents],
      );
    await drop('notes.txt', 'hello');
    await page.getByRole('alert').getByText('files go in and out while the machine is live').waitFor(PATIENT);
    await drop('broken.hsr', 'no recording');
    await page
      .getByRole('alert')
      .getByText(/recording/)
      .waitFor(PATIENT);
    await context.close();
  });
});
