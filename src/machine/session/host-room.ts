/**
 * What the rooms inside may ask of the host they run on: the only way to clocks, randomness and the event loop. None of it may
 * reach guest-visible state except through the door (contract 2).
 */
export interface HostRoom {
  /** Monotonic time in milliseconds, for pacing and slicing. */
  now(): number;
  /** Wall-clock time in nanoseconds since 1970. */
  wallClock(): bigint;
  /** Random bytes, fit for keys. */
  entropy(length: number): Uint8Array;
  /** SHA-256 of `bytes`: 32 bytes. */
  sha256(bytes: Uint8Array): Promise<Uint8Array>;
  /** Lets the host's other tasks (input, timers, painting) run before it resolves. */
  yieldToHost(): Promise<void>;
  /** Calls `wake` after `milliseconds`, once. @returns what takes it back */
  after(milliseconds: number, wake: () => void): () => void;
}
