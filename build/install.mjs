// Installs the npm packages of the lock file when they are not there, or not those of the lock file.
import { spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The project's folder. */
export const root = join(dirname(fileURLToPath(import.meta.url)), '..');

const OLDEST_NODE = [20, 11];

/** Refuses a Node too old to run anything here, by name rather than by a syntax error later. */
export function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1])) return;
  process.stderr.write(`hindsight: Node ${process.versions.node} is too old; ${OLDEST_NODE.join('.')} or newer is needed\n`);
  process.exit(1);
}

const age = (file) => statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? -1;

/** Runs `npm ci` unless node_modules is as the lock file says. Its output goes to stderr. */
export function installPackages() {
  const installed = join(root, 'node_modules/.package-lock.json');
  const lock = join(root, 'package-lock.json');
  if (age(installed) >= 0 && (age(installed) >= age(lock) || !existsSync(lock))) return;
  process.stderr.write('hindsight: installing npm packages …\n');
  const npm = process.env.npm_execpath;
  const [command, args] = npm?.endsWith('.js') ? [process.execPath, [npm]] : ['npm', []];
  const done = spawnSync(command, [...args, 'ci', '--no-fund', '--no-audit', '--loglevel=error'], { cwd: root, stdio: ['ignore', 2, 2] });
  if (done.status === 0) return;
  process.stderr.write(`hindsight: npm ci failed${done.error ? `: ${done.error.message}` : ''}; its messages are above. Is there a network?\n`);
  process.exit(1);
}
