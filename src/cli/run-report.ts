import { HttpDisk } from '../host/http-disk.ts';
import { KeptDisk } from '../host/node/overlay-file.ts';
import { translatorStatistics } from '../machine/engine/cores.ts';
import type { Machine } from '../machine/session/machine.ts';
import type { DiskOption } from '../machine/session/options.ts';
import type { SessionEnd } from './session.ts';
import { type RunSummary, summaryLine } from './summary.ts';
import { refusal, statisticsLines } from './translator-report.ts';
import { formatBytes } from './values.ts';

/** What the tiers of the disks on servers did, a line each. */
function diskLines(disks: readonly DiskOption[]): string[] {
  return disks.flatMap(({ file, backend }) => {
    if (backend instanceof KeptDisk) {
      const { policy, journaled, put, waiting, stalls } = backend.written;
      const journal =
        policy === 'back'
          ? ` ${journaled.flushes} flushes (${formatBytes(journaled.bytes)}) to the journal, ${formatBytes(waiting)} of it not yet in the overlay, ${stalls} waits for room;`
          : '';
      return [
        `disk ${file}, write-${policy}:${journal} ${put.commits} commits (${formatBytes(put.bytes)}) to the overlay`,
      ];
    }
    if (!(backend instanceof HttpDisk)) return [];
    const { memory, stored, fetched } = backend.tiers;
    const wanted = memory.hits + memory.misses;
    const tier = ({ chunks, bytes }: typeof stored): string => `${chunks} (${formatBytes(bytes)})`;
    return [
      `disk ${file}: ${wanted} chunks read; ${memory.hits} from memory (${memory.policy}, ${formatBytes(memory.bytes)} of ${formatBytes(memory.capacity)}), ${tier(stored)} kept on this host, ${tier(fetched)} from the server`,
    ];
  });
}

/** Tells how it went: a line for people, and with `--json` one for programs. */
export function report(
  machine: Machine,
  end: SessionEnd,
  {
    quiet,
    json,
    stats,
    freshLine,
    disks = [],
  }: { quiet: boolean; json: boolean; stats: boolean; freshLine: boolean; disks?: readonly DiskOption[] },
): void {
  const instructions = machine.instant.instructions;
  const translator = translatorStatistics(machine.internals.engine.core);
  const summary: Omit<RunSummary, 'hash'> = {
    reason: end.reason,
    status: end.status,
    instructions,
    guestSeconds: machine.guestTime,
    wallSeconds: end.wall / 1000,
    mips: end.busy > 0 ? Number((instructions / 1000 / end.busy).toFixed(1)) : 0,
    core: machine.internals.engine.core.kind,
    harts: machine.config.harts,
    memory: machine.config.memory,
    ...(stats && translator && { translator }),
  };
  if (end.message !== undefined) process.stderr.write(`hindsight: ${end.message}\n`);
  if (!quiet) process.stderr.write(`hindsight: ${summaryLine(summary)}\n`);
  if (stats) {
    const lines = translator ? statisticsLines(translator, instructions) : [`core ${summary.core} translates nothing`];
    lines.push(...diskLines(disks));
    process.stderr.write(lines.map((l) => `hindsight: ${l}\n`).join(''));
  } else if (!quiet && translator?.refused !== undefined)
    process.stderr.write(`hindsight: ${refusal(translator.refused)}\n`);
  if (json)
    process.stdout.write(
      `${freshLine ? '' : '\n'}${JSON.stringify({ ...summary, hash: machine.hash() } satisfies RunSummary)}\n`,
    );
}
