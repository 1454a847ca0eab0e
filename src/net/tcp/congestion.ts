/** Slow start, congestion avoidance and fast recovery (RFC 5681, RFC 6582). */
const DUPLICATES = 3;
/** Segments at the beginning (RFC 6928). */
const INITIAL_SEGMENTS = 10;

/** How much may be on its way, as far as the wire is concerned. */
export class Congestion {
  private readonly mss: number;
  private cwnd: number;
  private threshold = Infinity;
  private duplicates = 0;
  private recovering = false;

  constructor(mss: number) {
    this.mss = mss;
    this.cwnd = INITIAL_SEGMENTS * mss;
  }

  /** Bytes that may be unacknowledged. */
  get window(): number {
    return this.cwnd;
  }

  /** New data was acknowledged. @param recovered all that was sent before the loss was found has arrived @returns whether to repeat the next segment */
  acknowledged(bytes: number, recovered: boolean): boolean {
    this.duplicates = 0;
    if (this.recovering) {
      if (recovered) {
        this.recovering = false;
        this.cwnd = this.threshold;
        return false;
      }
      this.cwnd = Math.max(this.mss, this.cwnd - bytes + this.mss);
      return true;
    }
    this.cwnd += this.cwnd < this.threshold ? bytes : Math.max(1, (this.mss * this.mss) / this.cwnd);
    return false;
  }

  /** An acknowledgement said nothing new. @param flight bytes unacknowledged @returns whether a segment is lost: repeat it */
  duplicate(flight: number): boolean {
    this.duplicates++;
    if (this.recovering) {
      this.cwnd += this.mss;
      return false;
    }
    if (this.duplicates !== DUPLICATES) return false;
    this.threshold = Math.max(flight / 2, 2 * this.mss);
    this.cwnd = this.threshold + DUPLICATES * this.mss;
    this.recovering = true;
    return true;
  }

  /** The retransmission timer ran out. */
  expired(flight: number): void {
    this.threshold = Math.max(flight / 2, 2 * this.mss);
    this.cwnd = this.mss;
    this.duplicates = 0;
    this.recovering = false;
  }
}
