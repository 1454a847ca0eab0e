// `node build/run.mjs bench/page.ts [ROUNDS]`: figures of the page in headless Chromium, on a machine that should have nothing else to do.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { type BrowserContext, chromium, type Page } from 'playwright-core';
import { PROGRAMS } from '../src/web/bench/programs.ts';
import { mips } from '../src/web/bench/report.ts';
import { runProgram } from '../src/web/bench/run-program.ts';
import { CHROMIUM, FLAGS } from '../test/browser/headless.ts';

const ROUNDS = Number(process.argv[2] ?? 5);
const DRAGS = 60;
const CLI = join(process.cwd(), 'dist/cli.mjs');
const PATIENT = { timeout: 120_000 };
/** Ten minutes of guest time, some of it busy. */
const TEN_MINUTES =
  'for i in $(seq 1 60); do echo minute part $i; head -c 2000000 /dev/urandom | md5sum; sleep 9.9; done';

const percentile = (values: readonly number[], part: number): number =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(part * values.length))];
const line = (name: string, value: string): void => void process.stdout.write(`${name.padEnd(58)} ${value}\n`);
const ms = (value: number): string => `${value.toFixed(0)} ms`;

async function serve(recording: string): Promise<{ readonly child: ChildProcess; readonly address: string }> {
  const child = spawn(process.execPath, [CLI, 'web', '--port', '0', recording], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const address = await new Promise<string>((resolve) =>
    child.stdout.once('data', (text) => resolve(String(text).trim())),
  );
  return { child, address };
}

/** Milliseconds from the beginning of navigation until the page's own eyes see something. */
const seen = (page: Page, selector: string, text: string): Promise<number> =>
  page.evaluate(
    ([where, wanted]) =>
      new Promise<number>((resolve) => {
        const look = (): void => {
          const found = document
            .querySelector<HTMLElement>(where)
            ?.innerText.replaceAll('\u00a0', ' ')
            .includes(wanted);
          if (found) resolve(performance.now());
          else requestAnimationFrame(look);
        };
        look();
      }),
    [selector, text],
  );

async function reloads(context: BrowserContext, base: string): Promise<void> {
  const page = await context.newPage();
  await page.goto(base);
  line('first visit to the prompt', ms(await seen(page, '#live-terminal .xterm-rows', 'root@hindsight:~#')));
  const times: number[] = [];
  for (let i = 0; i < ROUNDS; i++) {
    await page.waitForTimeout(2000);
    await page.reload({ waitUntil: 'commit' });
    times.push(await seen(page, '#live-terminal .xterm-rows', 'root@hindsight:~#'));
  }
  line('reload to the prompt, median', ms(percentile(times, 0.5)));

  await page.waitForTimeout(1500);
  await page.keyboard.type('while :; do :; done &\n');
  await page.waitForTimeout(1500);
  const frame = await page.evaluate(
    () =>
      new Promise<number>((resolve) => {
        let [before, longest] = [performance.now(), 0];
        const end = before + 5000;
        const tick = (now: number): void => {
          longest = Math.max(longest, now - before);
          before = now;
          if (now < end) requestAnimationFrame(tick);
          else resolve(longest);
        };
        requestAnimationFrame(tick);
      }),
  );
  line('longest frame in 5 s of a guest that computes', ms(frame));
  line("the page's process, proportional set size", `${await memoryOf(context)} MB`);
  await page.close();
}

/** Megabytes of the renderers, as far as they share with nobody. */
async function memoryOf(context: BrowserContext): Promise<number> {
  const session = await context.browser()!.newBrowserCDPSession();
  const { processInfo } = (await session.send('SystemInfo.getProcessInfo')) as {
    processInfo: { type: string; id: number }[];
  };
  const sizes = processInfo
    .filter(({ type }) => type === 'renderer')
    .map(({ id }) => Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${id}/smaps_rollup`, 'utf8'))?.[1] ?? 0));
  return Math.round(Math.max(...sizes) / 1024);
}

async function recording(context: BrowserContext, address: string, size: number): Promise<void> {
  const page = await context.newPage();
  let read = 0;
  let opened = false;
  context.on('requestfinished', async (request) => {
    if (!request.url().endsWith('.hsr') || opened) return;
    read += (await request.sizes().catch(() => undefined))?.responseBodySize ?? 0;
  });
  await page.goto(address);
  line('10 minutes over HTTP, to a timeline that can be dragged', ms(await seen(page, '.where', 'before the end')));
  opened = true;
  line('of the recording read until then', `${read} of ${size} bytes`);
  await page.waitForFunction(
    () => !document.querySelector<HTMLElement>('#status')?.innerText.includes('%'),
    undefined,
    PATIENT,
  );
  line('until all lanes are there', ms(await page.evaluate(() => performance.now())));
  const measured = await page.evaluate(async (drags) => {
    const canvas = document.querySelector<HTMLCanvasElement>('#lanes')!;
    const { left, top, width, height } = canvas.getBoundingClientRect();
    canvas.setPointerCapture = () => {};
    const pointer = (type: string, part: number): boolean =>
      canvas.dispatchEvent(
        new PointerEvent(type, {
          pointerId: 1,
          clientX: left + 100 + part * (width - 110),
          clientY: top + height / 2,
          bubbles: true,
        }),
      );
    const sleep = (time: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, time));
    const rows = document.querySelector('#past-terminal .xterm-rows')!;
    const previews: number[] = [];
    const landings: number[] = [];
    let seed = 1;
    const random = (): number => (seed = (seed * 48271) % 2147483647) / 2147483647;
    for (let i = 0; i < drags; i++) {
      pointer('pointerdown', random());
      await sleep(100);
      const begun = performance.now();
      const changed = new Promise<number>((resolve) => {
        const observer = new MutationObserver(() => {
          observer.disconnect();
          resolve(performance.now() - begun);
        });
        observer.observe(rows, { childList: true, subtree: true, characterData: true });
        setTimeout(() => observer.disconnect(), 400);
      });
      const to = random();
      pointer('pointermove', to);
      const preview = await Promise.race([changed, sleep(400).then(() => undefined)]);
      if (preview !== undefined) previews.push(preview);
      const released = performance.now();
      const landed = new Promise<number>((resolve) => {
        document.addEventListener('hindsight-state', () => resolve(performance.now() - released), { once: true });
      });
      pointer('pointerup', to);
      landings.push(await landed);
      await sleep(30);
    }
    return { previews, landings };
  }, DRAGS);
  const { previews, landings } = measured;
  line(
    `preview while dragging, p50 and p95 of ${previews.length}`,
    `${ms(percentile(previews, 0.5))}, ${ms(percentile(previews, 0.95))}`,
  );
  line(
    `exact landing, p50 and p99 of ${landings.length}`,
    `${ms(percentile(landings, 0.5))}, ${ms(percentile(landings, 0.99))}`,
  );
  await page.close();
}

/** The bench page's programs here and there, in turn. */
async function speed(context: BrowserContext, base: string): Promise<void> {
  const page = await context.newPage();
  await page.goto(new URL('bench.html', base).href);
  await page.getByRole('button', { name: 'Run', exact: true }).click();
  await page.getByRole('button', { name: 'Run again' }).waitFor(PATIENT);
  const text = await page.locator('#bench-text').textContent();
  let sum = 0;
  for (const { name } of PROGRAMS) {
    const there = Number(new RegExp(`^${name} +([\\d.]+)`, 'm').exec(text!)![1]);
    sum += Math.log(there / mips(runProgram('jit', name, () => performance.now(), 700)));
  }
  line(`guest speed, × Node ${process.versions.node}, geometric mean`, Math.exp(sum / PROGRAMS.length).toFixed(2));
  await page.close();
}

function sizes(): void {
  const size = (...names: string[]): string =>
    `${Math.round(names.reduce((sum, name) => sum + gzipSync(readFileSync(join('dist/web', name)), { level: 9 }).length, 0) / 1000)} kB`;
  line('page, gzip', size('index.html', 'page.js', 'style.css'));
  line('with cores, gzip', size('index.html', 'page.js', 'style.css', 'worker.js'));
}

const folder = mkdtempSync(join(tmpdir(), 'hindsight-page-bench-'));
const file = join(folder, 'ten-minutes.hsr');
execFileSync(process.execPath, [CLI, 'run', '--quiet', '--clock', 'virtual', '--record', file, '--exec', TEN_MINUTES], {
  stdio: 'ignore',
});
const { child, address } = await serve(file);
const browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
try {
  sizes();
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  const base = address.replace(/#.*/, '');
  await reloads(context, base);
  await recording(context, address, statSync(file).size);
  await speed(context, base);
} finally {
  await browser.close();
  child.kill();
  rmSync(folder, { recursive: true, force: true });
}
