import { existsSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { guest } from '../cli/guest.ts';
import { FIREFOX, Firefox } from './firefox.ts';
import { Site } from './open-page.ts';

const PATIENT = { timeout: 90_000, interval: 300 };
const SCREEN = `(document.querySelector('#live-terminal:not([hidden]) .xterm-rows, #past-terminal:not([hidden]) .xterm-rows')?.innerText ?? '').replaceAll('\\u00a0', ' ')`;
const IDLE = `document.querySelector('.transport .busy').innerText === '' && document.querySelector('#past-terminal[aria-busy]') === null`;
const click = (label: string): string =>
  `[...document.querySelectorAll('button')].find((button) => (button.ariaLabel ?? button.innerText).includes(${JSON.stringify(label)})).click()`;

describe.skipIf(!existsSync(FIREFOX) || guest === undefined)('the page in Firefox', { timeout: 300_000 }, () => {
  let site: Site;
  let firefox: Firefox;
  beforeAll(async () => {
    site = await Site.start();
    firefox = await Firefox.start();
  }, 200_000);
  afterAll(async () => {
    await firefox?.close();
    site?.close();
  });

  const screen = (): Promise<string> => firefox.evaluate(SCREEN) as Promise<string>;
  const idle = (): Promise<unknown> => expect.poll(() => firefox.evaluate(IDLE), PATIENT).toBe(true);

  test('boots, records, and goes back to what the terminal showed; the recording opens again', async () => {
    await firefox.goTo(site.address);
    await expect.poll(screen, PATIENT).toContain('root@hindsight:~#');
    await expect.poll(() => firefox.evaluate('document.activeElement.tagName'), PATIENT).toBe('TEXTAREA');
    await firefox.insert('echo $((6*7)) answers\n');
    await expect.poll(screen, PATIENT).toMatch(/42 answers\s+root@/);
    await firefox.insert('echo $((7*7)) later\n');
    await expect.poll(screen, PATIENT).toMatch(/49 later\s+root@/);
    await firefox.evaluate(click('Pause'));
    await idle();
    for (let i = 0; i < 3; i++) {
      await firefox.evaluate(click('Back one line'));
      await idle();
    }
    expect(await screen()).toMatch(/^(?!.*49 later).*42 answers/s);
    expect(await firefox.evaluate('location.hash')).toMatch(/^#at=\d+/);
    expect(await firefox.evaluate("document.querySelector('hindsight-machine').hash()")).toMatch(/^[0-9a-f]{16,}$/);

    // The browser keeps the recording: it opens again, and has what was said.
    const shown = (selector: string): string => `document.querySelector('${selector}')?.innerText ?? ''`;
    await firefox.evaluate(click('Storage'));
    await expect.poll(() => firefox.evaluate(shown('dialog')), PATIENT).toContain('.hsr');
    await firefox.evaluate(
      `[...document.querySelectorAll('dialog button')].find(({ innerText }) => innerText === 'Open').click()`,
    );
    await expect.poll(() => firefox.evaluate(shown('#status')), PATIENT).toMatch(/\.hsr · [^%]*$/);
    await firefox.evaluate(
      "document.querySelector('#lanes').dispatchEvent(new KeyboardEvent('keydown', { key: 'End', bubbles: true }))",
    );
    await expect.poll(screen, PATIENT).toContain('42 answers');
  });
});
