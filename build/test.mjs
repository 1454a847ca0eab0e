// `npm test`: installs what the tests need, builds, runs them all (or those named), and ends with one line of counts.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { installDebianTools } from './debian-tools.mjs';
import { checkNode, installPackages, root } from './install.mjs';

const say = (text) => process.stderr.write(`hindsight: ${text}\n`);

checkNode();
installPackages();
installDebianTools(say);

const { build } = await import('./build.mjs');
await build();

const report = join(root, 'build/out/test-report.json');
mkdirSync(join(root, 'build/out'), { recursive: true });
rmSync(report, { force: true });
const run = spawnSync(
  process.execPath,
  [
    join(root, 'node_modules/vitest/vitest.mjs'),
    'run',
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${report}`,
    ...process.argv.slice(2),
  ],
  { cwd: root, stdio: 'inherit' },
);

let counts;
try {
  counts = JSON.parse(readFileSync(report, 'utf8'));
} catch {
  say('vitest ended without a report; its messages are above');
  process.stdout.write('0 passed, 1 failed\n');
  process.exit(1);
}
// A file that could not even be loaded has no failed test of its own, yet it failed.
const unloaded = counts.testResults.filter(
  (file) => file.status === 'failed' && !file.assertionResults.some((t) => t.status === 'failed'),
).length;
let failed = counts.numFailedTests + unloaded;
if (failed === 0 && run.status !== 0) failed = 1;
const skipped = counts.numPendingTests + (counts.numTodoTests ?? 0);
process.stdout.write(`${counts.numPassedTests} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}\n`);
process.exit(failed > 0 ? 1 : 0);
