/** Debuggers over TCP and standard streams, and the symbol files they read. */

export { startGdbServer } from './gdb-server.ts';
export { parseListenAddress, type ServeOptions, serveDebuggers } from './serve.ts';
