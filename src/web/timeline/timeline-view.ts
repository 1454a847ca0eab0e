import type { Mark } from '../focus/address-bar.ts';
import type { ConsoleHistory } from '../terminal/history.ts';
import type { MachineState } from '../worker/protocol.ts';
import { drawTimeline, GUTTER, type Palette } from './draw.ts';
import type { Future } from './futures.ts';
import type { Axis, LaneData } from './lane-data.ts';
import { HIDDEN_AT_FIRST, type LaneName } from './lanes.ts';
import { readPalette } from './palette.ts';
import { axisText } from './units.ts';
import { clampRange, panRange, revealInRange, type ViewRange, zoomRange } from './view-range.ts';

/** What the timeline asks for. Places are in units of the axis. */
export interface TimelineListener {
  /** The playhead is dragged over a place: show what was there. */
  preview(place: number): void;
  /** Go there. */
  land(place: number): void;
  /** The playhead is dragged no longer, and nowhere. */
  cancel(): void;
  /** A key was pressed that is not about the view. @returns whether it meant something */
  key(event: KeyboardEvent): boolean;
}

/** Part of the view that an arrow key moves by, and what a notch of the wheel zooms by. */
const ARROW = 0.01;
const NOTCH = 1.0015;
/** Pixels that a pointer may move and still have clicked. */
const STILL = 3;

/** The canvas of the lanes: zoom, pan, playhead. */
export class TimelineView {
  private readonly canvas: HTMLCanvasElement;
  private readonly context: CanvasRenderingContext2D;
  private data: LaneData;
  private history: ConsoleHistory;
  private futures: readonly Future[] = [];
  private hidden = HIDDEN_AT_FIRST;
  private readonly listener: TimelineListener;
  private readonly watcher: ResizeObserver;
  private state: MachineState | undefined;
  private marks: readonly Mark[] = [];
  private unit: Axis = 'time';
  private range: ViewRange = { from: 0, to: 1 };
  /** All of it is shown, also what is still to come. */
  private whole = true;
  private dragged: number | undefined;
  private hover: number | undefined;
  private frame = 0;
  private palette: Palette | undefined;
  private readonly pointers = new Map<number, { x: number; readonly startX: number }>();
  private readonly scheme = matchMedia('(prefers-color-scheme: dark)');

  constructor(canvas: HTMLCanvasElement, data: LaneData, history: ConsoleHistory, listener: TimelineListener) {
    this.canvas = canvas;
    this.context = canvas.getContext('2d')!;
    this.data = data;
    this.history = history;
    this.listener = listener;
    this.watcher = new ResizeObserver(() => this.draw());
    this.watcher.observe(canvas);
    canvas.addEventListener('pointerdown', (event) => this.onDown(event));
    canvas.addEventListener('pointermove', (event) => this.onMove(event));
    canvas.addEventListener('pointerup', (event) => this.onUp(event));
    canvas.addEventListener('pointercancel', (event) => this.onCancel(event));
    canvas.addEventListener('pointerleave', () => this.setHover(undefined));
    canvas.addEventListener('wheel', (event) => this.onWheel(event), { passive: false });
    canvas.addEventListener('keydown', (event) => this.onKey(event));
    this.scheme.addEventListener('change', this.onScheme);
  }

  get axis(): Axis {
    return this.unit;
  }

  set axis(axis: Axis) {
    if (axis === this.unit) return;
    const { from, to } = this.range;
    const before = this.unit;
    this.unit = axis;
    const moved = { from: this.data.convert(from, before), to: this.data.convert(to, before) };
    this.range = clampRange(moved, this.bounds);
    this.draw();
  }

  /** What is shown at most: what can be gone to, and the other ways that time went, in units of the axis. */
  private get bounds(): ViewRange {
    const { from, to } = this.reach;
    return { from, to: Math.max(to, ...this.futures.map(({ end }) => end[this.unit])) };
  }

