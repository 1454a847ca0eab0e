import { statSync } from 'node:fs';
import { eventNote } from '../../debug/event-note.ts';
import { GuestInfo } from '../../debug/guest-info.ts';
import { guestOnHart } from '../../debug/process-symbols.ts';
import { type FirstDifference, findParting, firstDifferences } from '../../history/diff.ts';
import { TABLES } from '../../history/tables/index.ts';
import { PC } from '../../machine/view/machine-view.ts';
import { formatInstant } from '../../record/divergence.ts';
import type { HostEvent } from '../../record/door.ts';
import { Interrupted } from '../../timeline/driver.ts';
import type { Timeline } from '../../timeline/timeline.ts';
import { EXIT, UsageError } from '../exit.ts';
import { explained, interruptSignal, openRecording, parsePlace, type RecordingFlags } from '../recordings.ts';
import { diffInstants } from './diff-instants.ts';
import { findKernel } from './history.ts';

/** Flags of `hindsight diff`. */
export interface DiffFlags extends RecordingFlags {
  readonly json?: boolean;
}

/** `hindsight diff A B`: the first instant at which two recordings part, the program and the system call in which that shows. */
export async function diff(first: string, second: string, flags: DiffFlags): Promise<number> {
  const places = [first, second].map((text) => parsePlace(text));
  const [from, to] = places;
  if (from.at !== undefined && to.at !== undefined)
    return diffInstants(
      [
        { file: from.file, at: from.at },
        { file: to.file, at: to.at },
      ],
      flags,
    );
  if (from.at !== undefined || to.at !== undefined)
    throw new UsageError(
      'diff compares two recordings from their beginnings, or two instants: expected two files without @INSTANT, or both with one',
    );
  const [a, b] = places.map(({ file }) => statSync(file, { throwIfNoEntry: false }));
  if (a !== undefined && b !== undefined && a.dev === b.dev && a.ino === b.ino)
    throw new UsageError(`${first} and ${second} are one file: expected two recordings`);
  const sides: { readonly file: string; readonly timeline: Timeline }[] = [];
  for (const { file } of places) sides.push({ file, timeline: (await openRecording(file, flags)).timeline });
  const signal = interruptSignal();
  const [one, other] = sides.map(({ timeline }) => timeline);
  try {
    const { same, contained, events } = await explained(one, findParting(one, other, { signal }));
    const here = await Promise.all(sides.map(({ timeline }, i) => describeSide(timeline, events[i])));
    const kernels = [];
    for (const { file, timeline } of sides) kernels.push([timeline, await findKernel(timeline, file, signal)] as const);
    const time = one.guestTime;
    const differences = contained ? [] : await explained(one, firstDifferences(kernels, same, { signal }));
    if (flags.json)
      process.stdout.write(
        `${JSON.stringify({
          same: same === undefined ? null : formatInstant(same),
          contained,
          next: here,
          differences: differences.map(({ table, rows }) => ({ table, rows: rows.map((row) => named(table, row)) })),
        })}\n`,
      );
    else process.stdout.write(text(sides, same && formatInstant(same), time, contained, here, differences));
    return contained && one.end.instructions === other.end.instructions ? EXIT.OK : EXIT.FAILURE;
  } catch (error) {
    if (!(error instanceof Interrupted)) throw error;
    process.stderr.write('hindsight: interrupted: nothing was found so far\n');
    return EXIT.INTERRUPT;
  }
}

/** Where a side is, for people and programs. */
interface Side {
  readonly process?: string;
  readonly place: string;
  readonly input?: { readonly instant: string; readonly port: string; readonly text: string };
}

async function describeSide(timeline: Timeline, event: HostEvent | undefined): Promise<Side> {
  const { view, engine } = timeline;
  const hart = view.activeHart();
  const guest = new GuestInfo(view);
  const task = guest.current(hart);
  const note = event && eventNote(event, 0, (port) => engine.portName(port));
  return {
    ...(task && { process: `${task.name} (${task.pid})` }),
    place: (await guestOnHart(guest, hart)).describe(view.readRegister(hart, PC) ?? 0n),
    ...(note && { input: { instant: formatInstant(note.at), port: note.port, text: `${note.kind} ${note.text}` } }),
  };
}

/** A row by its columns' names. */
function named(table: FirstDifference['table'], row: FirstDifference['rows'][number]): object | null {
  const { columns } = TABLES.find(({ name }) => name === table)!;
  return row === undefined ? null : Object.fromEntries(columns.map(({ name }, i) => [name, row[i]]));
}

function text(
  sides: readonly { readonly file: string; readonly timeline: Timeline }[],
  same: string | undefined,
  time: number,
  contained: boolean,
  here: readonly Side[],
  differences: readonly FirstDifference[],
): string {
  const lines: string[] = [];
  if (same === undefined) lines.push('the machines differ from the beginning');
  else if (contained) {
    const [a, b] = sides.map(({ timeline }) => timeline.end.instructions);
    lines.push(
      a === b
        ? `the recordings are the same, to their end at ${same}`
        : `the same up to ${same}, where the shorter one ends`,
    );
  } else lines.push(`the same up to instant ${same}, ${time.toFixed(6)} s`);
  if (!contained)
    for (const [i, { process: who, place, input }] of here.entries()) {
      lines.push(`  ${sides[i].file}: ${who === undefined ? '' : `${who} at `}${place}`);
      if (input !== undefined) lines.push(`    next input at ${input.instant}: ${input.port} ${input.text}`);
    }
  for (const { table, rows } of differences) {
    lines.push(table === 'processes' ? 'first program that differs' : 'first system call that differs');
    for (const [i, row] of rows.entries())
      lines.push(`  ${sides[i].file}: ${row === undefined ? 'none' : rowText(table, named(table, row) as Cells)}`);
  }
  return `${lines.join('\n')}\n`;
}

type Cells = Readonly<Record<string, number | string | null>>;

const rowText = (table: FirstDifference['table'], row: Cells): string =>
  table === 'processes'
    ? `${row.instant} ${row.command ?? row.comm} (${row.pid}), ${row.ended === null ? 'runs to the end' : `${row.ended} ${row.status ?? ''}`}`.trimEnd()
    : `${row.instant} ${row.comm} (${row.pid}) ${row.name}(${row.args}) = ${row.result ?? '?'}${row.error === null ? '' : ` ${row.error}`}`;
