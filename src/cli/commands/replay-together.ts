import { formatInstant } from '../../record/divergence.ts';
import { JointReplay, JointReplayError } from '../../timeline/joint-replay.ts';
import { CliError, EXIT, UsageError } from '../exit.ts';
import { explained, interruptSignal, openRecording } from '../recordings.ts';
import { formatCount, formatSeconds } from '../values.ts';
import type { ReplayFlags } from './replay.ts';

/** Terminal output of several machines: whole lines, each with its recording's name. */
class Lines {
  private readonly parts = new Map<string, { readonly decoder: TextDecoder; rest: string }>();

  put(name: string, bytes: Uint8Array): void {
    let part = this.parts.get(name);
    if (part === undefined) this.parts.set(name, (part = { decoder: new TextDecoder(), rest: '' }));
    const lines = (part.rest + part.decoder.decode(bytes, { stream: true })).split('\n');
    part.rest = lines.pop()!;
    for (const line of lines) process.stdout.write(`${name}| ${line.replace(/\r$/, '')}\n`);
  }

  end(): void {
    for (const [name, { rest }] of this.parts) if (rest !== '') process.stdout.write(`${name}| ${rest}\n`);
  }
}

/** `hindsight replay` of several recordings of machines that were on one wire. */
export async function replayTogether(files: readonly string[], flags: ReplayFlags): Promise<number> {
  for (const flag of ['until', 'speed'] as const)
    if (flags[flag] !== undefined)
      throw new UsageError(`--${flag} is for one recording; several go to their ends, in the order they ran in`);
  const signal = interruptSignal();
  const start = performance.now();
  const lines = new Lines();
  const joint = await JointReplay.open(
    files,
    async (file, output) => (await openRecording(file, flags, { spacing: Infinity, output })).timeline,
    (file, port, bytes) => {
      if (!flags.json && /uart|console|sbi/.test(port)) lines.put(file, bytes);
    },
  ).catch((error: unknown) => {
    throw error instanceof JointReplayError ? new CliError(error.message) : error;
  });
  const compared = await joint.run({ signal, verify: flags.verify === true }).catch((error: unknown) => {
    const { name, timeline } = joint.current;
    process.stderr.write(`hindsight: ${name}:\n`);
    return explained(timeline, Promise.reject<number>(error));
  });
  lines.end();
  const { between, elsewhere } = joint.frames;
  const summary = {
    recordings: joint.members.map(({ name, timeline }) => ({
      file: name,
      instant: formatInstant(timeline.at),
      guestSeconds: timeline.guestTime,
      hash: timeline.hash(),
    })),
    frames: { between, elsewhere },
    ...(flags.verify && { hashesCompared: compared }),
  };
  if (flags.json) process.stdout.write(`${JSON.stringify(summary)}\n`);
  else if (!flags.quiet)
    process.stderr.write(
      `\nhindsight: replayed ${files.length} recordings together in ${formatSeconds(performance.now() - start)}: ${formatCount(between)} frames between them, ${formatCount(elsewhere)} from elsewhere${flags.verify ? `; ${compared} state hashes compared, all equal` : ''}\n`,
    );
  return signal.aborted ? EXIT.INTERRUPT : EXIT.OK;
}
