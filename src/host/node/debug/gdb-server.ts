import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { findProcess } from '../../../debug/find-process.ts';
import { encodePacket, latin1, PacketReader } from '../../../debug/gdb/packets.ts';
import { GdbSession } from '../../../debug/gdb/session.ts';
import type { GuestInfo } from '../../../debug/guest-info.ts';
import { ClientSettings, Monitor } from '../../../debug/monitor/monitor.ts';
import { DebugError, type DebugTarget } from '../../../debug/target.ts';
import { OneClient } from './one-client.ts';

export interface GdbServerOptions {
  /** TCP port; 0 takes a free one. */
  readonly port: number;
  /** Address to listen at; loopback by default: a client can read the whole guest. */
  readonly host?: string;
  /** Writes to the past branch by themselves. */
  readonly autoBranch?: boolean;
  /** Answers `monitor`; its own unless given. */
  readonly monitor?: Monitor;
  /** The process that gdb debugs, by number or name; the whole machine if not given. */
  readonly process?: string;
  /** Told of connections, for a status line. */
  readonly log?: (line: string) => void;
}

/** Bytes that may wait for a client that does not read; beyond it the connection is given up. */
const MAX_BACKLOG = 64 << 20;

/** What Ctrl-C in gdb sends. */
const INTERRUPT = 3;
/** Milliseconds between signs of life while gdb waits for its first answer: it gives up after two seconds without. */
const PATIENCE = 500;

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
  const waiting: (() => void)[] = [];
  const clients = new OneClient();

  const serve = async (socket: Socket): Promise<void> => {
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 10_000);
    const closed = new Promise<void>((resolve) => socket.once('close', resolve));
    const { opening } = monitor;
    const early: Uint8Array[] = [];
    const hear = (bytes: Uint8Array): void => {
      early.push(bytes);
      if (bytes.includes(INTERRUPT)) opening?.interrupt();
    };
    socket.on('data', hear);
    if (opening?.underWay) log('gdb waits until the replay has come to the end');
    // An acknowledgement too many is passed over, and shows gdb that somebody is there.
    const patience = setInterval(() => socket.write(latin1('+')), PATIENCE);
    socket.once('close', () => clearInterval(patience));
    await monitor.exclusively(() => target.hold());
    if (!socket.destroyed) {
      log(`gdb connected from ${socket.remoteAddress}:${socket.remotePort}`);
      const { process } = options;
      const settings = new ClientSettings();
      if (process !== undefined)
        await monitor
          .exclusively(async () => settings.attach(target, guestInfo, await findProcess(target, guestInfo, process)))
          .catch((e: unknown) => {
            if (!(e instanceof DebugError)) throw e;
            log(`${e.message}: gdb gets the whole machine`);
          });
      const session = new GdbSession(target, {
        monitor,
        settings,
        autoBranch: options.autoBranch,
        send: (bytes) => {
          if (socket.writableLength > MAX_BACKLOG) socket.destroy();
          else if (!socket.destroyed) socket.write(bytes);
        },
        close: () => socket.end(),
      });
      clearInterval(patience);
      socket.off('data', hear);
      for (const bytes of early) session.push(bytes);
      socket.on('data', (bytes) => session.push(bytes));
      await closed;
      await session.end();
      log('gdb disconnected');
    }
    target.release();
    for (const resolve of waiting.splice(0)) resolve();
  };

  const server: Server = createServer((socket) => clients.take(socket, serve, refuse));
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
        clients.closeAll();
        server.close(() => resolve());
      }),
  };
}

const REFUSAL = 'E.another debugger is connected; it must disconnect first';
/** Packets that are answered by the refusal: gdb shows it as a warning, then as the error that ends its attempt. */
const ANSWERS = 2;

function refuse(socket: Socket): void {
  const reader = new PacketReader();
  let answers = 0;
  socket.on('data', (bytes) => {
    for (const { kind } of reader.push(bytes)) {
      if (kind !== 'packet' || socket.writableEnded) continue;
      socket.write(latin1('+'));
      socket.write(encodePacket(REFUSAL));
      if (++answers === ANSWERS) socket.end();
    }
  });
}
