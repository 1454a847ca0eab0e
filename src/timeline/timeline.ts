import type { Engine } from '../machine/engine/engine.ts';
import type { HostRoom } from '../machine/session/host-room.ts';
import type { Session } from '../machine/session/session.ts';
import { stateHash } from '../machine/state/state-hash.ts';
import { formatInstant } from '../record/divergence.ts';
import { compareInstants, type HostEvent } from '../record/door.ts';
import type { EventLog } from '../record/recorder.ts';
import type { Checkpoints } from './checkpoints.ts';
import type { MoveOptions } from './driver.ts';
import { type Destination, type MoveResult, Mover } from './mover.ts';
import { Past, type TimelineOptions } from './past.ts';

const TICKS_PER_SECOND = 1e9;

/** A guest time, in seconds. */
export interface GuestTime {
  readonly guestTime: number;
}

/** A machine and its past: any instant of a recording can be gone to. */
export class Timeline extends Mover {
  protected readonly room: HostRoom;
  private readonly past: Past;

  /**
   * @param session moved only while it is in the past; at its beginning, or wherever `checkpoints` say
   * @param checkpoints those taken while it ran, for a live machine's timeline
   */
  constructor(session: Session, room: HostRoom, options: TimelineOptions = {}, checkpoints?: Checkpoints) {
    const past = new Past(session, room, options, checkpoints);
    super(past);
    this.past = past;
    this.room = room;
  }

  /** Who drives the machine; see {@link Session}. */
  get session(): Session {
    return this.past.session;
  }

  /** What was recorded. */
  get log(): EventLog {
    return this.session.log;
  }

  /** The machine where the timeline is. Look at it, but move it only through the timeline. */
  get engine(): Engine {
    return this.past.engine;
  }

  /** What moves the machine, for a mover of one's own over the same past. */
  get drivenBy(): Past {
    return this.past;
  }

  get checkpoints(): Checkpoints {
    return this.past.stored;
  }

  /** Guest time in seconds. */
  get guestTime(): number {
    return this.engine.time / TICKS_PER_SECOND;
  }

  /** Guest time in seconds at the first instant. */
  get beginTime(): number {
    return this.checkpoints.all[0].time / TICKS_PER_SECOND;
  }

  /** What entered the machine. */
  get events(): readonly HostEvent[] {
    return this.log.events;
  }

  /** Index of the event that enters next; the number of events after the last. */
  get nextEvent(): number {
    return this.past.nextEvent;
  }

  /** Hash of the state here. */
  hash(): string {
    return stateHash(this.engine);
  }

  /**
   * Goes somewhere; what lies after the recording is its end.
   * @throws RangeError (as a rejection) for what lies before the snapshot that it starts from
   */
  override seek(to: Destination | GuestTime, options: MoveOptions = {}): Promise<MoveResult> {
    const before = this.beforeStart(to);
    if (before !== undefined) return Promise.reject(before);
    if (typeof to !== 'object' || !('guestTime' in to)) return super.seek(to, options);
    return this.move(async () => {
      await this.past.seekTime(Math.round(to.guestTime * TICKS_PER_SECOND), options);
      return 'there';
    });
  }

  /**
   * Replays all of it, or as far as is wanted, and compares the state hashes of the recording.
   * @returns how many were compared, until the signal ended it @throws DivergenceError at the first that differs
   */
  async verify(
    options: MoveOptions & { readonly until?: Destination; readonly onwards?: boolean } = {},
  ): Promise<number> {
    const end = this.locate(options.until ?? this.end);
    const from = options.onwards === true ? this.at : undefined;
    let compared = 0;
    await this.move(async () => {
      for (const { at, hash } of this.log.hashes) {
        if (compareInstants(at, end) > 0) break;
        if (from !== undefined && compareInstants(at, from) <= 0) continue;
        await this.past.seek(at, { signal: options.signal });
        const found = this.hash();
        if (found !== hash) throw this.engine.diverged(`state hash at ${formatInstant(at)}`, hash, found);
        compared++;
        options.onProgress?.(at.instructions / Math.max(1, end.instructions));
      }
      await this.past.seek(end, { signal: options.signal });
      return 'there';
    });
    return compared;
  }

  /** Why there is no going to a place, where that lies before the start: nothing is known of it. */
  private beforeStart(to: Destination | GuestTime): RangeError | undefined {
    const { start } = this.log.header;
    if (start === undefined || typeof to === 'string') return undefined;
    let asked: string | undefined;
    if (typeof to === 'number') asked = to < start.at.instructions ? `instant ${to}` : undefined;
    else if ('guestTime' in to)
      asked = Math.round(to.guestTime * TICKS_PER_SECOND) < start.time ? `${to.guestTime} s of guest time` : undefined;
    else if ('instructions' in to)
      asked = compareInstants(to, start.at) < 0 ? `instant ${formatInstant(to)}` : undefined;
    if (asked === undefined) return undefined;
    return new RangeError(
      `${asked} lies before the recording: it starts from the snapshot ${start.file} at instant ${formatInstant(start.at)}, ${(start.time / TICKS_PER_SECOND).toFixed(2)} s of guest time; 0% is its begin. What came before is in the recording that the snapshot was made of, if there is one`,
    );
  }

  /** Takes a checkpoint here. */
  mark(): void {
    this.past.mark();
  }
}
