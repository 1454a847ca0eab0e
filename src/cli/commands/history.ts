import { GuestInfo } from '../../debug/guest-info.ts';
import { readHistory } from '../../history/read.ts';
import { TABLES } from '../../history/tables/index.ts';
import type { Destination } from '../../timeline/mover.ts';
import type { GuestTime, Timeline } from '../../timeline/timeline.ts';
import { CliError, EXIT, UsageError } from '../exit.ts';
import { explained, interruptSignal, openRecording, parseDestination, type RecordingFlags } from '../recordings.ts';
import { RowWriter, rowFormat } from '../rows.ts';
import { parseInteger } from '../values.ts';

/** Flags of `hindsight history`. */
export interface HistoryFlags extends RecordingFlags {
  readonly pid?: string;
  readonly from?: string;
  readonly until?: string;
  readonly json?: boolean;
  readonly csv?: boolean;
}

/** `hindsight history REC TABLE`: a table of what happened; without a table, those there are. */
export async function history(file: string, name: string | undefined, flags: HistoryFlags): Promise<number> {
  const format = rowFormat(flags);
  const write = (text: string): void => void process.stdout.write(text);
  if (name === undefined) {
    const rows = new RowWriter(['table', 'column', 'type', 'about'], format, write);
    for (const table of TABLES) {
      rows.row([table.name, null, null, table.about]);
      for (const column of table.columns) rows.row([table.name, column.name, column.type, column.about]);
    }
    rows.end();
    return EXIT.OK;
  }
  const table = TABLES.find((candidate) => candidate.name === name);
  if (table === undefined)
    throw new UsageError(
      `there is no table ${name}: expected ${TABLES.map((t) => t.name).join(', ')}; hindsight history REC lists their columns`,
    );
  const pid = flags.pid === undefined ? undefined : parseInteger('--pid', flags.pid, 0, 2 ** 31 - 1);
  const places = parsePlaces(flags);
  const { timeline } = await openRecording(file, flags, { spacing: Infinity });
  const signal = interruptSignal();
  const kernel = await findKernel(timeline, file, signal);
  const from = await instantOf(timeline, places.from, signal);
  const until = await instantOf(timeline, places.until, signal);
  const rows = new RowWriter(
    table.columns.map((column) => column.name),
    format,
    write,
  );
  const reason = await explained(
    timeline,
    readHistory(timeline, kernel, [table], (_, row) => rows.row(row), {
      signal,
      ...(pid !== undefined && { pid }),
      ...(from !== undefined && { from }),
      ...(until !== undefined && { until }),
    }),
  );
  rows.end();
  if (reason === 'end') return EXIT.OK;
  process.stderr.write(
    `hindsight: interrupted at ${timeline.at.instructions} instructions: what is printed is partial\n`,
  );
  return EXIT.INTERRUPT;
}

type Place = Destination | GuestTime | undefined;

/** Reads `--from` and `--until`. */
export function parsePlaces({ from, until }: { readonly from?: string; readonly until?: string }): {
  readonly from: Place;
  readonly until: Place;
} {
  return {
    from: from === undefined ? undefined : parseDestination('--from', from),
    until: until === undefined ? undefined : parseDestination('--until', until),
  };
}

/** The instant a place means. */
export async function instantOf(
  timeline: Timeline,
  place: Place,
  signal: AbortSignal,
): Promise<{ readonly instructions: number; readonly sequence: number } | undefined> {
  if (place === undefined) return undefined;
  if (typeof place !== 'object' || !('guestTime' in place)) return timeline.locate(place);
  return (await explained(timeline, timeline.seek(place, { signal }))).at;
}

/** The guest's kernel, at the recording's beginning if it is there, otherwise at its end. @throws CliError when there is none */
export async function findKernel(
  timeline: Timeline,
  file: string,
  signal: AbortSignal,
): Promise<NonNullable<ReturnType<GuestInfo['kernel']>>> {
  const guest = new GuestInfo(timeline.view);
  const kernel = guest.kernel();
  if (kernel !== undefined) return kernel;
  await explained(timeline, timeline.seek(timeline.end, { signal }));
  const late = guest.kernel();
  if (late === undefined)
    throw new CliError(`${file}: no Linux kernel with symbols and type information is in the machine`);
  return late;
}
