import { execFileSync } from 'node:child_process';
import type { CoreKind } from '../src/machine/engine/cores.ts';
import { print } from './figures.ts';
import { runHindsight } from './hindsight.ts';
import type { Workload } from './workload.ts';

const MIB = 1 << 20;
/** RAM of the benchmark's machines. */
const RAM_MIB = 256;

/** Runs the programs on each core in a process of its own and prints the most memory that it had. @param again how this program is started for one core */
export function processMemory(cores: readonly CoreKind[], again: (core: CoreKind) => readonly string[]): void {
  for (const core of cores) {
    const peak = Number(
      execFileSync(process.execPath, again(core), { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] }),
    );
    print(
      `${core}: process at most, ${RAM_MIB} MiB of guest RAM`,
      `${peak} MiB, ${peak - RAM_MIB} MiB besides the RAM`,
    );
  }
}

/** What {@link processMemory} starts: prints this process's peak in MiB. */
export async function ownMemory(workload: Workload, core: CoreKind): Promise<void> {
  await runHindsight(workload, core, { keeping: 'nothing' });
  // kilobytes on Linux
  process.stdout.write(String(Math.round((process.resourceUsage().maxRSS * 1024) / MIB)));
}
