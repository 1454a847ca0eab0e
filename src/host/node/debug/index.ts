/** Debuggers over TCP and standard streams, and the symbol files they read. */

export { serveDap, startDapServer } from './dap-server.ts';
export { type GdbServer, type GdbServerOptions, startGdbServer } from './gdb-server.ts';
export { type Place, parsePlace, type ServeOptions, serveDebuggers } from './serve.ts';
export { loadSymbolFile } from './symbol-file.ts';
