import { GuestInfo } from '../../debug/guest-info.ts';
import { ControlClient, type ControlScript } from '../../host/node/control.ts';
import { jsonOutput, textOutput } from '../../probe/output.ts';
import { runProbes } from '../../probe/run.ts';
import { EXIT, UsageError } from '../exit.ts';
import { readScript, scriptFailure } from '../live-probe.ts';
import { explained, interruptSignal, openRecording, parseDestination, type RecordingFlags } from '../recordings.ts';

/** Flags of `hindsight probe`. */
export interface ProbeFlags extends RecordingFlags {
  readonly e?: string;
  readonly from?: string;
  /** The first word names a machine that runs. */
  readonly live?: boolean;
  readonly mapLimit?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

/** `hindsight probe REC -e SCRIPT | FILE [PARAMETER...]`: runs a script over the past. */
export async function probe(file: string, words: readonly string[], flags: ProbeFlags): Promise<number> {
  const parameters = [...words];
  const source = flags.e === undefined ? parameters.shift() : undefined;
  const script = flags.e ?? (source === undefined ? undefined : await readScript(source));
  if (script === undefined)
    throw new UsageError("hindsight probe: expected a script: -e 'kprobe:do_exit { @[comm] = count(); }', or a file");
  const mapLimit = flags.mapLimit === undefined ? undefined : Number(flags.mapLimit);
  if (mapLimit !== undefined && !(Number.isInteger(mapLimit) && mapLimit > 0))
    throw new UsageError(`--map-limit ${flags.mapLimit}: expected a number of entries, such as 100000`);
  if (flags.live) return probeLive(file, { script, parameters, json: flags.json ?? false, mapLimit }, flags);
  const from = flags.from === undefined ? undefined : parseDestination('--from', flags.from);
  const interrupt = new AbortController();
  process.once('SIGINT', () => interrupt.abort());
  const { timeline } = await openRecording(file, flags);
  const { signal } = interrupt;
  if (from !== undefined) await explained(timeline, timeline.seek(from, { signal }));
  const write = (text: string): void => void process.stdout.write(text);
  const output = flags.json ? jsonOutput(write) : textOutput(write);
  const options = { signal, parameters, ...(mapLimit !== undefined && { mapLimit }) };
  try {
    const guest = new GuestInfo(timeline.view);
    const { reason, hits, warnings } = await explained(timeline, runProbes(timeline, guest, script, output, options));
    for (const warning of warnings) process.stderr.write(`hindsight: ${warning}\n`);
    if (reason === 'interrupted') {
      process.stderr.write(
        `hindsight: interrupted at ${timeline.at.instructions} instructions: what is printed is partial\n`,
      );
      return EXIT.INTERRUPT;
    }
    if (!flags.quiet) process.stderr.write(`hindsight: ${hits} hits\n`);
    return EXIT.OK;
  } catch (error) {
    throw scriptFailure(error) ?? error;
  }
}

/** `hindsight probe --live NAME`: the same on a machine that another process runs. */
async function probeLive(
  name: string,
  { mapLimit, ...script }: Omit<ControlScript, 'mapLimit'> & { readonly mapLimit: number | undefined },
  flags: ProbeFlags,
): Promise<number> {
  for (const flag of ['from', 'image', 'core'] as const)
    if (flags[flag] !== undefined) throw new UsageError(`--${flag} is for recordings: it cannot be given with --live`);
  using client = await ControlClient.open(name);
  const whole = { ...script, ...(mapLimit !== undefined && { mapLimit }) };
  const { hits, warnings } = await client.probe(whole, (text) => void process.stdout.write(text), interruptSignal());
  for (const warning of warnings) process.stderr.write(`hindsight: ${warning}\n`);
  if (!flags.quiet) process.stderr.write(`hindsight: ${hits} hits\n`);
  return EXIT.OK;
}
