/** What outlasts a page: links, recordings of the site, what the browser's storage keeps, tabs that end or stand side by side. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CHROMIUM, FLAGS } from '../browser/headless.ts';
import { hindsight } from '../cli/hindsight.ts';
import { describePage, launch, type OpenedPage, openPage, Site, screenText, untilShows } from './open-page.ts';

const PATIENT = { timeout: 60_000 };
const status = (page: Page): Promise<string> => page.locator('#status').innerText();
const idle = (page: Page): Promise<unknown> =>
  page.waitForFunction(() => document.querySelector('.transport .busy')?.textContent === '', undefined, PATIENT);

describePage('what outlasts a page', { timeout: 300_000 }, () => {
  let folder: string;
  let site: Site;
  let browser: Browser;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'hindsight-lasting-'));
    const recording = join(folder, 'two-lines-told.hsr');
    const made = await hindsight([
      'run',
      '--quiet',
      '--record',
      recording,
      '--exec',
      'echo first; sleep 1; echo second',
    ]);
    expect(made.status).toBe(0);
    site = await Site.start(recording);
    browser = await launch();
  }, 300_000);
  afterAll(async () => {
    await browser?.close();
    site?.close();
    if (folder) rmSync(folder, { recursive: true, force: true });
  });

  const base = (): string => site.address.replace(/#.*/, '');
  const indexed = (page: Page): Promise<unknown> =>
    expect.poll(() => status(page), PATIENT).toMatch(/^two-lines-told\.hsr · [^%]* m?s$/);
  /** Whether a lane has anything drawn in its colour. */
  const drawn = (page: Page, color: string): Promise<boolean> =>
    page.evaluate((name) => {
      const canvas = document.querySelector<HTMLCanvasElement>('#lanes')!;
      const probe = document.createElement('span');
      probe.style.color = `var(--${name})`;
      canvas.parentElement!.append(probe);
      const [r, g, b] = getComputedStyle(probe).color.match(/\d+/g)!.map(Number);
      probe.remove();
      const { data } = canvas.getContext('2d')!.getImageData(0, 0, canvas.width, canvas.height);
      for (let i = 0; i < data.length; i += 4)
        if (data[i] === r && data[i + 1] === g && data[i + 2] === b && data[i + 3] === 255) return true;
      return false;
    }, color);

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

    await page.reload();
    await indexed(page);
    // No replay: the lanes are there with the page.
    await expect.poll(() => drawn(page, 'lane-syscalls'), PATIENT).toBe(true);
    await page.locator('#lanes').focus();
    await page.keyboard.press('End');
    await untilShows(page, 'second');
    await page.getByRole('button', { name: 'Storage' }).click();
    await page.getByRole('cell', { name: 'Lanes of recordings (1 file)' }).waitFor();
    await page.getByRole('button', { name: 'Remove Lanes of recordings' }).click();
    await expect.poll(() => page.getByText('Lanes of recordings (').count(), PATIENT).toBe(0);
    expect(errors).toEqual([]);
    await context.close();
  });

  test('a link with an instant, panes and marks shows the same in a fresh profile', async () => {
    const here = await browser.newContext();
    const { page } = await openPage(here, `${base()}#rec=recordings/two-lines-told.hsr`);
    await indexed(page);
    await page.locator('#lanes').focus();
    await page.keyboard.press('End');
    await untilShows(page, 'second');
    // Past what the command line writes behind the command's own output.
    for (let i = 0; i < 5 && (await screenText(page)).includes('second'); i++) {
      await page.locator('#lanes').focus();
      await page.keyboard.press('p');
      await idle(page);
      await page.waitForTimeout(500);
    }
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
    const at = async (): Promise<number> => {
      await idle(page);
      return Number(/at=(\d+)/.exec(page.url())?.[1]);
    };
    await page.locator('#lanes').focus();
    await page.keyboard.press('End');
    await untilShows(page, 'second');
    const end = await at();
    await page
      .locator('#past-terminal .xterm-rows')
      .getByText('first')
      .click({ position: { x: 4, y: 4 }, force: true });
    await expect.poll(() => screenText(page), PATIENT).not.toContain('second');
    const printed = await at();
    expect(printed).toBeLessThan(end);

    await page.locator('#lanes').focus();
    for (const [back, forward] of [
      [',', '.'],
      ['[', ']'],
      ['{', '}'],
    ]) {
      const before = await at();
      await page.keyboard.press(back);
      await expect.poll(at, PATIENT).toBeLessThan(before);
      const earlier = await at();
      await page.keyboard.press(forward);
      await expect.poll(at, PATIENT).toBeGreaterThan(earlier);
      if (back === ',') expect(await at()).toBe(before);
    }
    await page.keyboard.press('n');
    await expect.poll(at, PATIENT).toBeGreaterThan(printed);
    await page.keyboard.press('p');

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
      await untilShows(page, 'root@hindsight:~#');
      await page.keyboard.type('echo $((6*7)) was said\n');
      await untilShows(page, '42 was said');
      const sizes = (): Promise<number[]> =>
        page.evaluate(async () => {
          const root = await navigator.storage.getDirectory();
          const kept = await (await root.getDirectoryHandle('hindsight')).getDirectoryHandle('recordings', {
            create: true,
          });
          const found: number[] = [];
          for await (const handle of kept.values()) found.push((await (handle as FileSystemFileHandle).getFile()).size);
          return found;
        });
      await expect.poll(sizes, { timeout: 30_000, interval: 500 }).toEqual([expect.any(Number)]);
      // What is typed last has had its time to be written.
      await page.waitForTimeout(9000);
      await page.goto('chrome://crash').catch(() => undefined);
      await first.close();

      const second = await open();
      const { page: again } = await openPage(second, base());
      await untilShows(again, 'root@hindsight:~#');
      await again.getByRole('button', { name: 'Storage' }).click();
      await again.getByRole('button', { name: 'Open', exact: true }).last().click();
      await again.getByText('Go on from here').waitFor(PATIENT);
      await expect.poll(() => status(again), PATIENT).toMatch(/^20.*\.hsr · [^%]* m?s$/);
      await again.locator('#lanes').focus();
      await again.keyboard.press('End');
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
      await untilShows(page, 'root@hindsight:~#');
      await page.keyboard.type(`echo $((6*7)) ${said}\n`);
      await untilShows(page, `42 ${said}`);
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
          await tabs[1].page.getByText('are used').waitFor();
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
