import { isAggregate } from './aggregates.ts';
import type { MapEntry, ScriptMap } from './maps.ts';
import type { Value } from './values.ts';

/** Where a script's output goes. */
export interface Output {
  /** As printf has it. */
  text(text: string): void;
  /** print() of a value. */
  value(value: Value): void;
  /** print() of a map, or its contents at the end. @param entries largest last */
  map(name: string, entries: readonly MapEntry[]): void;
}

/** Prints a map, or its largest entries. */
export function printMap(output: Output, map: ScriptMap, limit: number | undefined): void {
  const entries = map.sorted();
  output.map(map.name, limit === undefined ? entries : entries.slice(Math.max(0, entries.length - limit)));
}

const valueText = (value: Value): string => {
  if (typeof value === 'bigint') return String(value);
  return typeof value === 'string' ? value : `(${value.map(valueText).join(', ')})`;
};

/** Text for people. @param write takes it, with its line ends */
export function textOutput(write: (text: string) => void): Output {
  return {
    text: write,
    value: (value) => write(`${valueText(value)}\n`),
    map: (name, entries) => {
      for (const { key, value } of entries) {
        const head = key.length === 0 ? name : `${name}[${key.map(valueText).join(', ')}]`;
        const lines = isAggregate(value) ? value.lines() : [valueText(value)];
        if (lines.length === 1 && !lines[0]!.includes('|')) write(`${head}: ${lines[0]}\n`);
        else write(`${head}:\n${lines.join('\n')}\n\n`);
      }
    },
  };
}

const plain = (value: Value): unknown => {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  return typeof value === 'string' ? value : value.map(plain);
};

/** A JSON value a line. */
export function jsonOutput(write: (text: string) => void): Output {
  const line = (type: string, data: unknown): void => write(`${JSON.stringify({ type, data })}\n`);
  return {
    text: (text) => line('printf', text),
    value: (value) => line('value', plain(value)),
    map: (name, entries) =>
      line('map', {
        [name]: entries.map(({ key, value }) => ({
          key: key.map(plain),
          value: isAggregate(value) ? value.json() : plain(value),
        })),
      }),
  };
}
