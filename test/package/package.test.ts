/** The package as npm would publish it: built from a clean copy, checked, and installed from its tarball into an empty project. */
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core';
import { transform } from 'esbuild';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { guest } from '../cli/guest.ts';

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
      excludeEntrypoints: ['./core.wasm', './package.json'],
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
      "export * from 'hindsight-vm/browser';\nexport { Machine } from 'hindsight-vm';\n",
    );
    const page = ['--module', 'esnext', '--moduleResolution', 'bundler', '--target', 'es2023'];
    const lib = ['--lib', 'es2023,esnext.disposable,dom,dom.iterable,dom.asynciterable'];
    expect(await types('page.ts', [...page, ...lib])).toBe('');
  });

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
