/** A value of SQLite in JavaScript. */
export type SqlValue = string | number | bigint | null | Uint8Array | Int8Array | ArrayBuffer;

/** An address in SQLite's memory. */
export type WasmPointer = number;

/** A prepared statement. */
export interface SqlStatement {
  readonly pointer?: WasmPointer;
  getColumnNames(): string[];
  step(): boolean;
  get(into: SqlValue[]): SqlValue[];
  finalize(): void;
}

/** A database. */
export interface SqliteDatabase {
  prepare(sql: string): SqlStatement;
  close(): void;
}

/** The members of a C structure, by `$name`. */
interface IndexInfo {
  readonly $nConstraint: number;
  $idxNum: number;
  $estimatedCost: number;
  nthConstraint(n: number): { readonly $iColumn: number; readonly $op: number; readonly $usable: number };
  nthConstraintUsage(n: number): { $argvIndex: number };
  dispose(): void;
}

/** Structures that SQLite extends: made for a pointer to where theirs goes. */
interface Extended {
  create(ppOut: WasmPointer): { readonly pointer: WasmPointer };
  dispose(pointer: WasmPointer): void;
}

/** Methods of a virtual table (https://www.sqlite.org/vtab.html), as far as tables that are only read have them. */
interface VirtualTableMethods {
  xConnect(db: WasmPointer, aux: WasmPointer, argc: number, argv: WasmPointer, ppVtab: WasmPointer): number;
  xDisconnect(table: WasmPointer): number;
  xBestIndex(table: WasmPointer, info: WasmPointer): number;
  xOpen(table: WasmPointer, ppCursor: WasmPointer): number;
  xClose(cursor: WasmPointer): number;
  xFilter(cursor: WasmPointer, plan: number, text: WasmPointer, argc: number, argv: WasmPointer): number;
  xNext(cursor: WasmPointer): number;
  xEof(cursor: WasmPointer): number;
  xColumn(cursor: WasmPointer, context: WasmPointer, column: number): number;
  xRowid(cursor: WasmPointer, ppRowid: WasmPointer): number;
}

/**
 * What is used of @sqlite.org/sqlite-wasm. Its own types do not describe how virtual tables are made (https://sqlite.org/wasm/doc/trunk/vtab.md), and need
 * those of browsers.
 */
export interface VirtualTableApi {
  readonly oo1: { readonly DB: new (name: string) => SqliteDatabase };
  readonly config: object;
  readonly vtab: {
    setupModule(options: { readonly catchExceptions: boolean; readonly methods: VirtualTableMethods }): WasmPointer;
    xIndexInfo(pointer: WasmPointer): IndexInfo;
    xRowid(ppRowid: WasmPointer, value: number): void;
    readonly xVtab: Extended;
    readonly xCursor: Extended;
  };
  readonly capi: {
    readonly SQLITE_INTERRUPT: number;
    sqlite3_sql(statement: WasmPointer): string;
    sqlite3_declare_vtab(db: WasmPointer, sql: string): number;
    sqlite3_create_module(db: object, name: string, module: WasmPointer, aux: number): number;
    sqlite3_values_to_js(argc: number, argv: WasmPointer): SqlValue[];
    sqlite3_result_js(context: WasmPointer, value: SqlValue): void;
    sqlite3_result_double(context: WasmPointer, value: number): void;
  };
}
