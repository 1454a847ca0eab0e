// `node build/screenshots.mjs`: the pictures of docs/screenshots, taken from the page as it is built, by what a person would do.
import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { root } from './install.mjs';

const out = join(root, 'docs/screenshots');
const CHROMIUM = process.env.HINDSIGHT_CHROMIUM ?? '/usr/bin/chromium';
const PATIENT = { timeout: 120_000 };

/** Starts `hindsight web`; resolves with the process and the address. */
function serve() {
  const child = spawn(process.execPath, [join(root, 'dist/cli.mjs'), 'web', '--port', '0'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return new Promise((resolve) => {
    child.stdout.once('data', (text) => resolve({ child, address: String(text).trim() }));
  });
}

const shows = (page, text) =>
  page.waitForFunction(
    (wanted) => document.querySelector('#live-terminal .xterm-rows')?.innerText.replaceAll(' ', ' ').includes(wanted),
    text,
    PATIENT,
  );

/** Types a command and waits for what it prints. */
async function command(page, text, printed) {
  await page.keyboard.type(`${text}\n`, { delay: 25 });
  await shows(page, printed);
}

const quiet = async (page) => {
  await page.waitForFunction(() => document.querySelector('.transport .busy')?.innerText === '', undefined, PATIENT);
  await page.waitForTimeout(1500);
};

async function mark(page, note) {
  page.once('dialog', (dialog) => void dialog.accept(note));
  await page.getByRole('button', { name: 'Mark' }).click();
}

async function openPanes(page, names) {
  await page.locator('#pane-menu summary').click();
  for (const name of names) await page.locator('#pane-menu').getByRole('button', { name, exact: true }).click();
  await page.locator('#pane-menu summary').click();
}

/** A session that is worth going back to. */
async function session(page) {
  await shows(page, 'root@hindsight:~#');
  await page.waitForTimeout(3000);
  await command(page, 'for i in 1 2 3; do head -c 300000 /dev/urandom | md5sum; sleep 0.2; done', '  -\n');
  await page.waitForTimeout(1200);
  await command(page, 'echo precious > notes; cat notes', 'precious\n');
  await command(page, 'ls -la / | tail -4', 'var');
  await command(page, 'rm notes; cat notes', 'No such file');
  await page.waitForTimeout(600);
}

const { child, address } = await serve();
const browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox', '--disable-gpu'] });
try {
  mkdirSync(out, { recursive: true });
  const context = await browser.newContext({ colorScheme: 'dark', viewport: { width: 1280, height: 800 } });
  const page = await context.newPage();
  await page.goto(address);
  await session(page);
  await page.getByRole('button', { name: 'Pause' }).click();
  await quiet(page);
  for (let i = 0; i < 3; i++) {
    await page.getByRole('button', { name: 'Back one line' }).click();
    await quiet(page);
  }
  await mark(page, 'the file is still there');
  await page.screenshot({ path: join(out, 'past.png') });
  await page.getByRole('button', { name: 'Go on from here' }).click();
  await page.waitForFunction(() => document.querySelector('.where')?.innerText === 'Live', undefined, PATIENT);
  await command(page, 'cat notes; echo saved', 'saved\n');
  await page.waitForTimeout(1000);
  await page.getByRole('button', { name: 'Pause' }).click();
  await quiet(page);
  for (let i = 0; i < 2; i++) {
    await page.getByRole('button', { name: 'Back one system call' }).click();
    await quiet(page);
  }
  await openPanes(page, ['Disassembly', 'Call stack', 'Registers']);
  await page.waitForTimeout(4000);
  await page.screenshot({ path: join(out, 'panes-dark.png') });
  await context.close();
} finally {
  await browser.close();
  child.kill();
}
