import type { Browser, BrowserContext, Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  command,
  describePage,
  instantOf,
  launch,
  openPage,
  PATIENT,
  Site,
  untilIdle,
  untilPrompt,
} from './open-page.ts';

describePage('panes of the page', { timeout: 200_000 }, () => {
  let site: Site;
  let browser: Browser;
  let context: BrowserContext;
  let page: Page;
  let errors: string[];

  beforeAll(async () => {
    site = await Site.start();
    browser = await launch();
    context = await browser.newContext({ viewport: { width: 1500, height: 1000 } });
    ({ page, errors } = await openPage(context, site.address));
    await untilPrompt(page);
    await command(page, 'sleep 1000 &\nls /; echo $((6*7)) is done', '42 is done');
    await page.getByRole('button', { name: 'Pause' }).click();
    await untilIdle(page);
    page.setDefaultTimeout(PATIENT.timeout);
  }, 200_000);
  afterAll(async () => {
    await browser?.close();
    site?.close();
  });

  const instant = (): Promise<number> => instantOf(page);
  /** Opens one pane and closes the others. */
  async function only(title: string): Promise<Locator> {
    const close = page.locator('#dock button[aria-label^="Close"]').first();
    while (await close.isVisible()) await close.click();
    await page.locator('#pane-menu summary').click();
    await page.locator('#pane-menu').getByRole('button', { name: title, exact: true }).click();
    await page.locator('#pane-menu summary').click();
    return page.locator(`section.pane[aria-label="${title}"]`);
  }

  test('processes: a tree; one that sleeps has a call stack in the kernel and in its program', async () => {
    const processes = await only('Processes');
    const sleeping = processes.getByRole('row', { name: /^\d+ sleep sleeps/ }).first();
    await sleeping.waitFor();
    expect(await sleeping.innerText()).toContain('sleeps');
    expect(await processes.innerText()).not.toContain('kthreadd');
    await processes.getByLabel("the kernel's own threads").check();
    await processes.getByText('[kthreadd]').waitFor();
    await sleeping.getByRole('button').click();
    await expect.poll(() => page.url(), PATIENT).toMatch(/pid=\d+/);
    await page.locator('#pane-menu summary').click();
    await page.locator('#pane-menu').getByRole('button', { name: 'Call stack', exact: true }).click();
    await page.locator('#pane-menu summary').click();
    const stack = page.locator('section.pane[aria-label="Call stack"]');
    await stack.getByText('In the kernel').waitFor();
    expect(await stack.innerText()).toMatch(/nanosleep/);
    await processes.getByRole('button', { name: 'Follow the hart instead' }).click();
    await expect.poll(() => stack.innerText(), PATIENT).toContain('Of hart 0');
  });

  test("the kernel's log as it was", async () => {
    const log = await only('Kernel log');
    await log.getByText(/Linux version/).waitFor();
    const lines = await log.locator('li').count();
    expect(lines).toBeGreaterThan(50);
  });

  test('memory: who wrote a value, and back to the instruction that did', async () => {
    const memory = await only('Memory');
    await memory.getByLabel('Address').fill('jiffies_64');
    await memory.getByRole('button', { name: 'Go', exact: true }).click();
    await memory.getByText('jiffies_64').waitFor();
    const before = await instant();
    await memory.getByRole('button', { name: 'Who wrote this' }).click();
    const origin = memory.locator('.origin');
    await origin.waitFor();
    // The tick counts them, several at once after the hart was idle.
    const [, from, to] = /0x([0-9a-f]+) → 0x([0-9a-f]+)/.exec(await origin.innerText())!;
    expect(BigInt(`0x${to}`)).toBeGreaterThan(BigInt(`0x${from}`));
    expect(await origin.innerText()).toMatch(/do_timer|tick_do_update_jiffies64|tick_periodic/);
    await origin.getByRole('button', { name: 'Go there' }).click();
    await expect.poll(instant, PATIENT).toBeLessThan(before);
    // From before the store, it is the next one.
    await memory.getByRole('button', { name: 'Who writes it next' }).click();
    await untilIdle(page);
    expect(/0x([0-9a-f]+) → /.exec(await origin.innerText())![1]).toBe(from);
  });

  test('memory: what is not mapped, and what is no address, is said', async () => {
    const memory = await only('Memory');
    await memory.getByLabel('Address').fill('no_such_symbol');
    await memory.getByRole('button', { name: 'Go', exact: true }).click();
    await page.getByRole('alert').waitFor();
    expect(await page.getByRole('alert').innerText()).toContain('no_such_symbol');
    await page.getByRole('button', { name: 'Close this message' }).click();
    await memory.getByLabel('Address').fill('0x10');
    await memory.getByRole('button', { name: 'Go', exact: true }).click();
    await expect.poll(() => memory.locator('.hex').innerText(), PATIENT).toContain('··');
  });

  test('breakpoints, back and forward, with a condition', async () => {
    const points = await only('Breakpoints');
    const add = async (place: string, when = ''): Promise<void> => {
      await points.getByLabel('Place').fill(place);
      await points.getByLabel('if').fill(when);
      await points.getByRole('button', { name: 'Add' }).click();
    };
    const before = await instant();
    await add('do_exit');
    await points.getByRole('button', { name: 'Back to where it executes do_exit' }).click();
    await expect.poll(instant, PATIENT).toBeLessThan(before);
    const exit = await instant();
    await add('do_exit', 'a0 == 0x1234');
    await points.getByRole('button', { name: 'Forward to where it executes do_exit' }).last().click();
    await points.getByText('It was not met from there to the end.').waitFor();
    expect(await instant()).toBeGreaterThan(exit);
  });

  test('page tables: where an address leads', async () => {
    const tables = await only('Page tables');
    await tables.getByText(/Sv(39|48|57), root table/).waitFor();
    expect(await tables.locator('tbody tr').count()).toBeGreaterThan(10);
    expect(errors).toEqual([]);
  });
});
