// Bundles the command line, the library and the page into dist/. Called by build/build.mjs.
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

// Without white space, which V8 would read at every start.
const NODE = { platform: 'node', target: 'node20', packages: 'external', minifyWhitespace: true };
const ANYWHERE = { platform: 'browser', target: 'es2022' };

/** Chunks of older builds stay this long, in milliseconds: a process that runs may still load them. */
const KEEP_OLD = 3_600_000;

/** @param {string} root the project's folder */
export async function bundle(root) {
  const esbuild = await import('esbuild');
  const dist = join(root, 'dist');
  const common = {
    bundle: true,
    format: 'esm',
    absWorkingDir: root,
    logLevel: 'error',
    legalComments: 'none',
    sourcemap: true,
    outdir: dist,
  };
  mkdirSync(join(dist, 'web'), { recursive: true });
  await Promise.all([
    esbuild.build({
      ...common,
      ...NODE,
      outExtension: { '.js': '.mjs' },
      entryPoints: { node: 'src/host/node/index.ts' },
    }),
    // One file that cli-launcher.mjs loads, with what V8 made of it before.
    esbuild.build({
      ...common,
      ...NODE,
      format: 'cjs',
      outExtension: { '.js': '.cjs' },
      entryPoints: { cli: 'src/cli/main.ts' },
      define: { 'import.meta.url': 'moduleUrl' },
      banner: {
        js: `const moduleUrl = require('node:url').pathToFileURL(__filename).href;
const importModule = module.importModule ?? ((name) => import(name));`,
      },
      charset: 'ascii',
    }),
    esbuild.build({
      ...common,
      ...ANYWHERE,
      entryPoints: {
        index: 'src/index.ts',
        browser: 'src/host/browser/index.ts',
        worker: 'src/host/browser/worker.ts',
      },
      // The worker exports nothing; so that tools see a module in it all the same.
      footer: { js: 'export {};' },
    }),
    esbuild.build({
      ...common,
      ...ANYWHERE,
      minify: true,
      outdir: join(dist, 'web'),
      entryPoints: {
        page: 'src/web/page.ts',
        worker: 'src/web/worker/main.ts',
        bench: 'src/web/bench/page.ts',
        'bench-worker': 'src/web/bench/worker.ts',
        style: 'src/web/styles/page.css',
      },
      external: ['data:*'],
    }),
  ]);
  // Where it is run as a script, see cli-launcher.mjs.
  const program = readFileSync(join(dist, 'cli.cjs'), 'latin1').replaceAll('import("', 'importModule("');
  writeFileSync(join(dist, 'cli.cjs'), program, 'latin1');
  const hash = createHash('sha256').update(program).digest('hex').slice(0, 16);
  await esbuild.build({
    ...common,
    ...NODE,
    sourcemap: false,
    outExtension: { '.js': '.mjs' },
    entryPoints: { cli: 'build/cli-launcher.mjs' },
    define: { PROGRAM_HASH: JSON.stringify(hash) },
    banner: { js: '#!/usr/bin/env node' },
  });
  chmodSync(join(dist, 'cli.mjs'), 0o755);
  copyFileSync(join(root, 'build/out/core.wasm'), join(dist, 'core.wasm'));
  for (const page of ['index.html', 'bench.html']) copyFileSync(join(root, 'src/web', page), join(dist, 'web', page));
  for (const name of readdirSync(dist)) {
    const file = join(dist, name);
    if (statSync(file).isFile() && Date.now() - statSync(file).mtimeMs > KEEP_OLD) rmSync(file);
  }
}
