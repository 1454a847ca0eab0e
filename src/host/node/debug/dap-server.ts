import { type AddressInfo, createServer } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import { DapSession } from '../../../debug/dap/session.ts';
import type { GuestInfo } from '../../../debug/guest-info.ts';
import { Monitor } from '../../../debug/monitor/monitor.ts';
import type { DebugTarget } from '../../../debug/target.ts';

/** Serves one DAP client on a pair of streams. Resolves when it is done. */
export async function serveDap(
  target: DebugTarget,
  guestInfo: GuestInfo,
  input: Readable,
  output: Writable,
  monitor = new Monitor(target, guestInfo),
): Promise<void> {
  await monitor.exclusively(() => target.hold());
  await new Promise<void>((resolve) => {
    const session = new DapSession(target, {
      monitor,
      send: (bytes) => {
        if (output.writable) output.write(bytes);
      },
      close: () => {
        output.end();
        resolve();
      },
    });
    input.on('data', (bytes: Uint8Array) => session.push(bytes));
    const over = (): void => void session.end().then(resolve);
    input.on('end', over);
    input.on('close', over);
    input.on('error', over);
    output.on('error', over);
  });
  target.release();
}

/** Serves DAP clients on a TCP port, one at a time; `port` 0 takes a free one. Loopback by default. */
export async function startDapServer(
  target: DebugTarget,
  guestInfo: GuestInfo,
  options: { readonly port: number; readonly host?: string; readonly monitor?: Monitor },
): Promise<{ readonly port: number; close(): Promise<void> }> {
  let busy: Promise<void> = Promise.resolve();
  const open = new Set<{ destroy(): void }>();
  const server = createServer((socket) => {
    open.add(socket);
    socket.pause();
    socket.on('error', () => undefined);
    socket.on('close', () => open.delete(socket));
    busy = busy.then(async () => {
      if (socket.destroyed) return;
      const done = serveDap(target, guestInfo, socket, socket, options.monitor);
      socket.resume();
      await done;
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host ?? '127.0.0.1', () => {
      server.off('error', reject);
      resolve();
    });
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        for (const s of open) s.destroy();
        server.close(() => resolve());
      }),
  };
}
