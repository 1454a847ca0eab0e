import type { Value } from './values.ts';

/** A function of a map that keeps a summary instead of values. */
export interface Aggregate {
  /** Takes one more value. */
  add(value: bigint): void;
  /** Takes in another of the same kind: the summary of a later part of the time. */
  merge(other: this): void;
  /** Takes in what compiled code has kept ({@link ./tallies.ts}): the number of values, then what SUMMARIES says. */
  take(words: BigInt64Array, signed: boolean): void;
  /** What maps are sorted by. */
  readonly order: bigint;
  /** Lines to print; one for all but histograms. */
  lines(): string[];
  /** For JSON. */
  json(): unknown;
}

class Count implements Aggregate {
  protected n = 0n;
  add(_value: bigint): void {
    this.n++;
  }
  merge(other: this): void {
    this.n += other.n;
  }
  take(words: BigInt64Array, _signed: boolean): void {
    this.n += words[0]!;
  }
  get order(): bigint {
    return this.n;
  }
  lines(): string[] {
    return [String(this.n)];
  }
  json(): unknown {
    return Number(this.n);
  }
}

class Sum extends Count {
  override add(value: bigint): void {
    this.n = BigInt.asIntN(64, this.n + value);
  }
  override take(words: BigInt64Array): void {
    this.add(words[1]!);
  }
}

class Least extends Count {
  private any = false;
  override add(value: bigint): void {
    if (!this.any || value < this.n) this.n = value;
    this.any = true;
  }
  override merge(other: this): void {
    if (other.any) this.add(other.n);
  }
  override take(words: BigInt64Array, signed: boolean): void {
    this.add(signed ? words[1]! : BigInt.asUintN(64, words[1]!));
  }
}

class Greatest extends Count {
  private any = false;
  override add(value: bigint): void {
    if (!this.any || value > this.n) this.n = value;
    this.any = true;
  }
  override merge(other: this): void {
    if (other.any) this.add(other.n);
  }
  override take(words: BigInt64Array, signed: boolean): void {
    this.add(signed ? words[1]! : BigInt.asUintN(64, words[1]!));
  }
}

class Stats implements Aggregate {
  protected n = 0n;
  protected total = 0n;
  add(value: bigint): void {
    this.n++;
    this.total += value;
  }
  merge(other: this): void {
    this.n += other.n;
    this.total += other.total;
  }
  take(words: BigInt64Array): void {
    this.n += words[0]!;
    this.total += BigInt.asUintN(64, words[1]!) + (words[2]! << 64n);
  }
  protected get average(): bigint {
    return this.n === 0n ? 0n : this.total / this.n;
  }
  get order(): bigint {
    return this.average;
  }
  lines(): string[] {
    return [`count ${this.n}, average ${this.average}, total ${this.total}`];
  }
  json(): unknown {
    return { count: Number(this.n), average: Number(this.average), total: Number(this.total) };
  }
}

class Average extends Stats {
  override lines(): string[] {
    return [String(this.average)];
  }
  override json(): unknown {
    return Number(this.average);
  }
}

const BAR = 52;

/** Counts by ranges of values. */
abstract class Histogram implements Aggregate {
  protected readonly buckets = new Map<number, number>();
  private n = 0;

  protected abstract indexOf(value: bigint): number;
  /** The range that a bucket stands for, as `[low, high)`; open ends are undefined. */
  protected abstract range(index: number): readonly [low: bigint | undefined, high: bigint | undefined];

  add(value: bigint): void {
    const index = this.indexOf(value);
    this.buckets.set(index, (this.buckets.get(index) ?? 0) + 1);
    this.n++;
  }

  take(words: BigInt64Array): void {
    for (const [i, count] of words.subarray(1).entries()) {
      if (count !== 0n) this.buckets.set(i - 1, (this.buckets.get(i - 1) ?? 0) + Number(count));
    }
    this.n += Number(words[0]);
  }

