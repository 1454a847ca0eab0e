import type sqlite3InitModule from '@sqlite.org/sqlite-wasm';

/** SQLite, loaded when it is asked for: the command line is a CommonJS file, which cannot require a module. */
export const loadSqlite = async (): ReturnType<typeof sqlite3InitModule> =>
  (await import('@sqlite.org/sqlite-wasm')).default();
