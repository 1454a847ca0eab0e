import type { Engine } from '../machine/engine/engine.ts';
import type { Hold, Session } from '../machine/session/session.ts';
import type { HostEvent, Instant } from '../record/door.ts';
import type { NotedInstant } from '../record/format.ts';

/** What a debugger's driver is to a session, whether that is live or a recording's. */
export abstract class SessionDriver {
  readonly engine: Engine;
  protected readonly session: Session;
  /** Of the move that is under way. */
  protected moving: Hold | undefined;

  constructor(session: Session) {
    this.session = session;
    this.engine = session.engine;
  }

  get live(): boolean {
    return this.session.state !== 'past';
  }

  get marks(): readonly NotedInstant[] {
    return this.session.marks;
  }

  get reached(): Instant {
    return this.session.end;
  }

  get events(): readonly HostEvent[] {
    return this.session.log.events;
  }

  /** As `EngineDriver.exclusively`: of the session, so that nobody else who has it moves it meanwhile. */
  exclusively<T>(move: () => Promise<T>): Promise<T> {
    return this.session.exclusively('move', async (hold) => {
      this.moving = hold;
      try {
        return await move();
      } finally {
        this.moving = undefined;
      }
    });
  }
}
