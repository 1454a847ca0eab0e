/** The package as npm would publish it: built from a clean copy, checked, and installed from its tarball into an empty project. */
import { execFile } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core';
import { transform } from 'esbuild';
import { chromium } from 'playwright-core';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Timeline } from '../../src/host/node/index.ts';
import { CHROMIUM, FLAGS } from '../browser/headless.ts';
import { guest } from '../cli/guest.ts';
import { servePages } from './serve-pages.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const run = promisify(execFile);
/** What the package is made of. */
const SOURCES = [
  'assembly',
  'build',
  'docs',
  'src',
  'README.md',
  'package.json',
  'tsconfig.json',
  'tsconfig.types.json',
];
const DERIVED = new Set(['generated', 'out']);
const EXAMPLES = [...readFileSync(join(ROOT, 'README.md'), 'utf8').matchAll(/```ts\n([\s\S]*?)```/g)].map((m) => m[1]!);

/** What each of the examples prints, in their order; a later one opens the recording of the first. */
const PRINTED: readonly (readonly RegExp[])[] = [
  [/^Linux hindsight \S+ .* riscv64 GNU\/Linux\r?$/m, /^\{ instructions: \d+, sequence: \d+ \} [0-9a-f]{16}\n$/m],
  [/^1 \S helper$/m, /^0x[0-9a-f]{16} <do_exit>$/m],
  [/^Linux hindsight \S+ .* riscv64 GNU\/Linux\n 3 text\n$/],
];

interface Manifest {
  readonly version: string;
  readonly devDependencies: Readonly<Record<string, string>>;
}
const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as Manifest;

