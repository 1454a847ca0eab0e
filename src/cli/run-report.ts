import { translatorStatistics } from '../machine/engine/cores.ts';
import type { Machine } from '../machine/session/machine.ts';
import type { DiskOption } from '../machine/session/options.ts';
import { diskLines } from './disk-tiers.ts';
import type { SessionEnd } from './session.ts';
import { type RunSummary, summaryLine } from './summary.ts';
import { refusal, statisticsLines } from './translator-report.ts';

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