  /** Begin and end of what can be gone to, in units of the axis. */
  private get reach(): ViewRange {
    const { state } = this;
    if (state === undefined) return { from: 0, to: 1 };
    return this.unit === 'time'
      ? { from: state.beginTime, to: Math.max(state.endTime, state.beginTime + 1) }
      : { from: state.begin.instructions, to: Math.max(state.end.instructions, state.begin.instructions + 1) };
  }

  /** Where the playhead is, in units of the axis. */
  get playhead(): number {
    if (this.dragged !== undefined) return this.dragged;
    const { state } = this;
    return state === undefined ? 0 : this.unit === 'time' ? state.time : state.at.instructions;
  }

  update(state: MachineState, marks: readonly Mark[]): void {
    const moved = state.mode === 'past' && state.at.instructions !== this.state?.at.instructions;
    this.state = state;
    this.marks = marks;
    if (!this.whole && moved && this.dragged === undefined)
      this.range = revealInRange(this.range, this.playhead, this.bounds);
    this.draw();
  }

  /** Shows other lanes from now on. @param futures the other ways that time went */
  look(data: LaneData, history: ConsoleHistory, futures: readonly Future[]): void {
    this.data = data;
    this.history = history;
    this.futures = futures;
    this.draw();
  }

  /** Shows all lanes but these. */
  hide(lanes: ReadonlySet<LaneName>): void {
    this.hidden = lanes;
    this.draw();
  }

  /** Something was added to the lanes. */
  readonly draw = (): void => {
    if (this.frame === 0) this.frame = requestAnimationFrame(() => this.paint());
  };

  /** Shows all of time. */
  showAll(): void {
    this.whole = true;
    this.draw();
  }

  /** @param factor below 1 to see less, in more detail */
  zoom(factor: number, around = this.playhead): void {
    const { bounds } = this;
    const middle = Math.min(Math.max(around, this.range.from), this.range.to);
    this.range = zoomRange(this.range, factor, middle, bounds);
    this.whole = this.range.from <= bounds.from && this.range.to >= bounds.to;
    this.draw();
  }

  pan(parts: number): void {
    this.whole = false;
    this.range = panRange(this.range, parts, this.bounds);
    this.draw();
  }

  close(): void {
    cancelAnimationFrame(this.frame);
    this.watcher.disconnect();
    this.scheme.removeEventListener('change', this.onScheme);
  }

  private readonly onScheme = (): void => {
    this.palette = undefined;
    this.draw();
  };

  private paint(): void {
    this.frame = 0;
    const { canvas, context, state, bounds } = this;
    const { clientWidth: width, clientHeight: height } = canvas;
    if (width === 0 || height === 0) return;
    const ratio = window.devicePixelRatio || 1;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    if (state === undefined) return context.clearRect(0, 0, width, height);
    this.range = this.whole ? bounds : clampRange(this.range, bounds);
    drawTimeline(
      context,
      width,
      height,
      {
        range: this.range,
        axis: this.unit,
        data: this.data,
        console: this.history,
        marks: this.marks,
        playhead: this.playhead,
        hover: this.hover,
        bounds,
        harts: state.harts,
        hidden: this.hidden,
        futures: this.futures,
        reached: this.reach.to,
      },
      (this.palette ??= readPalette(canvas)),
    );
    this.describe();
  }

  /** For screen readers. */
  private describe(): void {
    const { canvas, bounds, playhead } = this;
    canvas.setAttribute('aria-valuemin', String(Math.round(bounds.from)));
    canvas.setAttribute('aria-valuemax', String(Math.round(bounds.to)));
    canvas.setAttribute('aria-valuenow', String(Math.round(playhead)));
    const process = this.data.names[this.data.process(this.unit, playhead - 1, playhead)];
    canvas.setAttribute('aria-valuetext', `${this.textOf(playhead)}${process === undefined ? '' : `, ${process}`}`);
  }

  /** A place in words, as exactly as the view is. */
  textOf(place: number): string {
    const unit = (this.range.to - this.range.from) / Math.max(1, this.canvas.clientWidth - GUTTER);
    return axisText(place, this.unit, unit);
  }

