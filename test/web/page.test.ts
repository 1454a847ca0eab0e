import { createRequire } from 'node:module';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  command,
  describePage,
  launch,
  openPage,
  PATIENT,
  Site,
  screenText,
  untilIdle,
  untilPrompt,
  untilShows,
} from './open-page.ts';

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
    await untilPrompt(page);
    await command(page, 'echo $((6*7)) answers', '42 answers');
    await command(page, 'echo $((7*7)) later', '49 later');

    await page.getByRole('button', { name: 'Pause' }).click();
    await untilIdle(page);
    // To the end of `49 later`, of what was typed for it, and of `42 answers`.
    for (let i = 0; i < 3; i++) {
      await page.getByRole('button', { name: 'Back one line' }).click();
      await untilIdle(page);
    }
    expect(await screenText(page)).toMatch(/^(?!.*49 later).*42 answers/s);
    expect(page.url()).toMatch(/#at=\d+/);

    await page.getByRole('button', { name: 'Go on from here' }).click();
    await expect.poll(() => page.locator('.where').innerText(), PATIENT).toBe('Live');
    await page.locator('#live-terminal textarea:focus').waitFor({ state: 'attached', ...PATIENT });
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
    await page.getByRole('button', { name: 'Play' }).waitFor(PATIENT);
    await page.locator('#pane-menu summary').click();
    for (const pane of await page.locator('#pane-menu button').all()) await pane.click();
    await page.getByText('supervisor mode').waitFor(PATIENT);
    await page.addScriptTag({ path: createRequire(import.meta.url).resolve('axe-core/axe.min.js') });
    const found = (await page.evaluate('axe.run()')) as {
      violations: { id: string; impact: string; nodes: { html: string }[] }[];
    };
    const serious = found.violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
    expect(serious.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join('\n')}`)).toEqual([]);
    await context.close();
  });
});
