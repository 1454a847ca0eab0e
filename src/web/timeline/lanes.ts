import type { PointLane } from '../worker/protocol.ts';
import type { Canvas } from './draw.ts';

/** Lanes that can be hidden. */
export const LANES = [
  ['harts', 'Harts'],
  ['processes', 'Processes'],
  ['each', 'Each process'],
  ['console', 'Console'],
  ['input', 'Input'],
  ['disk', 'Disk'],
  ['network', 'Network'],
  ['syscalls', 'System calls'],
  ['interrupts', 'Interrupts'],
] as const;
export type LaneName = (typeof LANES)[number][0];

/** Hidden until they are asked for: they need room. */
export const HIDDEN_AT_FIRST: ReadonlySet<LaneName> = new Set<LaneName>(['each']);

/** A lane: its name, how high it is next to others, and how it is drawn. */
interface Lane {
  readonly name: string;
  readonly height: number;
  draw(top: number, height: number): void;
}

/** Parts of a lane's height that are not drawn: a timer's tick in idle time. */
const LEAST = 0.004;
/** Processes that have lanes of their own: those that ran most of what is shown. */
const MOST_PROCESSES = 6;
const POINTS: readonly PointLane[] = ['input', 'disk', 'network', 'syscalls', 'interrupts'];

/** How much of a lane's height so many things at one place fill. */
const some = (count: number): number => (count <= 0 ? 0 : Math.min(1, 0.35 + 0.15 * Math.log2(count)));

/** The lanes of a picture, from top to bottom. */
export function lanesOf(canvas: Canvas): Lane[] {
  const { picture, palette } = canvas;
  const { axis, data, console: history, harts, hidden, futures } = picture;
  const shows = (name: LaneName): boolean => !hidden.has(name);
  const lanes: Lane[] = [];
  const add = (name: string, height: number, draw: Lane['draw']): void => void lanes.push({ name, height, draw });
  const addBars = (name: string, height: number, color: string, part: (from: number, to: number) => number): void =>
    add(name, height, (top, high) => drawBars(canvas, top, high, color, part));

  if (shows('harts'))
    addBars(harts > 1 ? `${harts} harts` : 'Hart 0', 1.4, palette.busy, (from, to) => data.busy(axis, from, to));
  if (shows('processes') || shows('each')) {
    const ran = processesByColumn(canvas);
    if (shows('processes')) add('Processes', 1, (top, high) => drawProcesses(canvas, ran, () => true, top, high));
    if (shows('each'))
      for (const process of mostFrequent(ran))
        add(data.names[process], 0.6, (top, high) => drawProcesses(canvas, ran, (one) => one === process, top, high));
  }
  const consoleCount = (from: number, to: number): number =>
    axis === 'time' ? history.countBetween(from, to) : history.offsetAfter(to) - history.offsetAfter(from);
  if (shows('console')) addBars('Console', 1, palette.console, (from, to) => some(consoleCount(from, to)));
  for (const [name, title] of LANES) {
    const lane = POINTS.find((one) => one === name);
    if (lane === undefined || !shows(name) || !(lane === 'input' || data.has(lane))) continue;
    addBars(title, 0.7, palette[lane as keyof typeof palette] as string, (from, to) =>
      some(data.pointsBetween(lane, axis, from, to)),
    );
  }
  if (futures.length > 0) add('Futures', 0.6 + 0.6 * futures.length, (top, high) => drawFutures(canvas, top, high));
  return lanes;
}

function drawBars(
  { context, columns, unit, left, placeOf, picture: { bounds } }: Canvas,
  top: number,
  high: number,
  color: string,
  part: (from: number, to: number) => number,
): void {
  context.fillStyle = color;
  for (let column = 0; column < columns; column++) {
    const from = placeOf(column);
    if (from > bounds.to || from + unit < bounds.from) continue;
    const value = part(from, from + unit);
    if (value < LEAST) continue;
    const bar = Math.max(1, Math.round(value * high));
    context.fillRect(left + column, top + high - bar, 1, bar);
  }
}

/** For each column of pixels the index of the process that ran most in it; -1 for none. */
function processesByColumn({ columns, unit, placeOf, picture: { axis, bounds, data } }: Canvas): Int32Array {
  const ran = new Int32Array(columns).fill(-1);
  for (let column = 0; column < columns; column++) {
    const from = placeOf(column);
    if (from <= bounds.to && from + unit >= bounds.from) ran[column] = data.process(axis, from, from + unit);
  }
  return ran;
}

/** The processes that fill most columns, in the order of their names. */
function mostFrequent(ran: Int32Array): number[] {
  const counts = new Map<number, number>();
  for (const process of ran) if (process >= 0) counts.set(process, (counts.get(process) ?? 0) + 1);
  const sorted = [...counts].sort((a, b) => b[1] - a[1]);
  return sorted
    .slice(0, MOST_PROCESSES)
    .map(([process]) => process)
    .sort((a, b) => a - b);
}

function drawProcesses(
  canvas: Canvas,
  ran: Int32Array,
  wanted: (process: number) => boolean,
  top: number,
  high: number,
): void {
  for (let start = 0; start < ran.length; ) {
    let end = start + 1;
    while (end < ran.length && ran[end] === ran[start]) end++;
    if (ran[start] >= 0 && wanted(ran[start])) drawProcess(canvas, ran[start], start, top, end - start, high);
    start = end;
  }
}

function drawProcess(
  { context, palette, left, picture: { data } }: Canvas,
  process: number,
  column: number,
  top: number,
  wide: number,
  high: number,
): void {
  const from = left + column;
  context.fillStyle = palette.processes[process % palette.processes.length];
  context.fillRect(from, top + 1, Math.max(1, wide), high - 1);
  if (wide < 34 || high < 11) return;
  context.save();
  context.beginPath();
  context.rect(from, top, wide - 3, high);
  context.clip();
  context.fillStyle = palette.processText;
  context.textAlign = 'left';
  context.fillText(data.names[process] ?? '', from + 4, top + high / 2 + 1);
  context.restore();
}

/** The tree of time: this way on top, the others below from where they begin. */
function drawFutures({ context, palette, left, x, picture }: Canvas, top: number, high: number): void {
  const { futures, axis, bounds, reached } = picture;
  const row = high / (futures.length + 1);
  const line = (from: number, to: number, y: number, color: string): void => {
    const begin = Math.max(left, x(from));
    context.fillStyle = color;
    context.fillRect(begin, y - 1, Math.max(2, x(to) - begin), 2);
    context.beginPath();
    context.arc(x(to), y, 3.5, 0, 2 * Math.PI);
    context.fill();
  };
  line(bounds.from, reached, top + row / 2, palette.playhead);
  futures.forEach(({ name, from, end }, i) => {
    const y = top + row * (i + 1.5);
    if (x(end[axis]) < left) return;
    context.fillStyle = palette.muted;
    if (x(from[axis]) >= left) context.fillRect(x(from[axis]), top + row / 2, 1.5, y - top - row / 2);
    line(from[axis], end[axis], y, palette.muted);
    // Beside its end, or where that is too far right, before its beginning.
    const width = context.measureText(name).width;
    const after = x(end[axis]) + 9;
    const fits = after + width < context.canvas.clientWidth;
    context.fillStyle = palette.text;
    context.textAlign = 'left';
    context.fillText(name, fits ? after : Math.max(left, x(from[axis]) - width - 8), y);
  });
}
