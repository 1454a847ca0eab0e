// The command line's entry, bundled into dist/cli.mjs: it loads the program from `cli.cjs` beside it together with what V8 made of
// it in an earlier run, which is kept in the user's cache. Compiling it again takes a fifth of the time of `hindsight run --exec true`.
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cachedDataVersionTag } from 'node:v8';
import { Script } from 'node:vm';
import { tuneRuntime } from '../src/host/node/runtime-tuning.ts';

const PROGRAM = fileURLToPath(new URL('cli.cjs', import.meta.url));
const require = createRequire(PROGRAM);

/** Of the program's text: V8 itself looks at its length only. */
const HASH = PROGRAM_HASH;

/** Where the code for this program, this Node and this processor is kept. */
function codeFile() {
  const base = process.env.XDG_CACHE_HOME?.startsWith('/') ? process.env.XDG_CACHE_HOME : join(homedir(), '.cache');
  return join(base, 'hindsight', 'code', `${HASH}-${process.version}-${process.arch}-${cachedDataVersionTag()}.bin`);
}

const SUM = 32;
/** Programs and Nodes whose code is kept: 2 MB each. */
const MOST_KEPT = 6;
const sumOf = (code) => createHash('sha256').update(code).digest();

/** What is kept; undefined when there is nothing, or it is damaged, which V8 would not notice. */
function readCode(file) {
  try {
    const bytes = readFileSync(file);
    const code = bytes.subarray(SUM);
    return sumOf(code).equals(bytes.subarray(0, SUM)) ? code : undefined;
  } catch {
    return undefined;
  }
}

/** Keeps what V8 made of the program so far. A cache: failing to write it fails nothing. */
function keepCode(script, file) {
  const beside = `${file}.${process.pid}.new`;
  try {
    mkdirSync(dirname(file), { recursive: true });
    const code = script.createCachedData();
    writeFileSync(beside, Buffer.concat([sumOf(code), code]), { mode: 0o600 });
    renameSync(beside, file);
    forgetOld(dirname(file));
  } catch {
    rmSync(beside, { force: true });
  }
}

/** Removes what was kept for programs of long ago. */
function forgetOld(folder) {
  const files = readdirSync(folder).map((name) => join(folder, name));
  const age = new Map(files.map((file) => [file, statSync(file).mtimeMs]));
  files.sort((a, b) => age.get(b) - age.get(a));
  for (const file of files.slice(MOST_KEPT)) rmSync(file, { force: true });
}

function load() {
  // Machines use most of the program. V8 takes code only where it has the settings that it was made with: they come first.
  const keeps = process.argv[2] === 'run' && !process.argv.some((word) => word === '--help' || word === '-h');
  if (keeps) tuneRuntime();
  const file = codeFile();
  const cachedData = keeps ? readCode(file) : undefined;
  const script = new Script(
    `(function (exports, require, module, __filename) {${readFileSync(PROGRAM, 'latin1')}\n})`,
    { filename: PROGRAM, ...(cachedData && { cachedData }) },
  );
  if (script.cachedDataRejected) rmSync(file, { force: true });
  else if (keeps && cachedData === undefined) process.on('exit', (status) => status === 0 && keepCode(script, file));
  // A script cannot import modules; this one asks for them here.
  const module = { exports: {}, importModule: (name) => import(name) };
  script.runInThisContext()(module.exports, require, module, PROGRAM);
}

// Others than Node keep no such code.
if (process.versions.bun !== undefined || process.versions.deno !== undefined) require(PROGRAM);
else load();
