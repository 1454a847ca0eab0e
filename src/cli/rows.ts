import { UsageError } from './exit.ts';

/** How rows are written. */
export type RowFormat = 'text' | 'json' | 'csv';

/** @throws UsageError when two formats are asked for */
export function rowFormat({ json, csv }: { readonly json?: boolean; readonly csv?: boolean }): RowFormat {
  if (json && csv) throw new UsageError('--json and --csv: expected one of them');
  return json ? 'json' : csv ? 'csv' : 'text';
}

type Value = number | bigint | string | null | Uint8Array;

/** Rows looked at before the widths of columns are chosen. */
const LOOKED_AT = 100;
const WIDEST = 60;

/** Writes rows as they come: JSON a line each, CSV with a head (RFC 4180), or columns for people. */
export class RowWriter {
  private readonly names: readonly string[];
  private readonly format: RowFormat;
  private readonly write: (text: string) => void;
  private waiting: (readonly Value[])[] | undefined = [];
  private widths: readonly number[] = [];

  constructor(names: readonly string[], format: RowFormat, write: (text: string) => void) {
    this.names = names;
    this.format = format;
    this.write = write;
    if (format === 'csv') write(`${names.map(csvCell).join(',')}\r\n`);
  }

  row(values: readonly Value[]): void {
    if (this.format === 'json')
      this.write(`${JSON.stringify(Object.fromEntries(this.names.map((name, i) => [name, jsonValue(values[i])])))}\n`);
    else if (this.format === 'csv')
      this.write(`${values.map((value) => (value === null ? '' : csvCell(plain(value)))).join(',')}\r\n`);
    else if (this.waiting !== undefined) {
      this.waiting.push(values);
      if (this.waiting.length >= LOOKED_AT) this.end();
    } else this.line(values.map(shown), values);
  }

  /** What waits to be written, is. */
  end(): void {
    const { waiting, names } = this;
    this.waiting = undefined;
    if (waiting === undefined || this.format !== 'text') return;
    const texts = waiting.map((values) => values.map(shown));
    this.widths = names.map((name, i) =>
      Math.min(WIDEST, Math.max(name.length, ...texts.map((cells) => cells[i].length))),
    );
    this.line(names, waiting[0] ?? names);
    for (const [i, cells] of texts.entries()) this.line(cells, waiting[i]);
  }

  private line(cells: readonly string[], values: readonly Value[]): void {
    const last = cells.length - 1;
    const text = cells.map((cell, i) => {
      const number = typeof values[i] === 'number' || typeof values[i] === 'bigint';
      return number ? cell.padStart(this.widths[i]) : i === last ? cell : cell.padEnd(this.widths[i]);
    });
    this.write(`${text.join('  ').trimEnd()}\n`);
  }
}

const hex = (bytes: Uint8Array): string => [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
const plain = (value: Exclude<Value, null>): string => (value instanceof Uint8Array ? hex(value) : String(value));

function shown(value: Value): string {
  if (value === null) return '-';
  if (typeof value === 'number' && !Number.isInteger(value)) return value.toFixed(6);
  return plain(value).replace(/[\n\r\t]/g, ' ');
}

const jsonValue = (value: Value): number | string | null =>
  typeof value === 'bigint' || value instanceof Uint8Array ? plain(value) : value;

const csvCell = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