describe('the package', { timeout: 600_000 }, () => {
  let scratch: string;
  let tarball: Buffer;
  let project: string;

  /** Checks types in the project as strictly as TypeScript can, the package's own declarations included. */
  async function types(file: string, options: readonly string[]): Promise<string> {
    const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
    const strict = ['--noEmit', '--strict', '--skipLibCheck', 'false', '--exactOptionalPropertyTypes'];
    return run(process.execPath, [tsc, ...strict, ...options, file], { cwd: project }).then(
      ({ stdout }) => stdout,
      (error: { stdout: string }) => error.stdout,
    );
  }

  beforeAll(async () => {
    scratch = mkdtempSync(join(tmpdir(), 'hindsight-package-'));
    const clean = join(scratch, 'source');
    for (const source of SOURCES)
      cpSync(join(ROOT, source), join(clean, source), {
        recursive: true,
        filter: (path) => !DERIVED.has(basename(path)),
      });
    symlinkSync(join(ROOT, 'node_modules'), join(clean, 'node_modules'));
    const packed = await run('npm', ['pack', '--json', '--pack-destination', scratch], { cwd: clean });
    const [{ filename }] = JSON.parse(packed.stdout.slice(packed.stdout.indexOf('[\n'))) as [{ filename: string }];
    tarball = readFileSync(join(scratch, filename));

    project = join(scratch, 'project');
    mkdirSync(project);
    writeFileSync(join(project, 'package.json'), '{ "name": "project", "private": true, "type": "module" }');
    const nodeTypes = `@types/node@${manifest.devDependencies['@types/node']}`;
    const install = ['install', '--prefer-offline', '--no-audit', '--no-fund', join(scratch, filename), nodeTypes];
    await run('npm', install, { cwd: project });
  }, 600_000);
  afterAll(() => rmSync(scratch, { recursive: true, force: true }));

  test('passes publint', async () => {
    const { messages, pkg } = await publint({ pack: { tarball: new Uint8Array(tarball).buffer }, strict: true });
    expect(messages.map((message) => formatMessage(message, pkg, { color: false }))).toEqual([]);
  });

  test('has types that resolve as its code does', async () => {
    const result = await checkPackage(createPackageFromTarballData(new Uint8Array(tarball)), {
      excludeEntrypoints: ['./core.wasm', './element.css', './package.json'],
    });
    if (!result.types) throw new Error('the package has no types');
    const problems = result.problems.filter(
      // An ES module package: not for TypeScript's resolution of before 2022, nor for require() of before Node 20.19.
      (p) => !('resolutionKind' in p && (p.resolutionKind === 'node10' || p.resolutionKind === 'node16-cjs')),
    );
    expect(problems).toEqual([]);
  });

  test('type-checks strictly in Node, as README uses it', async () => {
    expect(EXAMPLES.length).toBeGreaterThan(0);
    for (const [i, example] of EXAMPLES.entries()) {
      writeFileSync(join(project, `example-${i}.ts`), example);
      const node = '--module nodenext --target es2023 --lib es2023,esnext.disposable --types node'.split(' ');
      expect(await types(`example-${i}.ts`, node)).toBe('');
    }
  });

  test('type-checks strictly in a page', async () => {
    writeFileSync(
      join(project, 'page.ts'),
      `export * from 'hindsight-vm/browser';
export { Machine } from 'hindsight-vm';
import { HindsightMachine, type MachineState } from 'hindsight-vm/element';
const element: HindsightMachine = document.createElement('hindsight-machine');
element.addEventListener('hindsight-state', (event) => {
  const { at }: MachineState = event.detail;
  console.log(at.instructions);
});
export const hash: Promise<string> = element.hash();
`,
    );
    const page = ['--module', 'esnext', '--moduleResolution', 'bundler', '--target', 'es2023'];
    const lib = ['--lib', 'es2023,esnext.disposable,dom,dom.iterable,dom.asynciterable'];
    expect(await types('page.ts', [...page, ...lib])).toBe('');
  });

  test.skipIf(guest === undefined || !existsSync(CHROMIUM))(
    'its element shows a recording in a page of somebody else',
    async () => {
      const recording = join(project, 'told.hsr');
      const record = ['run', '--quiet', '--record', recording, '--embed', '--exec', 'echo told'];
      await run('npx', ['--no-install', 'hindsight', ...record], { cwd: project });
      const web = join(project, 'node_modules/hindsight-vm/dist/web');
      const files: Record<string, string | Uint8Array> = { '/told.hsr': readFileSync(recording) };
      for (const name of ['page.js', 'worker.js', 'style.css'])
        files[`/hindsight/${name}`] = readFileSync(join(web, name));
      files['/'] =
        `<!doctype html><html lang="en"><title>Another page</title><link rel="stylesheet" href="hindsight/style.css">
<script type="module">
import { HindsightMachine } from './hindsight/page.js';
const element = document.querySelector('hindsight-machine');
window.ready = new Promise((resolve, reject) => {
  element.addEventListener('hindsight-state', ({ detail }) => resolve([detail.mode, element instanceof HindsightMachine]));
  element.addEventListener('hindsight-error', ({ detail }) => reject(new Error(detail)));
});
</script><hindsight-machine recording="told.hsr" style="height: 600px"></hindsight-machine>`;
      const site = await servePages(files);
      const browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
      try {
        const page = await browser.newPage();
        await page.goto(site.address);
        await page.waitForFunction('window.ready !== undefined');
        expect(await page.evaluate('window.ready')).toEqual(['past', true]);
        await page.locator('#lanes').focus();
        await page.keyboard.press('End');
        await page.waitForFunction("document.querySelector('#past-terminal .xterm-rows')?.innerText.includes('told')");
        const hash = await page.evaluate("document.querySelector('hindsight-machine').hash()");
        const timeline = await Timeline.open(recording);
        await timeline.seek(timeline.end);
        expect(hash).toBe(timeline.hash());
        await timeline.close();
      } finally {
        await browser.close();
        site.close();
      }
    },
  );

  test('has a command that starts', async () => {
    const { stdout } = await run('npx', ['--no-install', 'hindsight', '--version'], { cwd: project });
    expect(stdout.trim()).toContain(manifest.version);
  });

  test.skipIf(guest === undefined)("README's examples run as they stand there", async () => {
    expect(EXAMPLES).toHaveLength(PRINTED.length);
    for (const [i, example] of EXAMPLES.entries()) {
      const { code } = await transform(example, { loader: 'ts', format: 'esm', target: 'node20' });
      const { stdout, stderr } = await run(process.execPath, ['--input-type=module', '-e', code], { cwd: project });
      expect(stderr).toBe('');
      for (const line of PRINTED[i]!) expect(stdout).toMatch(line);
    }
  });
});
