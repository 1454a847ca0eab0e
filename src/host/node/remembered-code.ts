import { readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { JitCore, JitOptions } from '../../jit/core.ts';
import type { Machine } from '../../machine/session/machine.ts';
import { cacheDirectory } from './guest/cache.ts';
import { replaceFile } from './replace-file.ts';

/** A run that made fewer regions that nobody remembered has nothing to add. */
const WORTH_KEEPING = 16;

/**
 * Ticks before what is remembered is used. From a snapshot, `run --exec true` executes three million instructions; translating what it would have
 * recalled took a third of its time.
 */
const RECALL_AFTER = 6_000_000;

/** One file for all guests: what is in it is found by what pages of code hold. */
const file = (): string => join(cacheDirectory(), 'translator', 'remembered.bin');

/** What earlier runs of this user remembered as hot, for {@link JitOptions.remembered}; nothing where there is none. */
export function readRememberedCode(): Pick<JitOptions, 'remembered' | 'recallAfter'> {
  try {
    return { remembered: readFileSync(file()), recallAfter: RECALL_AFTER };
  } catch {
    return {};
  }
}

/** Keeps what was hot in a machine for later runs. A cache: failing to write it fails nothing. */
export async function keepRememberedCode(machine: Machine): Promise<void> {
  const { core } = machine.internals.engine;
  if (core.kind !== 'jit') return;
  const jit = core as JitCore;
  const { regions, recalled } = jit.statistics();
  if (regions.made - recalled < WORTH_KEEPING) return;
  try {
    await mkdir(dirname(file()), { recursive: true });
    await replaceFile(file(), jit.remember());
  } catch {
    // a full or read-only disk: the next run is as this one was
  }
}
