/** Why {@link Engine.run} came back. */
export const STOP = {
  /** The limit was reached. */
  LIMIT: 'limit',
  /** A debug point was met; see {@link Engine.debugHit}. */
  DEBUG: 'debug',
  /** The guest powered off or failed; see {@link Engine.halt}. */
  HALT: 'halt',
  /** All harts wait: for the next deadline ({@link Engine.idleUntil}), or for input if there is none. */
  IDLE: 'idle',
  /** Data of the host's is late; wait for {@link Engine.late}. */
  LATE: 'late',
  /** {@link Engine.leave} was called. */
  LEFT: 'left',
} as const;
export type Stop = (typeof STOP)[keyof typeof STOP];

/** How far to run. Where it stops never changes what happens. */
export interface Limit {
  /** Stop at this instant; `Infinity` for none. */
  readonly instructions: number;
  /** With `instructions`: how many boundary steps to make there; 0 if not given. */
  readonly sequence?: number;
  /** Stop as soon as guest time is this many ticks, and before skipping beyond it. */
  readonly time?: number;
  /** Come back when idle instead of skipping to the next deadline. */
  readonly stopWhenIdle?: boolean;
  /** As {@link stopWhenIdle}, but only when this says so then: something is awaited from outside. */
  readonly awaits?: () => boolean;
  /** As {@link stopWhenIdle}, but only while a device awaits an answer of the host's (contract 11). */
  readonly stopWhenAwaiting?: boolean;
}
