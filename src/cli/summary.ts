import type { JitStatistics } from '../jit/core.ts';
import { formatCount, formatSeconds } from './values.ts';

/** What a run came to. Part of `--json`. */
export interface RunSummary {
  /** Why it ended. */
  readonly reason: string;
  /** The process's exit status. */
  readonly status: number;
  /** Instructions retired by all harts. */
  readonly instructions: number;
  /** Guest time in seconds. */
  readonly guestSeconds: number;
  /** Wall-clock time of the run in seconds. */
  readonly wallSeconds: number;
  /** Millions of instructions per second of executing, waiting left out. */
  readonly mips: number;
  /** Hash of the machine's whole state at the end. */
  readonly hash: string;
  /** Name of the core at the end. */
  readonly core: string;
  readonly harts: number;
  readonly memory: number;
  /** What the translator did; with `--stats`. */
  readonly translator?: JitStatistics;
}

/** The line at the end of a run. */
export function summaryLine(
  summary: Pick<RunSummary, 'instructions' | 'wallSeconds' | 'guestSeconds' | 'mips'>,
): string {
  const { instructions, wallSeconds, guestSeconds, mips } = summary;
  const rate = mips > 0 ? ` (${mips >= 100 ? Math.round(mips) : mips.toFixed(1)} MIPS)` : '';
  return `${formatCount(instructions)} instructions in ${formatSeconds(wallSeconds * 1000)}${rate}, guest time ${formatSeconds(guestSeconds * 1000)}`;
}
