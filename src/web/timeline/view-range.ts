/** The stretch of time that a timeline shows, in units of its axis, and what zooming and panning make of it. */
export interface ViewRange {
  readonly from: number;
  readonly to: number;
}

/** The shortest stretch that is shown: sixteen instructions, or nanoseconds. */
const SHORTEST = 16;

/** Keeps a range within bounds, and no shorter than {@link SHORTEST}. */
export function clampRange({ from, to }: ViewRange, bounds: ViewRange): ViewRange {
  const whole = Math.max(SHORTEST, bounds.to - bounds.from);
  const length = Math.min(Math.max(to - from, SHORTEST), whole);
  const start = Math.min(Math.max(from, bounds.from), bounds.from + whole - length);
  return { from: start, to: start + length };
}

/** Zooms around a point that stays where it is. @param factor below 1 to see less, in more detail */
export function zoomRange({ from, to }: ViewRange, factor: number, around: number, bounds: ViewRange): ViewRange {
  const length = Math.max(SHORTEST, (to - from) * factor);
  const part = to > from ? (around - from) / (to - from) : 0.5;
  return clampRange({ from: around - part * length, to: around + (1 - part) * length }, bounds);
}

/** Moves by a part of what is shown. */
export function panRange({ from, to }: ViewRange, parts: number, bounds: ViewRange): ViewRange {
  const by = (to - from) * parts;
  return clampRange({ from: from + by, to: to + by }, bounds);
}

/** Moves a range as little as it takes to show a point. */
export function revealInRange(range: ViewRange, point: number, bounds: ViewRange): ViewRange {
  if (point >= range.from && point <= range.to) return range;
  const half = (range.to - range.from) / 2;
  return clampRange({ from: point - half, to: point + half }, bounds);
}

/** Round values for an axis's ticks: 1, 2 or 5 times a power of ten, about `count` of them. */
export function ticks({ from, to }: ViewRange, count: number): number[] {
  const rough = (to - from) / Math.max(1, count);
  if (!(rough > 0)) return [];
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough) ?? rough;
  const found: number[] = [];
  for (let i = Math.ceil(from / step); i * step <= to; i++) found.push(i * step);
  return found;
}
