/** Debuggers over TCP and standard streams, and the symbol files they read. */
export { startGdbServer, type GdbServer, type GdbServerOptions } from './gdb-server.ts';
export { serveDap, startDapServer } from './dap-server.ts';
export { loadSymbolFile } from './symbol-file.ts';
export { parsePlace, serveDebuggers, type Place, type ServeOptions } from './serve.ts';
