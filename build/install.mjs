// Installs the npm packages of the lock file when they are not there, or not those of the lock file.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The project's folder. */
export const root = join(dirname(fileURLToPath(import.meta.url)), '..');

const OLDEST_NODE = [20, 11];

/** Refuses a Node too old to run anything here, by name rather than by a syntax error later. */
export function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1])) return;
  process.stderr.write(
    `hindsight: Node ${process.versions.node} is too old; ${OLDEST_NODE.join('.')} or newer is needed\n`,
  );
  process.exit(1);
}

const packagesOf = (file) => {
  try {
    return JSON.parse(readFileSync(file, 'utf8')).packages;
  } catch {
    return undefined;
  }
};

/** Whether node_modules holds every package of the lock file, in its version; optional ones are another platform's at times. */
function installed() {
  const here = packagesOf(join(root, 'node_modules/.package-lock.json'));
  const wanted = packagesOf(join(root, 'package-lock.json'));
  return (
    here !== undefined &&
    Object.entries(wanted ?? {}).every(
      ([path, { version, optional }]) => path === '' || optional || here[path]?.version === version,
    )
  );
}

/** Runs `npm ci` unless node_modules is as the lock file says. Its output goes to stderr. */
export function installPackages() {
  if (installed()) return;
  process.stderr.write('hindsight: installing npm packages …\n');
  const npm = process.env.npm_execpath;
  const [command, args] = npm?.endsWith('.js') ? [process.execPath, [npm]] : ['npm', []];
  const done = spawnSync(command, [...args, 'ci', '--no-fund', '--no-audit', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
  });
  if (done.status === 0) return;
  process.stderr.write(
    `hindsight: npm ci failed${done.error ? `: ${done.error.message}` : ''}; its messages are above. Is there a network?\n`,
  );
  process.exit(1);
}