  private placeAt(clientX: number): number {
    const { left, width } = this.canvas.getBoundingClientRect();
    const part = (clientX - left - GUTTER) / Math.max(1, width - GUTTER);
    const { from, to } = this.range;
    return this.within(from + part * (to - from));
  }

  private onDown(event: PointerEvent): void {
    if (event.button !== 0) return;
    this.canvas.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, { x: event.clientX, startX: event.clientX });
    if (this.pointers.size > 1) this.endDrag();
    else this.drag(event.clientX);
    this.canvas.focus();
  }

  private onMove(event: PointerEvent): void {
    const pointer = this.pointers.get(event.pointerId);
    if (pointer === undefined) return this.setHover(this.placeAt(event.clientX));
    if (this.pointers.size === 1) this.drag(event.clientX);
    else this.pinch(event.pointerId, event.clientX);
    pointer.x = event.clientX;
  }

  private onUp(event: PointerEvent): void {
    const alone = this.pointers.size === 1;
    this.pointers.delete(event.pointerId);
    const place = this.dragged;
    if (!alone || place === undefined) return;
    this.dragged = undefined;
    this.listener.land(this.nearMark(place));
  }

  private onCancel(event: PointerEvent): void {
    this.pointers.delete(event.pointerId);
    this.endDrag();
  }

  private endDrag(): void {
    if (this.dragged === undefined) return;
    this.dragged = undefined;
    this.listener.cancel();
    this.draw();
  }

  private drag(clientX: number): void {
    this.dragged = this.placeAt(clientX);
    this.hover = undefined;
    this.listener.preview(this.dragged);
    this.draw();
  }

  /** Two fingers: what is under each stays under it. */
  private pinch(moved: number, clientX: number): void {
    const other = [...this.pointers].find(([id]) => id !== moved)?.[1].x;
    const before = this.pointers.get(moved)?.x;
    if (other === undefined || before === undefined || Math.abs(clientX - other) < STILL) return;
    this.zoom(Math.abs(before - other) / Math.abs(clientX - other), this.placeAt(other));
  }

  /** A mark that was clicked on is meant exactly. */
  private nearMark(place: number): number {
    const unit = (this.range.to - this.range.from) / Math.max(1, this.canvas.clientWidth - GUTTER);
    const places = this.marks.map((mark) => (this.unit === 'time' ? mark.time : mark.instructions));
    return places.find((known) => Math.abs(known - place) <= STILL * unit) ?? place;
  }

  private onWheel(event: WheelEvent): void {
    event.preventDefault();
    const sideways = Math.abs(event.deltaX) > Math.abs(event.deltaY) || event.shiftKey;
    if (sideways) this.pan((event.deltaX || event.deltaY) / Math.max(1, this.canvas.clientWidth));
    else this.zoom(NOTCH ** event.deltaY, this.placeAt(event.clientX));
  }

  private onKey(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = ARROW * (event.shiftKey ? 10 : 1) * (this.range.to - this.range.from);
    const { playhead } = this;
    const actions: Readonly<Record<string, () => void>> = {
      ArrowLeft: () => this.landAt(playhead - step),
      ArrowRight: () => this.landAt(playhead + step),
      Home: () => this.landAt(-Infinity),
      End: () => this.landAt(Infinity),
      PageUp: () => this.pan(-0.5),
      PageDown: () => this.pan(0.5),
      '+': () => this.zoom(0.5),
      '=': () => this.zoom(0.5),
      '-': () => this.zoom(2),
      '0': () => this.showAll(),
    };
    const action = actions[event.key];
    if (action === undefined && !this.listener.key(event)) return;
    action?.();
    event.preventDefault();
  }

  private landAt(place: number): void {
    this.listener.land(this.within(place));
  }

  private within(place: number): number {
    const { from, to } = this.reach;
    return Math.min(to, Math.max(from, place));
  }

  private setHover(place: number | undefined): void {
    this.hover = place;
    this.draw();
  }
}
