import type { Socket } from 'node:net';

/** Milliseconds that a client which seems to be there still has to leave when the next one speaks up. */
const GRACE = 250;

/**
 * Who of those that connect is served: one client at a time. A connection that says nothing holds nobody up: it becomes a client by its first
 * bytes. One that speaks while another is served is refused.
 */
export class OneClient {
  private current: { readonly socket: Socket; readonly over: Promise<void> } | undefined;
  private readonly sockets = new Set<Socket>();

  /**
   * Takes a connection.
   * @param serve serves it until it is over; its data events come from then on
   * @param refuse answers it with a reason, and ends it
   */
  take(socket: Socket, serve: (socket: Socket) => Promise<void>, refuse: (socket: Socket) => void): void {
    this.sockets.add(socket);
    // Errors end in 'close': a client that vanished.
    socket.on('error', () => undefined);
    socket.on('close', () => this.sockets.delete(socket));
    socket.once('readable', () => void this.claim(socket, serve, refuse));
  }

  closeAll(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  private async claim(
    socket: Socket,
    serve: (socket: Socket) => Promise<void>,
    refuse: (socket: Socket) => void,
  ): Promise<void> {
    if (this.served) await new Promise((resolve) => setTimeout(resolve, GRACE));
    if (socket.destroyed) return;
    if (this.served) {
      refuse(socket);
      return;
    }
    // The last one's moves may still be ending.
    const before = this.current?.over;
    const over = (async (): Promise<void> => {
      await before;
      if (!socket.destroyed) await serve(socket);
    })();
    this.current = { socket, over };
    await over;
  }

  /** Whether there is a client that has not left. */
  private get served(): boolean {
    return this.current !== undefined && !this.current.socket.destroyed && !this.current.socket.readableEnded;
  }
}
