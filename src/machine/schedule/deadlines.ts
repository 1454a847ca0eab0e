/** Returned by {@link DeadlineQueue.takeDue} when nothing is due. */
export const NONE_DUE = -1;

/**
 * The deadlines of a fixed set of devices, one each, by small integer id. Everything is allocated at construction, nothing per
 * timer: arming is a store, and only arming later than, or taking, the earliest deadline looks through the set again.
 *
 * Order is a function of the deadlines alone: by time, then by id. Nothing is saved here; devices re-arm when they are restored.
 */
export class DeadlineQueue {
  private readonly times: Float64Array;
  /** Id of the earliest deadline, or {@link NONE_DUE}. */
  private first = NONE_DUE;

  /** @param count ids are 0 to count − 1 */
  constructor(count: number) {
    if (!Number.isInteger(count) || count < 0)
      throw new RangeError(`a deadline queue for ${count} devices: expected an integer ≥ 0`);
    this.times = new Float64Array(count).fill(Infinity);
  }

  /** How many ids there are. */
  get count(): number {
    return this.times.length;
  }

  /**
   * Sets the deadline of `id` to guest time `at` in ticks, replacing the one it had. `Infinity` disarms.
   * @throws RangeError for an id outside the set or a time that is NaN
   */
  arm(id: number, at: number): void {
    this.check(id);
    if (Number.isNaN(at)) throw new RangeError(`deadline of device ${id} is not a number`);
    const before = this.times[id];
    this.times[id] = at;
    if (id === this.first) {
      if (at > before) this.findFirst();
    } else if (at !== Infinity && this.isBefore(id, this.first)) {
      this.first = id;
    }
  }

  /** Takes the deadline of `id` back; nothing happens if there is none. */
  disarm(id: number): void {
    this.arm(id, Infinity);
  }

  /** The deadline of `id` in ticks; Infinity if there is none. */
  at(id: number): number {
    this.check(id);
    return this.times[id];
  }

  /** The earliest deadline in ticks; Infinity if there is none. */
  next(): number {
    return this.first === NONE_DUE ? Infinity : this.times[this.first];
  }

  /**
   * Disarms the earliest deadline that is due at guest time `now` and returns its id; {@link NONE_DUE} when none is. Call
   * until then: a device may arm again, at once even, while it is told.
   */
  takeDue(now: number): number {
    const id = this.first;
    if (id === NONE_DUE || this.times[id] > now) return NONE_DUE;
    this.times[id] = Infinity;
    this.findFirst();
    return id;
  }

  /** Disarms all. */
  clear(): void {
    this.times.fill(Infinity);
    this.first = NONE_DUE;
  }

  private isBefore(a: number, b: number): boolean {
    if (b === NONE_DUE) return true;
    const difference = this.times[a] - this.times[b];
    return difference < 0 || (difference === 0 && a < b);
  }

  private findFirst(): void {
    let first = NONE_DUE;
    let earliest = Infinity;
    for (let id = 0; id < this.times.length; id++) {
      if (this.times[id] < earliest) {
        earliest = this.times[id];
        first = id;
      }
    }
    this.first = first;
  }

  private check(id: number): void {
    if (!(id >= 0 && id < this.times.length))
      throw new RangeError(`no device ${id} in a deadline queue of ${this.times.length}`);
  }
}
