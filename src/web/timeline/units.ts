import type { Axis } from './lane-data.ts';

/** A number of instructions, short: `12.3 M`. */
export function shortCount(count: number): string {
  for (const [unit, size] of [
    ['G', 1e9],
    ['M', 1e6],
    ['k', 1e3],
  ] as const)
    if (Math.abs(count) >= size) return `${trimmed(count / size)} ${unit}`;
  return String(Math.round(count));
}

/** Guest time, short: `1.25 s`. @param nanoseconds of guest time @param resolution nanoseconds that two of them may be apart */
export function shortTime(nanoseconds: number, resolution = Math.abs(nanoseconds) / 1000): string {
  for (const [unit, size] of [
    ['s', 1e9],
    ['ms', 1e6],
    ['µs', 1e3],
  ] as const) {
    if (Math.abs(nanoseconds) < size && unit !== 'µs') continue;
    const digits = Math.min(9, Math.max(0, Math.ceil(-Math.log10(Math.max(resolution, 1) / size))));
    return `${(nanoseconds / size).toFixed(Math.min(digits, unit === 's' ? 9 : 3))} ${unit}`;
  }
  return `${nanoseconds} ns`;
}

/** A place on an axis, in words. */
export function axisText(value: number, axis: Axis, resolution: number): string {
  return axis === 'time' ? shortTime(value, resolution) : shortCount(value);
}

const trimmed = (value: number): string => value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : 2);
