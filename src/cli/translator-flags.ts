import { openSync, writeSync } from 'node:fs';
import { nodeRegionCompiler } from '../host/node/region-compiler.ts';
import { readRememberedCode } from '../host/node/remembered-code.ts';
import type { RunOptions } from '../machine/session/machine.ts';
import type { RunFlags } from './run-flags.ts';

/** What `--stats` and `--dump-regions` ask of the translator. */
export function watchTranslator({ stats, dumpRegions }: RunFlags, now: () => number): Pick<RunOptions, 'translator'> {
  if (dumpRegions === undefined)
    return { translator: { compiler: nodeRegionCompiler(), ...readRememberedCode(), ...(stats && { now }) } };
  const file = openSync(dumpRegions, 'w');
  return { translator: { now, inspect: (text) => void writeSync(file, `${text}\n`) } };
}
