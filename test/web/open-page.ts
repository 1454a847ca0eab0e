/** The page as a person has it: `hindsight web` and headless Chromium. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { describe } from 'vitest';
import { CHROMIUM, FLAGS } from '../browser/headless.ts';
import { guest } from '../cli/guest.ts';
import { bundled, CLI, hindsight } from '../cli/hindsight.ts';

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

/** How many times slower pages are made, to find what depends on time. */
const SLOWER = Number(process.env.HINDSIGHT_SLOWER ?? 1);

export async function openPage(context: BrowserContext, address: string): Promise<OpenedPage> {
  const page = await context.newPage();
  const errors: string[] = [];
  page.on('pageerror', (error) => errors.push(error.message));
  if (SLOWER > 1) {
    const session = await context.newCDPSession(page);
    await session.send('Emulation.setCPUThrottlingRate', { rate: SLOWER });
  }
  await page.goto(address);
  return { page, errors };
}

/** How long anything may take on a busy machine. */
export const PATIENT = { timeout: 60_000 };

const SCREEN = '#live-terminal:not([hidden]) .xterm-rows, #past-terminal:not([hidden]) .xterm-rows';

/** Text of the terminal that shows. */
export const screenText = (page: Page): Promise<string> => page.locator(SCREEN).innerText();

/** Waits until the terminal shows a text; one blank in it is any number of blanks and line ends. */
export const untilShows = (page: Page, text: string): Promise<unknown> =>
  page.waitForFunction(
    ([screen, wanted]) =>
      document
        .querySelector<HTMLElement>(screen)
        ?.innerText.replace(/[\s\u00a0]+/g, ' ')
        .includes(wanted),
    [SCREEN, text],
    PATIENT,
  );

/** Waits until nothing moves through time and the terminal shows what was there. */
export const untilIdle = (page: Page): Promise<unknown> =>
  page.waitForFunction(
    () =>
      document.querySelector('.transport .busy')?.textContent === '' &&
      document.querySelector('#past-terminal[aria-busy]') === null,
    undefined,
    PATIENT,
  );

/** Waits until the guest's shell takes what is typed. */
export async function untilPrompt(page: Page): Promise<void> {
  await untilShows(page, 'root@hindsight:~#');
  await page.locator('#live-terminal textarea:focus').waitFor({ state: 'attached', ...PATIENT });
}

/** Types a command and waits until its output, and the prompt after it, are there. */
export async function command(page: Page, text: string, output: string): Promise<void> {
  await page.keyboard.type(`${text}\n`);
  await untilShows(page, `${output} root@hindsight:~#`);
}

/** Waits until a recording is open and its lanes are whole and kept. @param name or how it begins */
export const untilIndexed = (page: Page, name: string): Promise<unknown> =>
  page.waitForFunction(
    (wanted) => {
      const text = document.querySelector<HTMLElement>('#status')?.innerText ?? '';
      return text.startsWith(wanted) && text.includes('.hsr · ') && !text.includes('%') && /m?s$/.test(text);
    },
    name,
    PATIENT,
  );

/** Moves the timeline by a key. */
export async function press(page: Page, key: string): Promise<void> {
  await page.locator('#lanes').focus();
  await page.keyboard.press(key);
  await untilIdle(page);
}

/** Where the page's address says that it is, in instructions. */
export async function instantOf(page: Page): Promise<number> {
  await untilIdle(page);
  return Number(/#(?:.*&)?at=(\d+)/.exec(page.url())?.[1]);
}

/** Records two lines, a second of guest time apart. */
export async function recordTwoLines(file: string): Promise<void> {
  const made = await hindsight(['run', '--quiet', '--record', file, '--exec', 'echo first; sleep 1; echo second']);
  if (made.status !== 0) throw new Error(`hindsight run ended with ${made.status}: ${made.stderr}`);
}

/** Whether a lane has anything drawn in its colour. */
export const drawn = (page: Page, color: string): Promise<boolean> =>
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