  merge(other: this): void {
    for (const [index, count] of other.buckets) this.buckets.set(index, (this.buckets.get(index) ?? 0) + count);
    this.n += other.n;
  }

  get order(): bigint {
    return BigInt(this.n);
  }

  lines(): string[] {
    const indexes = [...this.buckets.keys()];
    if (indexes.length === 0) return [''];
    const [first, last] = [Math.min(...indexes), Math.max(...indexes)];
    const most = Math.max(...this.buckets.values());
    return Array.from({ length: last - first + 1 }, (_, i) => {
      const count = this.buckets.get(first + i) ?? 0;
      const bar = '@'.repeat(Math.floor((count * BAR) / most)).padEnd(BAR);
      return `${this.label(first + i).padEnd(16)} ${String(count).padStart(8)} |${bar}|`;
    });
  }

  json(): unknown {
    return [...this.buckets.keys()]
      .sort((a, b) => a - b)
      .map((index) => {
        const [low, high] = this.range(index);
        return {
          ...(low !== undefined && { min: Number(low) }),
          ...(high !== undefined && { max: Number(high - 1n) }),
          count: this.buckets.get(index),
        };
      });
  }

  private label(index: number): string {
    const [low, high] = this.range(index);
    if (low === undefined) return `(..., ${this.text(high!)})`;
    if (high === undefined) return `[${this.text(low)}, ...)`;
    if (high === low + 1n) return `[${this.text(low)}]`;
    return `[${this.text(low)}, ${this.text(high)})`;
  }

  /** Powers of 1024 get a suffix. */
  private text(value: bigint): string {
    const units = ['', 'K', 'M', 'G', 'T', 'P', 'E'];
    let unit = 0;
    let v = value;
    while (v !== 0n && v % 1024n === 0n && unit < units.length - 1) {
      v /= 1024n;
      unit++;
    }
    return `${v}${units[unit]}`;
  }
}

/** Powers of two. */
class LogHistogram extends Histogram {
  protected indexOf(value: bigint): number {
    if (value < 0n) return -1;
    return value === 0n ? 0 : value.toString(2).length;
  }

  protected range(index: number): readonly [bigint | undefined, bigint | undefined] {
    if (index < 0) return [undefined, 0n];
    return index === 0 ? [0n, 1n] : [1n << BigInt(index - 1), 1n << BigInt(index)];
  }
}

/** Steps of one size between two bounds. */
class LinearHistogram extends Histogram {
  private readonly min: bigint;
  private readonly step: bigint;
  private readonly count: number;

  constructor(min: bigint, max: bigint, step: bigint) {
    super();
    this.min = min;
    this.step = step;
    this.count = Number((max - min + step - 1n) / step);
  }

  protected indexOf(value: bigint): number {
    if (value < this.min) return -1;
    return Math.min(this.count, Number((value - this.min) / this.step));
  }

  protected range(index: number): readonly [bigint | undefined, bigint | undefined] {
    if (index < 0) return [undefined, this.min];
    const low = this.min + BigInt(index) * this.step;
    return [low, index >= this.count ? undefined : low + this.step];
  }
}

/** The functions that make a map a summary, by name: how many arguments they take, and what they make of the constant ones. */
export const AGGREGATES: Readonly<
  Record<string, { readonly args: number; create(constants: readonly bigint[]): Aggregate }>
> = {
  count: { args: 0, create: () => new Count() },
  sum: { args: 1, create: () => new Sum() },
  avg: { args: 1, create: () => new Average() },
  min: { args: 1, create: () => new Least() },
  max: { args: 1, create: () => new Greatest() },
  stats: { args: 1, create: () => new Stats() },
  hist: { args: 1, create: () => new LogHistogram() },
  lhist: { args: 4, create: ([min = 0n, max = 0n, step = 1n]) => new LinearHistogram(min, max, step) },
};

/** Whether a map's value is a summary. */
export const isAggregate = (value: Value | Aggregate): value is Aggregate =>
  typeof value === 'object' && 'merge' in value;
