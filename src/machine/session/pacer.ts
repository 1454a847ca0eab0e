import { timeWarp } from '../../record/inputs.ts';
import type { HostRoom } from './host-room.ts';
import type { Session } from './session.ts';

const TICKS_PER_MILLISECOND = 1e6;
/** Milliseconds that guest time may lag behind the wall clock before it is moved on when there is nothing else to do. */
const LAG = 100;

/**
 * Keeps guest time with the wall clock while the machine idles. Waiting changes no state; where guest time must move on by itself
 * (input came early in a wait, or the guest was slower than the clock) it is a warp, an event like any other (contract 3).
 */
export class Pacer {
  private readonly session: Session;
  private readonly room: HostRoom;
  /** Wall clock at guest time 0, in milliseconds. */
  private origin = 0;

  constructor(session: Session, room: HostRoom) {
    this.session = session;
    this.room = room;
  }

  /** A run begins: guest time and the wall clock agree now. */
  start(): void {
    this.origin = this.room.now() - this.session.engine.time / TICKS_PER_MILLISECOND;
  }

  /** Milliseconds until the wall clock reaches guest time `until`. */
  waitFor(until: number): number {
    return this.origin + until / TICKS_PER_MILLISECOND - this.room.now();
  }

  /**
   * The wait is over, by time or by input. Guest time is moved to the wall clock where it lags too far behind `until`, or where input came
   * before.
   * @returns whether `until` has come, so that idle time is skipped as always: that is no event
   */
  catchUp(until: number): boolean {
    const { time } = this.session.engine;
    const lag = Math.floor((this.room.now() - this.origin) * TICKS_PER_MILLISECOND) - time;
    const reach = until - time;
    if (lag >= reach && lag - reach <= LAG * TICKS_PER_MILLISECOND) return true;
    if (lag > 0) this.session.inputs.command(timeWarp(lag));
    return false;
  }
}
