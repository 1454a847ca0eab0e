// `node build/run.mjs FILE.ts ARGS`: builds what FILE needs and runs it, for scripts written in TypeScript.
import { join, relative, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { checkNode, installPackages, root } from './install.mjs';

const [file, ...args] = process.argv.slice(2);
if (file === undefined) {
  process.stderr.write('usage: node build/run.mjs FILE.ts [ARGS]\n');
  process.exit(2);
}
checkNode();
installPackages();
const { build } = await import('./build.mjs');
await build({ bundles: false });
const esbuild = await import('esbuild');
const entry = resolve(file);
const outfile = join(root, 'build/out/run', `${relative(root, entry).replace(/[^\w.-]+/g, '-')}.mjs`);
await esbuild.build({
  entryPoints: [entry],
  outfile,
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'esm',
  packages: 'external',
  sourcemap: 'inline',
  logLevel: 'error',
});
await esbuild.stop();
process.argv = [process.argv[0], outfile, ...args];
await import(pathToFileURL(outfile).href);
