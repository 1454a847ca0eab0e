import { SESSION_PORT } from '../guest/init-script.ts';
import type { Machine } from '../machine/session/machine.ts';
import { SessionEndedError } from '../sandbox/errors.ts';
import type { GuestFiles } from '../sandbox/files.ts';
import { GuestSession } from '../sandbox/guest-session.ts';
import { createHostRoom } from './room.ts';

/** Milliseconds that the guest may take to answer, unless said otherwise. */
const PATIENCE = 20_000;

/** The way into a guest besides its terminal: files, by the agent of the session channel. */
export class GuestLink {
  private readonly machine: Machine;
  private readonly patience: number;
  private readonly room = createHostRoom();
  private readonly endings = new Set<(reason: Error) => void>();
  private session: Promise<GuestSession> | undefined;

  /** @param patience milliseconds that the guest may take to answer */
  constructor(machine: Machine, patience: number = PATIENCE) {
    this.machine = machine;
    this.patience = patience;
  }

  /**
   * Attaches to the guest's agent, once more where the machine goes on from another instant than it was left at, and gives the guest new randomness
   * and the right time: it may have a twin. The machine must run.
   */
  attach(): void {
    this.end(new SessionEndedError('the machine went on from another instant'));
    const session = GuestSession.attach(
      {
        send: (bytes) => void this.machine.send(SESSION_PORT, bytes).catch((error: Error) => this.end(error)),
        onReceive: (listener) =>
          this.machine.on('output', ({ port, bytes }) => {
            if (port === SESSION_PORT) listener(bytes);
          }),
        onEnd: (listener) => {
          this.endings.add(listener);
          return () => void this.endings.delete(listener);
        },
        entropy: (length) => this.room.entropy(length),
        clock: () => this.room.wallClock(),
        after: (milliseconds, act) => this.room.after(milliseconds, act),
      },
      true,
    );
    const cancel = this.room.after(this.patience, () => this.end(new SessionEndedError('the guest does not answer')));
    // Whoever wants files hears of it.
    session.catch(() => undefined).finally(cancel);
    this.session = session;
  }

  /** Files of the guest. @throws SessionEndedError when its agent does not answer */
  async files(): Promise<GuestFiles> {
    if (this.session === undefined || !this.machine.ports.includes(SESSION_PORT))
      throw new SessionEndedError('this guest has no agent: files go in and out of guests that this page started');
    return (await this.session).files;
  }

  end(reason: Error): void {
    for (const listener of [...this.endings]) listener(reason);
    this.session = undefined;
  }
}
