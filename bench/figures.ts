/** Milliseconds of CPU that this process took so far, all threads: other work on the machine hardly shows in it. */
export function cpuTime(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

export const quantile = (values: readonly number[], q: number): number =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * q))];
export const median = (values: readonly number[]): number => quantile(values, 0.5);

/** `p50 1.0 ms, p99 2.0 ms`. */
export const spread = (values: readonly number[]): string =>
  `p50 ${quantile(values, 0.5).toFixed(1)} ms, p99 ${quantile(values, 0.99).toFixed(1)} ms`;

/** A figure and what it is of, as a line. */
export const print = (what: string, value: string): void => void process.stdout.write(`${what.padEnd(64)} ${value}\n`);

export const geomean = (values: readonly number[]): number =>
  Math.exp(values.reduce((sum, v) => sum + Math.log(v), 0) / values.length);
