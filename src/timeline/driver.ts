import type { Engine } from '../machine/engine/engine.ts';
import type { Limit, Stop } from '../machine/engine/stop.ts';
import type { HostEvent, Instant } from '../record/door.ts';

/** What any move takes. */
export interface MoveOptions {
  /**
   * Ends the move: where it is (seeks, steps and searches forward), or back where it began (steps and searches backward). It is looked at
   * every few milliseconds.
   */
  readonly signal?: AbortSignal;
  /** Called now and then with the part that is done, 0 to 1. */
  readonly onProgress?: (done: number) => void;
}

/** A move was ended by its signal. Moves of the mover report this as a result; it is thrown only between them and the driver. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
}

/**
 * Whoever drives an engine through time: the past of a recording, a machine that lives, or a branch. The mover is made of nothing but these.
 */
export interface EngineDriver {
  readonly engine: Engine;
  /** The first instant that can be reached. */
  readonly begin: Instant;
  /** The last instant that was reached: a recording's end, a live machine's present. */
  readonly reached: Instant;
  /** Whether time goes on after {@link reached}: false for a recording, and for a machine whose guest has powered off. */
  readonly endless: boolean;
  /** Nothing that follows is given: inputs may enter where the machine is. */
  readonly live: boolean;
  /** What entered, from the beginning. */
  readonly events: readonly HostEvent[];
  /** Instants that are quick to go to, in order of time; `bytes` is what keeping each costs by itself. */
  checkpoints(): readonly { readonly at: Instant; readonly bytes: number }[];
  /** Whether it is known that none of these pages of RAM was written between two instants of {@link checkpoints}. */
  untouched?(from: Instant, to: Instant, pages: readonly number[]): boolean;
  /**
   * Puts the engine at an instant between {@link begin} and {@link reached}, none of its debug points set.
   * @throws Interrupted when the signal ended it, the engine at an instant on the way
   */
  seek(to: Instant, options?: MoveOptions): Promise<void>;
  /**
   * {@link Engine.run}, waiting for data that is late. May come back before the limit with `limit`, to be called again. A promise only where
   * something must be waited for: stops at debug points are many.
   */
  run(limit: Limit, signal?: AbortSignal): Stop | Promise<Stop>;
  /**
   * Makes a move while nobody else makes one.
   * @throws SessionBusyError (as a rejection) naming what is under way
   */
  exclusively<T>(move: () => Promise<T>): Promise<T>;
  /** Lets the host do other things, unless it did so within the last milliseconds. */
  pause(): Promise<void>;
}
