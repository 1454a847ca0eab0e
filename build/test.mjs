// `npm test`: installs what the tests need, builds, checks types and style, runs all tests (or those named), and ends with one line of
// counts. With CI=true a test that is skipped, for want of a guest or of a program to compare with, has failed.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import { installDebianTools } from './debian-tools.mjs';
import { checkNode, installPackages, root } from './install.mjs';

const say = (text) => process.stderr.write(`hindsight: ${text}\n`);
const named = process.argv.slice(2);
const ci = process.env.CI === 'true';

checkNode();
installPackages();
installDebianTools(say);

const { build } = await import('./build.mjs');
await build();

let passed = 0;
let failed = 0;
if (named.length === 0) {
  // Made once, before tests that run side by side all want them.
  for (const more of [[], ['--disk']])
    spawnSync(process.execPath, [join(root, 'dist/cli.mjs'), 'guest', 'build', ...more], { stdio: ['ignore', 2, 2] });
  const { check } = await import('./check.mjs');
  const checks = await check();
  passed += checks.passed;
  failed += checks.failed;
}

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
    `--reporter=${join(root, 'build/second-attempts.mjs')}`,
    `--outputFile.json=${report}`,
    ...named,
  ],
  { cwd: root, stdio: 'inherit' },
);

/** The last line of the run, by which it is judged. */
function end(skipped) {
  process.stdout.write(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}\n`);
  process.exit(failed > 0 ? 1 : 0);
}

let counts;
try {
  counts = JSON.parse(readFileSync(report, 'utf8'));
} catch {
  say('vitest ended without a report; its messages are above');
  failed++;
  end(0);
}
const tests = counts.testResults.flatMap((file) => file.assertionResults.map((test) => ({ file: file.name, ...test })));
// A file that could not even be loaded has no failed test of its own, yet it failed.
const unloaded = counts.testResults.filter(
  (file) => file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed'),
);
const skipped = tests.filter((test) => !['passed', 'failed'].includes(test.status));
passed += counts.numPassedTests;
const broken = counts.numFailedTests + unloaded.length;
failed += broken === 0 && run.status !== 0 ? 1 : broken;
if (!ci) end(skipped.length);
for (const { file, fullName } of skipped)
  say(`skipped, which is a failure when CI=true: ${relative(root, file)}: ${fullName}`);
failed += skipped.length;
end(0);
