// `npm run check`: types, lint, format, and files, exports or packages that nothing uses. `npm test` begins with it.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { root } from './install.mjs';

const bin = (path) => join(root, 'node_modules', path);

/** Each is one test of the run; `mend` is what to do about a finding. */
const CHECKS = [
  {
    name: 'types of src, build, bench and test',
    args: [bin('typescript/bin/tsc'), '-p', '.', '--pretty', 'false'],
    mend: 'correct the types',
  },
  {
    name: 'lint and format',
    args: [bin('@biomejs/biome/bin/biome'), 'ci', '--error-on-warnings', '--reporter=github', '.'],
    mend: 'npx biome check --write . corrects most of it',
  },
  {
    name: 'nothing unused',
    args: [bin('knip/bin/knip.js'), '--no-progress', '--no-config-hints'],
    mend: 'remove what is unused, or say in knip.jsonc what uses it',
  },
];

/** Runs a program of the project; resolves with its status and what it said. */
function run(args) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text) => {
        said += text;
      });
    child.on('error', (error) => resolve({ status: 1, said: error.message }));
    child.on('close', (status) => resolve({ status: status ?? 1, said }));
  });
}

/**
 * Runs all checks at once and reports each on stderr.
 * @returns how many passed and how many failed
 */
export async function check() {
  const failed = await Promise.all(
    CHECKS.map(async ({ name, args, mend }) => {
      const { status, said } = await run(args);
      const findings = status === 0 ? '' : `: ${mend}\n${said.trimEnd()}`;
      process.stderr.write(`${status === 0 ? '✓' : '✗'} ${name}${findings}\n`);
      return status !== 0;
    }),
  );
  const count = failed.filter(Boolean).length;
  return { passed: CHECKS.length - count, failed: count };
}

if (process.argv[1] && fileURLToPath(import.meta.url) === process.argv[1]) {
  const { build } = await import('./build.mjs');
  await build({ bundles: false });
  const { failed } = await check();
  process.exit(failed > 0 ? 1 : 0);
}
