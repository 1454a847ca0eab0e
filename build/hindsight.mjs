// `npm run -s hindsight -- ARGS`: the command line of a clone, installed and built first when it must be.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { checkNode, installPackages, root } from './install.mjs';
import { isUpToDate, noteUpToDate } from './up-to-date.mjs';

/** Builds what is out of date, then becomes the command line with `args`. */
export async function hindsight(args) {
  checkNode();
  if (!isUpToDate()) {
    installPackages();
    try {
      const { build } = await import('./build.mjs');
      await build();
      noteUpToDate();
    } catch (error) {
      process.stderr.write(`hindsight: the build failed: ${error?.message ?? error}\n`);
      process.exit(1);
    }
  }
  const cli = join(root, 'dist/cli.mjs');
  process.argv = [process.argv[0], cli, ...args];
  await import(pathToFileURL(cli).href);
}

if (process.argv[1] && import.meta.filename === process.argv[1]) await hindsight(process.argv.slice(2));
