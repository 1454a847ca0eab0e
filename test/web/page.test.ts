import { createRequire } from 'node:module';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { describePage, launch, openPage, Site, screenText, untilShows } from './open-page.ts';

const PATIENT = { timeout: 60_000 };

describePage('the page', { timeout: 200_000 }, () => {
  let site: Site;
  let browser: Browser;

  beforeAll(async () => {
    site = await Site.start();
    browser = await launch();
  }, 200_000);
  afterAll(async () => {
    await browser?.close();
    site?.close();
  });

  test('shows a shell that takes keys, goes back to what the terminal showed, and goes on from there', async () => {
    const context = await browser.newContext();
    const { page, errors } = await openPage(context, site.address);
    await untilShows(page, 'root@hindsight:~#');
    await page.keyboard.type('echo $((6*7)) answers\n');
    await untilShows(page, '42 answers');
    await page.keyboard.type('echo $((7*7)) later\n');
    await untilShows(page, '49 later');

    await page.getByRole('button', { name: 'Pause' }).click();
    const back = page.getByRole('button', { name: 'Back one line' });
    await back.click();
    await untilShows(page, '42 answers');
    // To the end of `49 later`, of what was typed for it, and of `42 answers`.
    for (let i = 0; i < 2; i++) {
      await expect.poll(() => page.locator('.transport .busy').innerText(), PATIENT).toBe('');
      await back.click();
    }
    // Between two instants the terminal is empty for a moment.
    await expect.poll(() => screenText(page), PATIENT).toMatch(/^(?!.*49 later).*42 answers/s);
    expect(page.url()).toMatch(/#at=\d+/);

    await page.getByRole('button', { name: 'Go on from here' }).click();
    await expect.poll(() => page.locator('.where').innerText(), PATIENT).toBe('Live');
    await page.keyboard.type('echo another $((8*8)) future\n');
    await untilShows(page, 'another 64 future');
    expect(await screenText(page)).not.toContain('49 later');
    expect(errors).toEqual([]);
    await context.close();
  });

  test.each(['dark', 'light'] as const)('is readable to everybody, %s', async (colorScheme) => {
    const context = await browser.newContext({ colorScheme });
    const { page } = await openPage(context, site.address);
    await untilShows(page, 'root@hindsight:~#');
    await page.getByRole('button', { name: 'Pause' }).click();
    await page.getByRole('button', { name: 'Play' }).waitFor();
    await page.locator('#pane-menu summary').click();
    for (const pane of await page.locator('#pane-menu button').all()) await pane.click();
    await page.getByText('supervisor mode').waitFor();
    await page.addScriptTag({ path: createRequire(import.meta.url).resolve('axe-core/axe.min.js') });
    const found = (await page.evaluate('axe.run()')) as {
      violations: { id: string; impact: string; nodes: { html: string }[] }[];
    };
    const serious = found.violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
    expect(serious.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join('\n')}`)).toEqual([]);
    await context.close();
  });
});
