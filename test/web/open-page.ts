/** The page as a person has it: `hindsight web` and headless Chromium. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { describe } from 'vitest';
import { CHROMIUM, FLAGS } from '../browser/headless.ts';
import { guest } from '../cli/guest.ts';
import { bundled, CLI } from '../cli/hindsight.ts';

/** A suite that needs Chromium and the guest. */
export const describePage = describe.skipIf(!existsSync(CHROMIUM) || guest === undefined);

/** `hindsight web`, as it is started by a person. */
export class Site {
  readonly address: string;
  private readonly process: ChildProcess;

  private constructor(process: ChildProcess, address: string) {
    this.process = process;
    this.address = address;
  }

  static async start(...args: string[]): Promise<Site> {
    await bundled;
    const child = spawn(process.execPath, [CLI, 'web', '--port', '0', ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const address = await new Promise<string>((resolve, reject) => {
      let said = '';
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        said += text;
        const line = /^(http:\S+)\n/.exec(said);
        if (line !== null) resolve(line[1]);
      });
      child.once('exit', (status) => reject(new Error(`hindsight web ended with ${status}`)));
    });
    return new Site(child, address);
  }

  close(): void {
    this.process.kill();
  }
}

export const launch = (): Promise<Browser> => chromium.launch({ executablePath: CHROMIUM, args: FLAGS });

/** A page that is open, and what went wrong in it. */
export interface OpenedPage {
  readonly page: Page;
  readonly errors: string[];
}

export async function openPage(context: BrowserContext, address: string): Promise<OpenedPage> {
  const page = await context.newPage();
  const errors: string[] = [];
  page.on('pageerror', (error) => errors.push(error.message));
  await page.goto(address);
  return { page, errors };
}

/** Text of the terminal that shows. */
export const screenText = (page: Page): Promise<string> =>
  page.locator('#live-terminal:not([hidden]) .xterm-rows, #past-terminal:not([hidden]) .xterm-rows').innerText();

/** Waits until the terminal shows a text. */
export const untilShows = (page: Page, text: string, timeout = 60_000): Promise<unknown> =>
  page.waitForFunction(
    (wanted) =>
      [
        ...document.querySelectorAll<HTMLElement>(
          '#live-terminal:not([hidden]) .xterm-rows, #past-terminal:not([hidden]) .xterm-rows',
        ),
      ].some((rows) => rows.innerText.replaceAll('\u00a0', ' ').includes(wanted)),
    text,
    { timeout },
  );
