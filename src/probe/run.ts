import type { GuestInfo } from '../debug/guest-info.ts';
import { reachKernel } from '../history/kernel-start.ts';
import type { MoveOptions } from '../timeline/driver.ts';
import type { Mover } from '../timeline/mover.ts';
import type { Output } from './output.ts';
import { Probes, type ScriptOptions } from './probes.ts';

/** How scripts are run over a past. */
export interface ProbeOptions extends MoveOptions, ScriptOptions {}

/** How a script ended. */
export interface ProbeResult {
  /** `end` of the recording · `exit()` of the script · `interrupted` by the signal: what was found so far is printed. */
  readonly reason: 'end' | 'exit' | 'interrupted';
  /** How often probes were met. */
  readonly hits: number;
  /** What the user should know besides the output: files that no process mapped. */
  readonly warnings: readonly string[];
}

/**
 * Runs a script over a machine's past, from where the mover is to its end.
 * @throws ScriptError, MapLimitError, RangeError when the guest has no kernel that can be read
 */
export async function runProbes(
  mover: Mover,
  guest: GuestInfo,
  script: string,
  output: Output,
  options: ProbeOptions = {},
): Promise<ProbeResult> {
  const kernel = guest.kernel();
  if (kernel !== undefined) await reachKernel(mover, kernel, options);
  const probes = new Probes(mover.view, guest, script, output, options);
  await probes.begin();
  const interrupted = await toEnd(mover, probes, options);
  probes.end();
  const { hits, warnings, exited } = probes;
  return { reason: interrupted ? 'interrupted' : exited ? 'exit' : 'end', hits, warnings };
}

/** @returns whether the signal ended it */
async function toEnd(mover: Mover, probes: Probes, options: MoveOptions): Promise<boolean> {
  let pass = false;
  while (!probes.exited) {
    const { instructions, time } = probes.due;
    const until = { instructions, ...(time !== Infinity && { time }) };
    const result = await mover.scan(probes.points(), until, (hit) => probes.met(hit), { ...options, pass });
    pass = result.reason === 'hit';
    if (pass) await probes.renew();
    if (result.reason === 'interrupted') return true;
    if (result.reason === 'end') return false;
    if (result.reason !== 'there') continue;
    // Where all harts sleep beyond the time of a timer, it is due in the middle of their sleep.
    const asleep = mover.at.instructions < instructions;
    probes.tick(asleep ? time : 0);
  }
  return false;
}
