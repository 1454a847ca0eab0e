/** Disks, shares and caches. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { farDisk } from './far.ts';
import { guestIo } from './guest.ts';
import { tiers } from './tiers.ts';

/** Measures and prints all of it. @param qemu whether QEMU is measured beside it */
export async function io(rounds: number, qemu: boolean): Promise<void> {
  const work = mkdtempSync(join(tmpdir(), 'hindsight-bench-'));
  try {
    await tiers(rounds);
    await farDisk(work);
    await guestIo(work, rounds, qemu);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
