import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { GdbSession } from '../../../debug/gdb/session.ts';
import type { GuestInfo } from '../../../debug/guest-info.ts';
import { Monitor } from '../../../debug/monitor/monitor.ts';
import type { DebugTarget } from '../../../debug/target.ts';

export interface GdbServerOptions {
  /** TCP port; 0 takes a free one. */
  readonly port: number;
  /** Address to listen at; loopback by default: whoever connects can read the whole guest. */
  readonly host?: string;
  /** Writes to the past branch by themselves. */
  readonly autoBranch?: boolean;
  /** Answers `monitor`; its own unless given. */
  readonly monitor?: Monitor;
  /** Told of connections, for a status line. */
  readonly log?: (line: string) => void;
}

/** Bytes that may wait for a client that does not read; beyond it the connection is given up. */
const MAX_BACKLOG = 64 << 20;

/** A gdb server on a TCP port: one debugger at a time, any number in turn. */
export interface GdbServer {
  readonly host: string;
  readonly port: number;
  /** Resolves when a debugger has disconnected. */
  nextDisconnect(): Promise<void>;
  close(): Promise<void>;
}

/** Listens for debuggers. @throws when the port cannot be had */
export async function startGdbServer(
  target: DebugTarget,
  guestInfo: GuestInfo,
  options: GdbServerOptions,
): Promise<GdbServer> {
  const host = options.host ?? '127.0.0.1';
  const log = options.log ?? ((): void => undefined);
  const monitor = options.monitor ?? new Monitor(target, guestInfo);
  const sockets = new Set<Socket>();
  const waiting: (() => void)[] = [];
  let busy: Promise<void> = Promise.resolve();

  /** Sessions follow each other: the next one begins when the last one's moves have ended. */
  const serve = (socket: Socket): void => {
    sockets.add(socket);
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 10_000);
    const early: Uint8Array[] = [];
    let session: GdbSession | undefined;
    let gone = false;
    let over: () => void = () => undefined;
    const before = busy;
    busy = new Promise((resolve) => {
      over = resolve;
    });
    socket.on('data', (bytes) => {
      if (session) session.push(bytes);
      else if (early.length < 64) early.push(bytes);
      else socket.destroy();
    });
    // Errors end in 'close': a client that vanished.
    socket.on('error', () => undefined);
    socket.on('close', () => {
      gone = true;
      sockets.delete(socket);
      void (session?.end() ?? Promise.resolve()).finally(() => {
        if (session) {
          target.release();
          over();
          log('gdb disconnected');
          for (const tell of waiting.splice(0)) tell();
        }
      });
    });
    void before.then(async () => {
      const held = !gone;
      if (held) await monitor.exclusively(() => target.hold());
      if (gone) {
        if (held) target.release();
        over();
        return;
      }
      log(`gdb connected from ${socket.remoteAddress}:${socket.remotePort}`);
      session = new GdbSession(target, {
        monitor,
        autoBranch: options.autoBranch,
        send: (bytes) => {
          if (socket.writableLength > MAX_BACKLOG) socket.destroy();
          else if (!socket.destroyed) socket.write(bytes);
        },
        close: () => socket.end(),
      });
      for (const bytes of early) session.push(bytes);
    });
  };

  const server: Server = createServer(serve);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
  return {
    host,
    port: (server.address() as AddressInfo).port,
    nextDisconnect: () => new Promise((resolve) => waiting.push(resolve)),
    close: () =>
      new Promise((resolve) => {
        for (const s of sockets) s.destroy();
        server.close(() => resolve());
      }),
  };
}
