/** The retransmission timer's time (RFC 6298), in milliseconds. */
const INITIAL = 1000;
const SMALLEST = 200;
const LARGEST = 60_000;

/** Measures round trips and says how long to wait for an acknowledgement. */
export class RetransmissionTime {
  private smoothed: number | undefined;
  private variation = 0;
  private base = INITIAL;
  private doublings = 0;

  /** Milliseconds to wait. */
  get timeout(): number {
    return Math.min(LARGEST, this.base * 2 ** this.doublings);
  }

  /** How often in a row the time ran out. */
  get failures(): number {
    return this.doublings;
  }

  /** A segment that was sent once was acknowledged after so many milliseconds. */
  measured(roundTrip: number): void {
    if (this.smoothed === undefined) {
      this.smoothed = roundTrip;
      this.variation = roundTrip / 2;
    } else {
      this.variation = 0.75 * this.variation + 0.25 * Math.abs(this.smoothed - roundTrip);
      this.smoothed = 0.875 * this.smoothed + 0.125 * roundTrip;
    }
    this.base = Math.max(SMALLEST, this.smoothed + 4 * this.variation);
  }

  /** The time ran out: twice as long the next time. */
  expired(): void {
    this.doublings++;
  }

  /** Something new was acknowledged. */
  progressed(): void {
    this.doublings = 0;
  }
}
