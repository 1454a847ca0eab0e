import {
  compareProcesses,
  type ProcessChange,
  type ProcessState,
  processStates,
} from '../../history/process-states.ts';
import { formatInstant } from '../../record/divergence.ts';
import type { Destination } from '../../timeline/mover.ts';
import type { GuestTime, Timeline } from '../../timeline/timeline.ts';
import { EXIT } from '../exit.ts';
import { explained, interruptSignal, openRecording, type RecordingFlags } from '../recordings.ts';
import { findKernel } from './history.ts';

/** A recording and an instant of it. */
interface Place {
  readonly file: string;
  readonly at: Destination | GuestTime;
}

/** `hindsight diff REC@A REC@B`: the processes that came, went and changed between two instants, with their memory and files. */
export async function diffInstants(
  places: readonly [Place, Place],
  flags: RecordingFlags & { readonly json?: boolean },
): Promise<number> {
  const signal = interruptSignal();
  const opened = new Map<string, Timeline>();
  const states: ReadonlyMap<number, ProcessState>[] = [];
  const instants: string[] = [];
  for (const { file, at } of places) {
    const timeline = opened.get(file) ?? (await openRecording(file, flags)).timeline;
    opened.set(file, timeline);
    const kernel = await findKernel(timeline, file, signal);
    if ((await explained(timeline, timeline.seek(at, { signal }))).reason === 'interrupted') {
      process.stderr.write('hindsight: interrupted: nothing was found so far\n');
      return EXIT.INTERRUPT;
    }
    states.push(processStates(kernel));
    instants.push(formatInstant(timeline.at));
  }
  const changes = compareProcesses(states[0], states[1]);
  if (flags.json) process.stdout.write(`${JSON.stringify({ instants, processes: changes.map(json) })}\n`);
  else
    process.stdout.write(changes.length === 0 ? 'the same processes, memory and files\n' : changes.map(text).join(''));
  return changes.length === 0 ? EXIT.OK : EXIT.FAILURE;
}

const kib = (bytes: number): string => `${Math.round(bytes / 1024)} KiB`;

function text({ change, before, after, opened, closed }: ProcessChange): string {
  const { pid, comm } = (after ?? before)!;
  const lines = [`${comm} (${pid}) ${change}`];
  if (before !== undefined && after !== undefined) {
    if (before.comm !== after.comm) lines.push(`  was ${before.comm}`);
    if (before.parent !== after.parent) lines.push(`  parent ${before.parent} → ${after.parent}`);
    if (before.state !== after.state) lines.push(`  state ${before.state} → ${after.state}`);
    if (before.resident !== after.resident) lines.push(`  memory ${kib(before.resident)} → ${kib(after.resident)}`);
  } else lines[0] += `, ${kib((after ?? before)!.resident)}`;
  for (const file of opened) lines.push(`  + ${file}`);
  for (const file of closed) lines.push(`  - ${file}`);
  return `${lines.join('\n')}\n`;
}

const json = ({ change, before, after, opened, closed }: ProcessChange): object => ({
  pid: (after ?? before)!.pid,
  change,
  before: side(before),
  after: side(after),
  opened,
  closed,
});

const side = (state: ProcessState | undefined): object | null =>
  state === undefined ? null : { comm: state.comm, parent: state.parent, state: state.state, resident: state.resident };
