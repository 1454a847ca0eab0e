import { HistoryDatabase, QueryError } from '../../history/sql.ts';
import { TABLES } from '../../history/tables/index.ts';
import { EXIT, UsageError } from '../exit.ts';
import { explained, interruptSignal, openRecording, type RecordingFlags } from '../recordings.ts';
import { RowWriter, rowFormat } from '../rows.ts';
import { loadSqlite } from '../sqlite.ts';
import { findKernel } from './history.ts';

/** Flags of `hindsight query`. */
export interface QueryFlags extends RecordingFlags {
  readonly json?: boolean;
  readonly csv?: boolean;
}

/** `hindsight query REC SQL`: one statement over the histories of a recording. */
export async function query(file: string, sql: string, flags: QueryFlags): Promise<number> {
  const format = rowFormat(flags);
  const { timeline } = await openRecording(file, flags);
  const signal = interruptSignal();
  const kernel = await findKernel(timeline, file, signal);
  const database = new HistoryDatabase(await loadSqlite(), timeline, kernel, TABLES);
  try {
    const { columns, rows, partial } = await explained(timeline, database.query(sql, { signal }));
    const writer = new RowWriter(columns, format, (text) => void process.stdout.write(text));
    for (const row of rows) writer.row(row.map((value) => toBytes(value)));
    writer.end();
    if (!partial) return EXIT.OK;
    process.stderr.write(
      `hindsight: interrupted at ${timeline.at.instructions} instructions: the answer is of what came before\n`,
    );
    return EXIT.INTERRUPT;
  } catch (error) {
    if (error instanceof QueryError)
      throw new UsageError(`${error.message}; hindsight history REC lists tables and columns`);
    throw error;
  } finally {
    database.close();
  }
}

type Value = Parameters<RowWriter['row']>[0][number];

/** Values of SQLite as rows are written. */
const toBytes = (value: unknown): Value =>
  value instanceof ArrayBuffer || value instanceof Int8Array
    ? new Uint8Array(value instanceof ArrayBuffer ? value : value.buffer)
    : (value as Value);
