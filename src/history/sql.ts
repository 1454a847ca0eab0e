import type { LinuxKernel } from '../linux/kernel.ts';
import type { MoveOptions } from '../timeline/driver.ts';
import type { Timeline } from '../timeline/timeline.ts';
import { readHistory } from './read.ts';
import type { HistoryRow, HistoryTable } from './table.ts';
import type { SqliteDatabase, SqlStatement, SqlValue, VirtualTableApi, WasmPointer } from './virtual-table-api.ts';

/** A query is wrong; the message is SQLite's, or says what is not there. */
export class QueryError extends Error {
  override readonly name = 'QueryError';
}

/** What a query gave. */
export interface QueryResult {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly SqlValue[])[];
  /** The signal ended the replay: the rows are those of what had been read. */
  readonly partial: boolean;
}

/** A part of a table: what has to be replayed for it. Bounds are inclusive, in the units of the columns. */
interface Part {
  readonly instant: readonly [from: number, to: number];
  readonly time: readonly [from: number, to: number];
  readonly pid: number | undefined;
}

const WHOLE: Part = { instant: [-Infinity, Infinity], time: [-Infinity, Infinity], pid: undefined };
/** Columns whose constraints save replaying. */
const BOUNDED = ['instant', 'time', 'pid'] as const;
/** Operators of SQLITE_INDEX_CONSTRAINT (https://www.sqlite.org/c3ref/c_index_constraint_eq.html). */
const EQ = 2;
const GT = 4;
const LE = 8;
const LT = 16;
const GE = 32;

const within = (inner: readonly [number, number], outer: readonly [number, number]): boolean =>
  outer[0] <= inner[0] && outer[1] >= inner[1];
const covers = (have: Part, want: Part): boolean =>
  within(want.instant, have.instant) &&
  within(want.time, have.time) &&
  (have.pid === undefined || have.pid === want.pid);

/** Several parts as one that has them all. */
function union(parts: readonly Part[]): Part {
  const span = (of: (part: Part) => readonly [number, number]): [number, number] => [
    Math.min(...parts.map((part) => of(part)[0])),
    Math.max(...parts.map((part) => of(part)[1])),
  ];
  const [{ pid }] = parts;
  return {
    instant: span(({ instant }) => instant),
    time: span(({ time }) => time),
    pid: parts.every((part) => part.pid === pid) ? pid : undefined,
  };
}

/** What SQLite's planner was told of a scan: the column and operator of each argument that xFilter gets. */
type Plan = readonly { readonly column: (typeof BOUNDED)[number]; readonly operator: number }[];

/** A table as SQLite sees it. */
interface VirtualTable {
  readonly table: HistoryTable;
  /** What was replayed, and its rows. */
  readonly read: { readonly part: Part; readonly rows: readonly HistoryRow[] }[];
}

interface Cursor {
  rows: readonly HistoryRow[];
  at: number;
}

/**
 * The histories of a recording as tables of a database. SQLite asks virtual tables at once, a replay takes its time: a query is begun, and where it
 * asks for rows that are not there it is ended, what its constraints leave is replayed, and it is begun again.
 */
export class HistoryDatabase {
  private readonly sqlite3: VirtualTableApi;
  private readonly timeline: Timeline;
  private readonly kernel: LinuxKernel;
  private readonly db: SqliteDatabase;
  private readonly plans: Plan[] = [];
  private missing: { readonly table: VirtualTable; readonly part: Part } | undefined;
  /** The signal has ended the replay: what is not there is empty. */
  private partial = false;

  /** @param library what the initialisation of @sqlite.org/sqlite-wasm gives */
  constructor(library: object, timeline: Timeline, kernel: LinuxKernel, tables: readonly HistoryTable[]) {
    const sqlite3 = library as VirtualTableApi;
    this.sqlite3 = sqlite3;
    this.timeline = timeline;
    this.kernel = kernel;
    this.db = new sqlite3.oo1.DB(':memory:');
    // Statements are ended as a matter of course.
    Object.assign(sqlite3.config, { warn: () => {} });
    for (const table of tables) this.register({ table, read: [] });
  }

