import type { Mark } from '../focus/address-bar.ts';
import type { ConsoleHistory } from '../terminal/history.ts';
import type { Future } from './futures.ts';
import type { Axis, LaneData } from './lane-data.ts';
import { axisText } from './units.ts';
import { ticks, type ViewRange } from './view-range.ts';

/** What is drawn. Places are in units of the axis. */
export interface TimelinePicture {
  readonly range: ViewRange;
  readonly axis: Axis;
  readonly data: LaneData;
  readonly console: ConsoleHistory;
  readonly marks: readonly Mark[];
  readonly playhead: number;
  /** What is under the pointer. */
  readonly hover: number | undefined;
  /** Begin and end of what there is. */
  readonly bounds: ViewRange;
  readonly harts: number;
  /** The other ways that time went, and how far this one came. */
  readonly futures: readonly Future[];
  readonly reached: number;
}

/** Colours of the page, read from its style. */
export interface Palette {
  readonly text: string;
  readonly muted: string;
  readonly line: string;
  readonly busy: string;
  readonly console: string;
  readonly input: string;
  readonly disk: string;
  readonly network: string;
  readonly mark: string;
  readonly playhead: string;
  readonly processes: readonly string[];
  readonly processText: string;
}

/** Width of the lanes' names. */
export const GUTTER = 92;
const AXIS_HEIGHT = 22;
const MARKS_HEIGHT = 18;
const LANE_GAP = 4;
/** Parts of a lane's height that are not drawn: a timer's tick in idle time. */
const LEAST = 0.004;
const FONT = '11px system-ui, sans-serif';

/** A lane: its name, how high it is, and how a stretch of pixels is drawn. */
interface Lane {
  readonly name: string;
  readonly height: number;
  draw(top: number, height: number): void;
}

/** Draws the timeline into a canvas, in CSS pixels. */
export function drawTimeline(
  context: CanvasRenderingContext2D,
  width: number,
  height: number,
  picture: TimelinePicture,
  palette: Palette,
): void {
  const { range, axis, data, console: history, bounds, harts } = picture;
  const columns = Math.max(1, width - GUTTER);
  const unit = (range.to - range.from) / columns;
  const x = (value: number): number => GUTTER + (value - range.from) / unit;
  const placeOf = (column: number): number => range.from + column * unit;

  context.clearRect(0, 0, width, height);
  context.font = FONT;
  context.textBaseline = 'middle';

  const bars = (top: number, laneHeight: number, color: string, part: (from: number, to: number) => number): void => {
    context.fillStyle = color;
    for (let column = 0; column < columns; column++) {
      const from = placeOf(column);
      if (from > bounds.to || from + unit < bounds.from) continue;
      const value = part(from, from + unit);
      if (value < LEAST) continue;
      const high = Math.max(1, Math.round(value * laneHeight));
      context.fillRect(GUTTER + column, top + laneHeight - high, 1, high);
    }
  };
  const some = (count: number): number => (count <= 0 ? 0 : Math.min(1, 0.35 + 0.15 * Math.log2(count)));
  const consoleCount = (from: number, to: number): number =>
    axis === 'time' ? history.countBetween(from, to) : history.offsetAfter(to) - history.offsetAfter(from);

  const lanes: Lane[] = [
    {
      name: harts > 1 ? `${harts} harts` : 'Hart 0',
      height: 1.4,
      draw: (top, high) => bars(top, high, palette.busy, (from, to) => data.busy(axis, from, to)),
    },
    { name: 'Processes', height: 1, draw: drawProcesses },
    {
      name: 'Console',
      height: 1,
      draw: (top, high) => bars(top, high, palette.console, (from, to) => some(consoleCount(from, to))),
    },
    ...(['input', 'disk', 'network'] as const)
      .filter((lane) => lane === 'input' || data.has(lane))
      .map((lane) => ({
        name: { input: 'Input', disk: 'Disk', network: 'Network' }[lane],
        height: 0.7,
        draw: (top: number, high: number) =>
          bars(top, high, palette[lane], (from, to) => some(data.pointsBetween(lane, axis, from, to))),
      })),
  ];

  if (picture.futures.length > 0)
    lanes.push({
      name: 'Futures',
      height: 0.5 + 0.45 * picture.futures.length,
      draw: (top, high) => drawFutures(context, picture, palette, x, top, high),
    });

  function drawProcesses(top: number, high: number): void {
    let start = 0;
    let current = -1;
    const finish = (end: number): void => {
      if (current >= 0)
        drawProcess(context, palette, data.names[current] ?? '', current, GUTTER + start, top, end - start, high);
    };
    for (let column = 0; column <= columns; column++) {
      const from = placeOf(column);
      const outside = column === columns || from > bounds.to || from + unit < bounds.from;
      const process = outside ? -1 : data.process(axis, from, from + unit);
      if (process === current) continue;
      finish(column);
      [start, current] = [column, process];
    }
  }

  drawAxis(context, picture, palette, x, width, height);
  const room = height - AXIS_HEIGHT - MARKS_HEIGHT - LANE_GAP * lanes.length;
  const sum = lanes.reduce((total, lane) => total + lane.height, 0);
  let top = AXIS_HEIGHT + MARKS_HEIGHT;
  for (const lane of lanes) {
    const high = Math.max(6, Math.floor((room * lane.height) / sum));
    context.fillStyle = palette.line;
    context.fillRect(GUTTER, top + high, columns, 1);
    lane.draw(top, high);
    context.fillStyle = palette.muted;
    context.textAlign = 'left';
    context.fillText(lane.name, 10, top + high / 2);
    top += high + LANE_GAP;
  }
  drawMarks(context, picture, palette, x, height);
  drawPlayhead(context, picture, palette, x, width, height);
}

