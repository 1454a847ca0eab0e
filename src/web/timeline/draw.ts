import type { Mark } from '../focus/address-bar.ts';
import type { ConsoleHistory } from '../terminal/history.ts';
import type { Future } from './futures.ts';
import type { Axis, LaneData } from './lane-data.ts';
import { type LaneName, lanesOf } from './lanes.ts';
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
  readonly hidden: ReadonlySet<LaneName>;
  /** The other ways that time went, and how far this one came. */
  readonly futures: readonly Future[];
  readonly reached: number;
}

/** Colours of the page, read from its style. */
export interface Palette {
  readonly panel: string;
  readonly text: string;
  readonly muted: string;
  readonly line: string;
  readonly busy: string;
  readonly console: string;
  readonly input: string;
  readonly disk: string;
  readonly network: string;
  readonly syscalls: string;
  readonly interrupts: string;
  readonly mark: string;
  readonly playhead: string;
  readonly processes: readonly string[];
  readonly processText: string;
}

/** Where things are drawn, in CSS pixels. */
export interface Canvas {
  readonly context: CanvasRenderingContext2D;
  readonly picture: TimelinePicture;
  readonly palette: Palette;
  readonly width: number;
  readonly height: number;
  /** Where time begins, and its columns of one pixel. */
  readonly left: number;
  readonly columns: number;
  /** What a pixel stands for. */
  readonly unit: number;
  readonly x: (place: number) => number;
  readonly placeOf: (column: number) => number;
}

/** Width of the lanes' names. */
export const GUTTER = 96;
const AXIS_HEIGHT = 22;
const MARKS_HEIGHT = 18;
const LANE_GAP = 4;
const FONT = '11px system-ui, sans-serif';

/** Draws the timeline into a canvas, in CSS pixels. */
export function drawTimeline(
  context: CanvasRenderingContext2D,
  width: number,
  height: number,
  picture: TimelinePicture,
  palette: Palette,
): void {
  const { range } = picture;
  const columns = Math.max(1, Math.floor(width - GUTTER));
  const unit = (range.to - range.from) / columns;
  const canvas: Canvas = {
    context,
    picture,
    palette,
    width,
    height,
    left: GUTTER,
    columns,
    unit,
    x: (value) => GUTTER + (value - range.from) / unit,
    placeOf: (column) => range.from + column * unit,
  };
  context.clearRect(0, 0, width, height);
  context.font = FONT;
  context.textBaseline = 'middle';
  drawAxis(canvas);
  drawLanes(canvas);
  drawMarks(canvas);
  drawPlayhead(canvas);
}

function drawLanes(canvas: Canvas): void {
  const { context, palette, columns, left, height } = canvas;
  const lanes = lanesOf(canvas);
  const room = height - AXIS_HEIGHT - MARKS_HEIGHT - LANE_GAP * lanes.length;
  const sum = lanes.reduce((total, lane) => total + lane.height, 0);
  let top = AXIS_HEIGHT + MARKS_HEIGHT;
  for (const lane of lanes) {
    const high = Math.max(6, Math.floor((room * lane.height) / sum));
    context.fillStyle = palette.line;
    context.fillRect(left, top + high, columns, 1);
    lane.draw(top, high);
    context.fillStyle = palette.muted;
    context.textAlign = 'left';
    context.fillText(lane.name, 10, top + high / 2, left - 14);
    top += high + LANE_GAP;
  }
}

function drawAxis({ context, palette, width, height, left, x, picture: { range, axis } }: Canvas): void {
  context.textAlign = 'left';
  const marks = ticks(range, (width - left) / 110);
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

function drawMarks({ context, palette, width, height, left, x, picture: { marks, axis, range } }: Canvas): void {
  const middle = AXIS_HEIGHT + MARKS_HEIGHT / 2 - 1;
  context.fillStyle = palette.muted;
  context.textAlign = 'left';
  context.fillText('Marks', 10, middle);
  const shown = marks
    .map((mark) => ({ mark, place: axis === 'time' ? mark.time : mark.instructions }))
    .filter(({ place }) => place >= range.from && place <= range.to)
    .map(({ mark, place }) => ({ mark, at: Math.round(x(place)) }));
  for (const [i, { mark, at }] of shown.entries()) {
    context.fillStyle = palette.mark;
    context.fillRect(at, AXIS_HEIGHT, 1, height - AXIS_HEIGHT);
    context.beginPath();
    context.moveTo(at, middle - 6);
    context.lineTo(at + 9, middle - 2);
    context.lineTo(at, middle + 2);
    context.fill();
    // Its note has room up to the next flag.
    const room = (shown[i + 1]?.at ?? Math.max(left, width)) - at - 16;
    const text = fitted(context, mark.note, room);
    context.fillStyle = palette.text;
    if (text !== '') context.fillText(text, at + 12, middle);
  }
}

/** As much of a text as fits, with an ellipsis where something is left out; nothing where that would be hardly anything. */
function fitted(context: CanvasRenderingContext2D, text: string, room: number): string {
  if (context.measureText(text).width <= room) return text;
  let length = text.length - 1;
  while (length > 0 && context.measureText(`${text.slice(0, length)}…`).width > room) length--;
  return length < 2 ? '' : `${text.slice(0, length).trimEnd()}…`;
}

function drawPlayhead({ context, palette, width, height, left, unit, x, picture }: Canvas): void {
  const { playhead, hover, range, axis, data } = picture;
  if (playhead >= range.from && playhead <= range.to) {
    const at = Math.min(Math.round(x(playhead)), width - 2);
    context.fillStyle = palette.playhead;
    context.fillRect(at - 1, 0, 2, height);
    context.beginPath();
    context.moveTo(at - 6, 0);
    context.lineTo(at + 6, 0);
    context.lineTo(at, 9);
    context.fill();
  }
  if (hover === undefined || hover < range.from || hover > range.to) return;
  const at = Math.round(x(hover));
  context.fillStyle = palette.muted;
  context.fillRect(at, 0, 1, height);
  const name = data.names[data.process(axis, hover, hover + unit)];
  const text = `${axisText(hover, axis, unit)}${name === undefined ? '' : ` · ${name}`}`;
  const wide = context.measureText(text).width + 12;
  const begin = Math.min(Math.max(left, at - wide / 2), width - wide);
  context.fillStyle = palette.text;
  context.fillRect(begin, 2, wide, AXIS_HEIGHT - 4);
  context.fillStyle = palette.panel;
  context.fillText(text, begin + 6, AXIS_HEIGHT / 2);
}