  /**
   * Answers one statement. Moves the timeline. @param options `signal` ends the replay: the answer is then made of what had been read
   * @throws QueryError for a statement that SQLite refuses
   */
  async query(sql: string, options: MoveOptions = {}): Promise<QueryResult> {
    this.partial = false;
    const asked = new Map<VirtualTable, Part[]>();
    for (;;) {
      this.missing = undefined;
      const result = this.attempt(sql);
      const missing = this.lacks();
      if (missing === undefined) return { ...result!, partial: this.partial };
      const { table, part } = missing;
      // Every row of another table may ask for another part: the second time all that was asked is replayed as one, the third time all.
      const parts = [...(asked.get(table) ?? []), part];
      asked.set(table, parts);
      await this.replay(table, parts.length > 2 ? WHOLE : union(parts), options);
    }
  }

  /** What the last attempt asked for and did not find. */
  private lacks(): HistoryDatabase['missing'] {
    return this.missing;
  }

  close(): void {
    this.db.close();
  }

  private attempt(sql: string): Pick<QueryResult, 'columns' | 'rows'> | undefined {
    const { db } = this;
    let statement: SqlStatement | undefined;
    try {
      statement = db.prepare(sql);
      const first = this.sqlite3.capi.sqlite3_sql(statement.pointer!);
      if (
        sql
          .slice(first.length)
          .replace(/--.*|\/\*[\s\S]*?\*\//g, '')
          .trim() !== ''
      )
        throw new QueryError('expected one statement, found more after its end');
      const columns = statement.getColumnNames();
      const rows: SqlValue[][] = [];
      while (statement.step()) rows.push(statement.get([]));
      return { columns, rows };
    } catch (error) {
      if (this.missing !== undefined) return undefined;
      if (error instanceof QueryError) throw error;
      throw new QueryError((error as Error).message.replace(/^SQLITE_\w+: sqlite3 result code \d+: /, ''));
    } finally {
      statement?.finalize();
    }
  }

  private async replay({ table, read }: VirtualTable, part: Part, options: MoveOptions): Promise<void> {
    const { timeline, kernel } = this;
    const rows: HistoryRow[] = [];
    const [fromInstant, instructions] = part.instant;
    const [fromTime, time] = part.time;
    let from = timeline.begin;
    if (!table.fromBeginning) {
      if (fromInstant > from.instructions) from = timeline.locate(Math.ceil(fromInstant));
      if (fromTime > timeline.beginTime) {
        const { at } = await timeline.seek({ guestTime: fromTime }, options);
        if (at.instructions > from.instructions) from = at;
      }
    }
    const reason = await readHistory(timeline, kernel, [table], (_, row) => rows.push(row), {
      ...options,
      from,
      until: {
        // What begins with the last of them is wanted, too.
        ...(instructions < Infinity && { instructions: Math.floor(instructions) + 1 }),
        ...(time < Infinity && { time: Math.floor(time * 1e9) + 1 }),
      },
      ...(part.pid !== undefined && { pid: part.pid }),
    });
    if (reason === 'interrupted') this.partial = true;
    read.push({ part, rows });
  }

  private register(virtual: VirtualTable): void {
    const { capi, vtab } = this.sqlite3;
    const { table } = virtual;
    const declaration = table.columns.map(({ name, type }) => `"${name}" ${type}`).join(', ');
    const cursors = new Map<WasmPointer, Cursor>();
    const bounded = table.columns.map(({ name }) => BOUNDED.find((column) => column === name));
    // With no xCreate, a table that is there without being created (https://www.sqlite.org/vtab.html#eponymous_only_virtual_tables).
    const module = vtab.setupModule({
      catchExceptions: true,
      methods: {
        xConnect: (pDb, _aux, _argc, _argv, ppVtab) => {
          const rc = capi.sqlite3_declare_vtab(pDb, `create table x(${declaration})`);
          if (rc === 0) vtab.xVtab.create(ppVtab);
          return rc;
        },
        xDisconnect: (pVtab) => {
          vtab.xVtab.dispose(pVtab);
          return 0;
        },
        xBestIndex: (_pVtab, pIndexInfo) => {
          const info = vtab.xIndexInfo(pIndexInfo);
          const plan: Plan[number][] = [];
          for (let i = 0; i < info.$nConstraint; i++) {
            const { $iColumn, $op, $usable } = info.nthConstraint(i);
            const column = bounded[$iColumn];
            if (column === undefined || !$usable || ![EQ, GT, LE, LT, GE].includes($op)) continue;
            plan.push({ column, operator: $op });
            info.nthConstraintUsage(i).$argvIndex = plan.length;
          }
          this.plans.push(plan);
          info.$idxNum = this.plans.length - 1;
          info.$estimatedCost = 1e9 / 10 ** plan.length;
          info.dispose();
          return 0;
        },
        xOpen: (_pVtab, ppCursor) => {
          cursors.set(vtab.xCursor.create(ppCursor).pointer, { rows: [], at: 0 });
          return 0;
        },
        xClose: (pCursor) => {
          cursors.delete(pCursor);
          vtab.xCursor.dispose(pCursor);
          return 0;
        },
        xFilter: (pCursor, plan, _text, argc, argv) => {
          const part = partOf(this.plans[plan], capi.sqlite3_values_to_js(argc, argv));
          const found = virtual.read.find((have) => covers(have.part, part));
          if (found === undefined && !this.partial) {
            this.missing = { table: virtual, part };
            return capi.SQLITE_INTERRUPT;
          }
          const rows = found?.rows ?? virtual.read.at(-1)?.rows ?? [];
          Object.assign(cursors.get(pCursor)!, { rows, at: 0 });
          return 0;
        },
        xNext: (pCursor) => {
          cursors.get(pCursor)!.at++;
          return 0;
        },
        xEof: (pCursor) => {
          const { rows, at } = cursors.get(pCursor)!;
          return Number(at >= rows.length);
        },
        xColumn: (pCursor, pContext, column) => {
          const { rows, at } = cursors.get(pCursor)!;
          const cell = rows[at][column];
          // A whole number of seconds is a time all the same.
          if (typeof cell === 'number' && table.columns[column].type === 'real')
            capi.sqlite3_result_double(pContext, cell);
          else capi.sqlite3_result_js(pContext, cell);
          return 0;
        },
        xRowid: (pCursor, ppRowid) => {
          vtab.xRowid(ppRowid, cursors.get(pCursor)!.at);
          return 0;
        },
      },
    });
    capi.sqlite3_create_module(this.db, table.name, module, 0);
  }
}

/** What the constraints of a scan leave. A bound that is no number leaves all. */
function partOf(plan: Plan, values: readonly SqlValue[]): Part {
  const bounds = { instant: [-Infinity, Infinity], time: [-Infinity, Infinity], pid: [-Infinity, Infinity] };
  for (const [i, { column, operator }] of plan.entries()) {
    const raw = values[i];
    const value = typeof raw === 'bigint' ? Number(raw) : raw;
    if (typeof value !== 'number') continue;
    const bound = bounds[column];
    if (operator === EQ || operator === GT || operator === GE) bound[0] = Math.max(bound[0], value);
    if (operator === EQ || operator === LT || operator === LE) bound[1] = Math.min(bound[1], value);
  }
  const { instant, time, pid } = bounds;
  return {
    instant: [instant[0], instant[1]],
    time: [time[0], time[1]],
    pid: pid[0] === pid[1] ? pid[0] : undefined,
  };
}
