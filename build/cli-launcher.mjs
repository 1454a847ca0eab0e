// The command line's entry, bundled into dist/cli.mjs with what is replaced here: it loads the program from `cli.cjs` beside it together with what V8 made of
// it in an earlier run, which is kept in the user's cache. Compiling anew takes a fifth of the time of `hindsight run --exec true`.
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cachedDataVersionTag, setFlagsFromString } from 'node:v8';
import { Script } from 'node:vm';

const PROGRAM = fileURLToPath(new URL('cli.cjs', import.meta.url));
const require = createRequire(PROGRAM);

/** Of the program's text: V8 itself looks at its length only. */
const HASH = 'PROGRAM_HASH';

/** Where the code for this program, this Node and this processor is kept. */
function codeFile() {
  const base = process.env.XDG_CACHE_HOME?.startsWith('/') ? process.env.XDG_CACHE_HOME : join(homedir(), '.cache');
  return join(base, 'hindsight', 'code', `${HASH}-${process.version}-${process.arch}-${cachedDataVersionTag()}.bin`);
}

const SUM = 32;
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
  // Code is only taken by a process whose V8 has the same settings: the program has changed this one (runtime-tuning.ts), to whose default it returns.
  if (process.versions.v8.startsWith('11.')) setFlagsFromString(`--interrupt-budget=${66 * 1024}`);
  const beside = `${file}.${process.pid}.new`;
  try {
    mkdirSync(dirname(file), { recursive: true });
    const code = script.createCachedData();
    writeFileSync(beside, Buffer.concat([sumOf(code), code]), { mode: 0o600 });
    renameSync(beside, file);
  } catch {
    rmSync(beside, { force: true });
  }
}

function load() {
  const file = codeFile();
  const cachedData = readCode(file);
  const script = new Script(
    `(function (exports, require, module, __filename) {${readFileSync(PROGRAM, 'latin1')}\n})`,
    {
      filename: PROGRAM,
      ...(cachedData && { cachedData }),
    },
  );
  if (script.cachedDataRejected) rmSync(file, { force: true });
  // Machines use most of the program.
  else if (process.argv[2] === 'run' && cachedData === undefined)
    process.on('exit', (status) => status === 0 && keepCode(script, file));
  // A script cannot import modules; this one asks for them here.
  const module = { exports: {}, importModule: (name) => import(name) };
  script.runInThisContext()(module.exports, require, module, PROGRAM);
}

// Others than Node keep no such code.
if (process.versions.bun !== undefined || process.versions.deno !== undefined) require(PROGRAM);
else load();
