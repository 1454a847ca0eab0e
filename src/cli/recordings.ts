import { statSync } from 'node:fs';
import { GuestInfo } from '../debug/guest-info.ts';
import { openSource } from '../host/node/file-source.ts';
import { findImages } from '../host/node/images.ts';
import { createHostRoom } from '../host/room.ts';
import { EngineView } from '../machine/view/engine-view.ts';
import { DivergenceError } from '../record/divergence.ts';
import { RecordingError } from '../record/format.ts';
import { readRecording } from '../record/reader.ts';
import type { Recording } from '../record/recording.ts';
import type { Destination } from '../timeline/mover.ts';
import { type OpenedTimeline, type OpenOptions, openTimeline } from '../timeline/open.ts';
import type { GuestTime, Timeline } from '../timeline/timeline.ts';
import { CliError, UsageError } from './exit.ts';
import { parseCore } from './machine-flags.ts';
import { parseInteger } from './values.ts';

/** Flags of every command that opens a recording. */
export interface RecordingFlags {
  readonly image?: readonly string[];
  readonly core?: string;
}

/** Flags of those that look at a process or a hart. */
export interface WhoseFlags extends RecordingFlags {
  readonly pid?: string;
  readonly hart?: string;
}

/** Reads `--pid`. @throws UsageError */
export const parsePid = ({ pid }: WhoseFlags): number | undefined =>
  pid === undefined ? undefined : parseInteger('--pid', pid, 1, 2 ** 31 - 1);

/** Reads `--hart`: one that the machine has. @throws UsageError */
export const parseHart = ({ hart }: WhoseFlags, { view }: Timeline): number | undefined =>
  hart === undefined ? undefined : parseInteger('--hart', hart, 0, view.harts - 1);

/** Opens a recording at an instant, its end unless said, for a question about a hart. @throws UsageError */
export async function openAt(
  { file, at }: RecordingPlace,
  flags: WhoseFlags,
): Promise<{
  readonly timeline: Timeline;
  readonly hart: number;
  readonly signal: AbortSignal;
}> {
  const { timeline } = await openRecording(file, flags);
  const hart = parseHart(flags, timeline) ?? 0;
  const signal = interruptSignal();
  await explained(timeline, timeline.seek(at ?? timeline.end, { signal }));
  return { timeline, hart, signal };
}

/** Reads a recording; what its checkpoints and images hold is read when it is needed. A damaged end is reported and left out. */
export async function loadRecording(file: string, source = openSource(file)): Promise<Recording> {
  try {
    const recording = await readRecording(source);
    if (recording.damage !== undefined)
      process.stderr.write(`hindsight: ${file}: ${recording.damage}; what comes before is good\n`);
    return recording;
  } catch (error) {
    throw named(file, error);
  }
}

/** An error about a recording says which. */
const named = (file: string, error: unknown): unknown =>
  error instanceof RecordingError ? new CliError(`${file}: ${error.message}`) : error;

/** Opens a recording with the files its machine was made from. */
export async function openRecording(
  file: string,
  flags: RecordingFlags,
  options: Pick<OpenOptions, 'budget' | 'output' | 'spacing' | 'straight'> = {},
): Promise<OpenedTimeline> {
  const core = parseCore(flags.core);
  const recording = await loadRecording(file);
  const images = await findImages(recording.header, flags.image ?? [], new Set(recording.images.keys()));
  try {
    return await openTimeline(recording, images, createHostRoom(), { ...options, ...core });
  } catch (error) {
    throw named(file, error);
  }
}

/** Waits for a move; a divergence is reported with the symbol of its place, if the guest's kernel has one. */
export async function explained<T>({ engine }: Timeline, move: Promise<T>): Promise<T> {
  try {
    return await move;
  } catch (error) {
    if (!(error instanceof DivergenceError)) throw error;
    let symbol: string | undefined;
    try {
      symbol = new GuestInfo(new EngineView(engine)).name(error.place.pc);
    } catch {
      // The machine cannot be looked at where it is; the report has the rest.
    }
    throw symbol === undefined ? error : error.withSymbol(symbol);
  }
}

/** @throws UsageError when a recording would be written over the one it is made from */
export function refuseOverwriting(target: string, source: string): void {
  const [a, b] = [target, source].map((path) => statSync(path, { throwIfNoEntry: false }));
  if (a !== undefined && b !== undefined && a.dev === b.dev && a.ino === b.ino)
    throw new UsageError(`--record ${target}: is the recording itself, which stays as it is; name another file`);
}

/** Reads a place in a recording: `1234567` or `1234567:3` (instructions and sequence), `50%`, `2.5s` of guest time, `event:7`. */
export function parseDestination(flag: string, text: string): Destination | GuestTime {
  const instant = /^(\d+)(?::(\d+))?$/.exec(text);
  if (instant) return { instructions: Number(instant[1]), sequence: Number(instant[2] ?? 0) };
  const percent = /^(\d+(?:\.\d+)?)%$/.exec(text);
  if (percent && Number(percent[1]) <= 100) return `${Number(percent[1])}%`;
  const seconds = /^(\d+(?:\.\d+)?)s$/.exec(text);
  if (seconds) return { guestTime: Number(seconds[1]) };
  const event = /^event:(\d+)$/.exec(text);
  if (event) return { event: Number(event[1]) };
  throw new UsageError(
    `${flag} ${text}: expected instructions such as 1234567, 50%, guest time such as 2.5s, or event:7`,
  );
}

/** A recording, and where in it: its end unless `@INSTANT` follows the name. */
export interface RecordingPlace {
  readonly file: string;
  readonly at: Destination | GuestTime | undefined;
}

/** Reads `RECORDING` or `RECORDING@INSTANT`. A file whose name holds an @ is meant where there is one. */
export function parsePlace(text: string): RecordingPlace {
  const found = /^(.+)@([^@/]*)$/s.exec(text);
  if (found === null || statSync(text, { throwIfNoEntry: false }) !== undefined) return { file: text, at: undefined };
  return { file: found[1], at: parseDestination(`${text}:`, found[2]) };
}

/** Ctrl-C, for moves: it ends them, and what was found is kept. */
export function interruptSignal(): AbortSignal {
  const interrupt = new AbortController();
  process.once('SIGINT', () => interrupt.abort());
  return interrupt.signal;
}
