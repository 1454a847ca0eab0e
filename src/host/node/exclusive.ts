import { createHash } from 'node:crypto';
import { connect, createServer, type Server } from 'node:net';

/**
 * Runs `work` while no other process does something under the same key. The lock is a socket of the kernel's abstract namespace (unix(7)), so it
 * goes away with its holder, however that ends.
 * @param waiting called when another process holds it
 */
export async function exclusively<T>(
  key: string,
  work: () => Promise<T>,
  waiting: () => void = () => undefined,
  signal?: AbortSignal,
): Promise<T> {
  const name = `\0hindsight-${createHash('sha256').update(key).digest('hex').slice(0, 24)}`;
  let server: Server | undefined;
  while ((server = await listen(name)) === undefined) {
    signal?.throwIfAborted();
    waiting();
    await untilClosed(name, signal);
  }
  try {
    return await work();
  } finally {
    server.close();
    server.emit('release');
  }
}

/** Listens on an abstract socket; undefined when someone else does. Everyone who connects learns of the end by the connection's. */
function listen(name: string): Promise<Server | undefined> {
  return new Promise((done, fail) => {
    const server = createServer((socket) => {
      socket.on('error', () => socket.destroy());
      server.once('release', () => socket.destroy());
    });
    server.setMaxListeners(0);
    server.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' ? done(undefined) : fail(error),
    );
    server.listen(name, () => done(server));
  });
}

function untilClosed(name: string, signal?: AbortSignal): Promise<void> {
  return new Promise((done) => {
    const socket = connect(name);
    const stop = (): void => {
      socket.destroy();
    };
    signal?.addEventListener('abort', stop, { once: true });
    socket
      .on('error', () => undefined)
      .on('close', () => {
        signal?.removeEventListener('abort', stop);
        done();
      })
      .resume();
  });
}
