import type { JitStatistics } from '../jit/core.ts';
import { formatBytes, formatCount, formatSeconds } from './values.ts';

const percent = (part: number, whole: number): string => `${whole > 0 ? ((part / whole) * 100).toFixed(1) : '0.0'} %`;

/** What `--stats` prints, a line each. @param instructions executed in all */
export function statisticsLines(
  {
    ticks,
    entered,
    left,
    regions,
    recalled,
    modules,
    instructions: translated,
    bytes,
    milliseconds,
    refused,
  }: JitStatistics,
  instructions: number,
): string[] {
  return [
    `${percent(ticks, instructions)} of ${formatCount(instructions)} instructions in translated code, ${percent(instructions - ticks, instructions)} interpreted`,
    `${formatCount(regions.made)} regions made${recalled > 0 ? `, ${formatCount(recalled)} of them remembered from an earlier run,` : ''} of ${formatCount(translated)} instructions: ${formatCount(modules)} modules, ${formatBytes(bytes)}, ${formatSeconds(milliseconds)} to translate and compile`,
    `${formatCount(regions.live)} regions live, ${formatCount(regions.dropped)} dropped because their code changed, ${formatCount(regions.evicted)} for room`,
    `${formatCount(entered)} entries into regions; left for other code ${formatCount(left.go)}, instructions that are interpreted ${formatCount(left.interpret)}, rare cases ${formatCount(left.rare)}, interrupts to look for ${formatCount(left.check)}, stops ${formatCount(left.budget)}`,
    ...(refused === undefined ? [] : [refusal(refused)]),
  ];
}

/** Printed once when no more translated code can be made. */
export const refusal = (why: string): string =>
  `the runtime refused to compile translated code (${why}): going on with the interpreter`;

/** Printed once when nothing can be translated at all. */
export const NOT_TRANSLATING =
  'this runtime compiles no WebAssembly at run time: running on the interpreter (--core wasm)';
