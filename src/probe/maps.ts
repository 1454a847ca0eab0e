import { type Aggregate, isAggregate } from './aggregates.ts';
import type { Value } from './values.ts';

/** An entry of a map. */
export interface MapEntry {
  readonly key: readonly Value[];
  value: Value | Aggregate;
}

/** A map grew over its limit: the script keeps more than was allowed. */
export class MapLimitError extends Error {
  override name = 'MapLimitError';
}

/** One `@map` of a script. */
export class ScriptMap {
  readonly name: string;
  private readonly entries = new Map<string, MapEntry>();
  private readonly limit: number;

  /** @param limit most entries */
  constructor(name: string, limit: number) {
    this.name = name;
    this.limit = limit;
  }

  get size(): number {
    return this.entries.size;
  }

  get(key: readonly Value[]): Value | Aggregate | undefined {
    return this.entries.get(textOf(key))?.value;
  }

  /** @throws MapLimitError when there is no room for another entry */
  set(key: readonly Value[], value: Value | Aggregate): void {
    const text = textOf(key);
    const entry = this.entries.get(text);
    if (entry !== undefined) {
      entry.value = value;
      return;
    }
    if (this.entries.size >= this.limit) {
      throw new MapLimitError(
        `${this.name} would have more than ${this.limit} entries: use a coarser key, delete() entries, or raise --map-limit`,
      );
    }
    this.entries.set(text, { key, value });
  }

  /** The summary for a key, made when there is none. */
  aggregate<A extends Aggregate>(key: readonly Value[], create: () => A): A {
    const found = this.get(key);
    if (found !== undefined && isAggregate(found)) return found as A;
    const made = create();
    this.set(key, made);
    return made;
  }

  delete(key: readonly Value[]): void {
    this.entries.delete(textOf(key));
  }

  clear(): void {
    this.entries.clear();
  }

  /** In order of their values, then of their keys, smallest first. */
  sorted(): MapEntry[] {
    return [...this.entries.values()].sort(
      (a, b) => compare(orderOf(a.value), orderOf(b.value)) || compareKeys(a.key, b.key),
    );
  }
}

/** Keys are equal when their texts are; the type letter keeps 1 and "1" apart. */
const textOf = (key: readonly Value[]): string =>
  JSON.stringify(key, (_, v: unknown) => (typeof v === 'bigint' ? `n${v}` : typeof v === 'string' ? `s${v}` : v));

const orderOf = (value: Value | Aggregate): Value => (isAggregate(value) ? value.order : value);

function compare(a: Value, b: Value): number {
  if (typeof a === 'object' && typeof b === 'object') return compareKeys(a, b);
  return a < b ? -1 : a > b ? 1 : 0;
}

function compareKeys(a: readonly Value[], b: readonly Value[]): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const order = compare(a[i]!, b[i]!);
    if (order !== 0) return order;
  }
  return a.length - b.length;
}
