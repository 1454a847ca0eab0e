// Whether a build has anything to do, by names, sizes and times of files alone: reading all sources would take longer than a machine takes to start.
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './install.mjs';

const STAMP = join(root, 'build/out/up-to-date.stamp');

/** What a build reads, and the last of what it makes. */
const WATCHED = [
  'assembly',
  'src',
  'build',
  'package-lock.json',
  'node_modules/.package-lock.json',
  'build/out/core.wasm',
  'build/out/jit-core.wasm',
  'dist/cli.cjs',
  'dist/cli.mjs',
  'dist/node.mjs',
  'dist/index.js',
  'dist/web/index.html',
];

/** Names, sizes and times of change of all that is watched. @throws system errors when something is not there */
function signature() {
  const lines = [process.version];
  const visit = (path) => {
    const { size, mtimeMs, ctimeMs } = statSync(join(root, path));
    lines.push(`${path} ${size} ${mtimeMs} ${ctimeMs}`);
  };
  const walk = (folder) => {
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
      const path = `${folder}/${entry.name}`;
      if (path === 'build/out') continue;
      if (entry.isDirectory()) walk(path);
      else visit(path);
    }
  };
  for (const path of WATCHED) {
    if (path.includes('.')) visit(path);
    else walk(path);
  }
  return lines.join('\n');
}

/** Whether nothing changed since {@link noteUpToDate}. */
export function isUpToDate() {
  try {
    return readFileSync(STAMP, 'utf8') === signature();
  } catch {
    return false;
  }
}

/** Notes that packages and build are as they should be. */
export function noteUpToDate() {
  writeFileSync(STAMP, signature());
}
