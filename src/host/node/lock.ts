import { createHash } from 'node:crypto';
import { createServer, type Server } from 'node:net';

/** A name that one process at a time holds. */
export interface Lock {
  release(): void;
}

/**
 * Takes a name for this process: a socket of the kernel's abstract namespace (unix(7)), so that it goes away with its holder, however that ends.
 * @returns undefined when another process, or somebody else in this one, holds it
 */
export async function takeLock(kind: string, name: string): Promise<Lock | undefined> {
  const address = `\0hindsight-${kind}-${createHash('sha256').update(name).digest('hex').slice(0, 24)}`;
  const server = await new Promise<Server | undefined>((done, fail) => {
    const listening = createServer((socket) => socket.destroy());
    listening.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' ? done(undefined) : fail(error),
    );
    listening.listen(address, () => done(listening));
  });
  if (server === undefined) return undefined;
  // It keeps no process alive that has nothing else to do.
  server.unref();
  return { release: () => void server.close() };
}
