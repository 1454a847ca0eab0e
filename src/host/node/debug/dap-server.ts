import { type AddressInfo, createServer, type Socket } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import { encodeMessage } from '../../../debug/dap/framing.ts';
import { DapSession } from '../../../debug/dap/session.ts';
import type { GuestInfo } from '../../../debug/guest-info.ts';
import { Monitor } from '../../../debug/monitor/monitor.ts';
import type { DebugTarget } from '../../../debug/target.ts';
import { OneClient } from './one-client.ts';

/** Serves one DAP client on a pair of streams. Resolves when it is done. */
export async function serveDap(
  target: DebugTarget,
  guestInfo: GuestInfo,
  input: Readable,
  output: Writable,
  monitor = new Monitor(target, guestInfo),
  autoBranch = false,
): Promise<void> {
  // The client is answered before the machine has stopped.
  const held = monitor.exclusively(() => target.hold());
  await new Promise<void>((resolve) => {
    const session = new DapSession(target, {
      monitor,
      autoBranch,
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
  await held;
  target.release();
}

/** Serves DAP clients on a TCP port, one at a time; `port` 0 takes a free one. Loopback by default. */
export async function startDapServer(
  target: DebugTarget,
  guestInfo: GuestInfo,
  options: { readonly port: number; readonly host?: string; readonly monitor?: Monitor; readonly autoBranch?: boolean },
): Promise<{ readonly port: number; close(): Promise<void> }> {
  const clients = new OneClient();
  const server = createServer((socket) =>
    clients.take(socket, (s) => serveDap(target, guestInfo, s, s, options.monitor, options.autoBranch), refuse),
  );
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
        clients.closeAll();
        server.close(() => resolve());
      }),
  };
}

function refuse(socket: Socket): void {
  const message = 'another client is connected; it must disconnect first';
  socket.end(
    encodeMessage({
      seq: 1,
      type: 'response',
      request_seq: 1,
      command: 'initialize',
      success: false,
      message,
      body: { error: { id: 1, format: message, showUser: true } },
    }),
  );
}
