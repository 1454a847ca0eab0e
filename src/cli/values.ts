import { UsageError } from './exit.ts';

/** Reads a whole number in a range. */
export function parseInteger(flag: string, text: string, least: number, most: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= least && value <= most))
    throw new UsageError(`${flag} ${text}: expected a whole number from ${least} to ${most}`);
  return value;
}

/** Reads one of a few words. */
export function parseChoice<T extends string>(flag: string, text: string, choices: readonly T[]): T {
  const found = choices.find((choice) => choice === text);
  if (found === undefined) throw new UsageError(`${flag} ${text}: expected ${oneOf(choices)}`);
  return found;
}

/** Reads a time such as `30`, `30s`, `500ms`, `5m`, `1h`. @returns milliseconds */
export function parseDuration(flag: string, text: string): number {
  const found = /^(\d+(?:\.\d+)?)\s*(ms|s|m|h)?$/.exec(text.trim());
  const unit = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }[found?.[2] ?? 's']!;
  const value = found ? Number(found[1]) * unit : Number.NaN;
  if (!(value > 0 && value < 2 ** 31))
    throw new UsageError(`${flag} ${text}: expected a time such as 30s, 500ms or 5m`);
  return value;
}

/** Reads a size such as `256M`, `1G` or a number of bytes. */
export function parseSize(flag: string, text: string, least: number, most: number): number {
  const found = /^(\d+(?:\.\d+)?)([kmg]?)(?:i?b)?$/i.exec(text.trim());
  const value = found
    ? Math.round(Number(found[1]) * { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 }[found[2].toLowerCase()]!)
    : Number.NaN;
  if (!(value >= least && value <= most))
    throw new UsageError(
      `${flag} ${text}: expected a size from ${formatBytes(least)} to ${formatBytes(most)}, such as 256M`,
    );
  return value;
}

/**
 * Reads names of Debian packages with commas between them (Debian Policy, 5.6.7).
 * @throws UsageError naming the flag and the name
 */
export function parsePackageNames(flag: string, text: string): string[] {
  const names = text.split(',');
  for (const name of names)
    if (!/^[a-z0-9][a-z0-9+.-]+$/.test(name))
      throw new UsageError(`${flag} ${text}: "${name}" is no name of a Debian package; expected such as git,fio`);
  return names;
}

/** Reads `:1234`, `1234` or `HOST:1234`; the host is loopback unless named. */
export function parseListen(flag: string, text: string): { host: string; port: number } {
  const found = /^(?:(\[[0-9a-f:]+\]|[\w.-]*):)?(\d{1,5})$/i.exec(text);
  const port = Number(found?.[2] ?? Number.NaN);
  if (!(port >= 0 && port <= 65535))
    throw new UsageError(`${flag} ${text}: expected a port such as :1234, or HOST:PORT`);
  const host = found![1]?.replace(/^\[|\]$/g, '');
  return { host: host ? host : '127.0.0.1', port };
}

/** `a, b or c`. */
function oneOf(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`;
}

/** A size for people: GiB, MiB, KiB or bytes with at most one decimal. */
export function formatBytes(bytes: number): string {
  for (const [unit, size] of [
    ['GiB', 2 ** 30],
    ['MiB', 2 ** 20],
    ['KiB', 2 ** 10],
  ] as const) {
    if (bytes >= size) return `${Number((bytes / size).toFixed(1))} ${unit}`;
  }
  return `${bytes} bytes`;
}

/** A number of instructions for people. */
export function formatCount(count: number | bigint): string {
  const n = Number(count);
  for (const [unit, size] of [
    ['G', 1e9],
    ['M', 1e6],
    ['k', 1e3],
  ] as const) {
    if (n >= size)
      return `${(n / size)
        .toPrecision(3)
        .replace(/(\.\d*?)0+$/, '$1')
        .replace(/\.$/, '')} ${unit}`;
  }
  return `${n}`;
}

/** Seconds for people. @param milliseconds not negative */
export function formatSeconds(milliseconds: number): string {
  return milliseconds < 10_000 ? `${(milliseconds / 1000).toFixed(2)} s` : `${(milliseconds / 1000).toFixed(1)} s`;
}

const CLOCKS = ['host', 'virtual'] as const;

/** `--clock`, where it is given. */
export const parseClock = (typed: string | undefined): (typeof CLOCKS)[number] | undefined =>
  typed === undefined ? undefined : parseChoice('--clock', typed, CLOCKS);