function drawProcess(
  context: CanvasRenderingContext2D,
  palette: Palette,
  name: string,
  index: number,
  left: number,
  top: number,
  wide: number,
  high: number,
): void {
  context.fillStyle = palette.processes[index % palette.processes.length];
  context.fillRect(left, top + 1, Math.max(1, wide), high - 1);
  if (wide < 34 || high < 11) return;
  context.save();
  context.beginPath();
  context.rect(left, top, wide - 3, high);
  context.clip();
  context.fillStyle = palette.processText;
  context.textAlign = 'left';
  context.fillText(name, left + 4, top + high / 2 + 1);
  context.restore();
}

/** The tree of time: this way on top, the others below from where they begin. */
function drawFutures(
  context: CanvasRenderingContext2D,
  { futures, axis, bounds, reached }: TimelinePicture,
  palette: Palette,
  x: (value: number) => number,
  top: number,
  high: number,
): void {
  const row = high / (futures.length + 1);
  const line = (from: number, to: number, y: number, color: string): void => {
    const left = Math.max(GUTTER, x(from));
    context.fillStyle = color;
    context.fillRect(left, y - 1, Math.max(2, x(to) - left), 2);
    context.beginPath();
    context.arc(x(to), y, 3.5, 0, 2 * Math.PI);
    context.fill();
  };
  line(bounds.from, reached, top + row / 2, palette.playhead);
  futures.forEach(({ name, from, end }, i) => {
    const y = top + row * (i + 1.5);
    if (x(end[axis]) < GUTTER) return;
    context.fillStyle = palette.muted;
    if (x(from[axis]) >= GUTTER) context.fillRect(x(from[axis]), top + row / 2, 1.5, y - top - row / 2);
    line(from[axis], end[axis], y, palette.muted);
    context.fillStyle = palette.text;
    context.textAlign = 'left';
    context.fillText(name, Math.max(GUTTER, x(from[axis])) + 6, y - row * 0.4 + 1);
  });
}

function drawAxis(
  context: CanvasRenderingContext2D,
  { range, axis }: TimelinePicture,
  palette: Palette,
  x: (value: number) => number,
  width: number,
  height: number,
): void {
  context.textAlign = 'left';
  const marks = ticks(range, (width - GUTTER) / 110);
  const step = marks.length > 1 ? marks[1] - marks[0] : range.to - range.from;
  context.fillStyle = palette.muted;
  context.fillText(axis === 'time' ? 'Guest time' : 'Instructions', 10, AXIS_HEIGHT / 2);
  for (const value of marks) {
    const at = Math.round(x(value));
    context.fillStyle = palette.line;
    context.fillRect(at, 0, 1, height);
    context.fillStyle = palette.muted;
    const text = axisText(value, axis, step);
    if (at + 6 + context.measureText(text).width < width) context.fillText(text, at + 5, AXIS_HEIGHT / 2);
  }
}

function drawMarks(
  context: CanvasRenderingContext2D,
  { marks, axis, range }: TimelinePicture,
  palette: Palette,
  x: (value: number) => number,
  height: number,
): void {
  const middle = AXIS_HEIGHT + MARKS_HEIGHT / 2 - 1;
  context.fillStyle = palette.muted;
  context.textAlign = 'left';
  context.fillText('Marks', 10, middle);
  let free = GUTTER;
  for (const mark of marks) {
    const place = axis === 'time' ? mark.time : mark.instructions;
    if (place < range.from || place > range.to) continue;
    const at = Math.round(x(place));
    context.fillStyle = palette.mark;
    context.fillRect(at, AXIS_HEIGHT, 1, height - AXIS_HEIGHT);
    context.beginPath();
    context.moveTo(at, middle - 6);
    context.lineTo(at + 9, middle - 2);
    context.lineTo(at, middle + 2);
    context.fill();
    if (at + 12 < free) continue;
    context.fillStyle = palette.text;
    context.fillText(mark.note, at + 12, middle);
    free = at + 20 + context.measureText(mark.note).width;
  }
}

function drawPlayhead(
  context: CanvasRenderingContext2D,
  { playhead, hover, range }: TimelinePicture,
  palette: Palette,
  x: (value: number) => number,
  width: number,
  height: number,
): void {
  if (hover !== undefined && hover >= range.from && hover <= range.to) {
    context.fillStyle = palette.muted;
    context.fillRect(Math.round(x(hover)), 0, 1, height);
  }
  if (playhead < range.from || playhead > range.to) return;
  const at = Math.min(Math.round(x(playhead)), width - 2);
  context.fillStyle = palette.playhead;
  context.fillRect(at - 1, 0, 2, height);
  context.beginPath();
  context.moveTo(at - 6, 0);
  context.lineTo(at + 6, 0);
  context.lineTo(at, 9);
  context.fill();
}
