import type { HostStream } from '../host.ts';
import { type BufferBudget, BufferLimit } from './budget.ts';
import { Congestion } from './congestion.ts';
import { RetransmissionTime } from './retransmission.ts';
import { SendQueue } from './send-queue.ts';
import { seqAdd, seqDiff } from './sequence.ts';

/** Most payload of one frame, to be cut into segments where it is received. */
const LARGEST_BURST = 60_000;

/** A piece to be sent. */
export interface Piece {
  readonly seq: number;
  readonly length: number;
  readonly fin: boolean;
  /** Nothing more waits after it. */
  readonly push: boolean;
}

/** What is sent to the guest: kept until it is acknowledged, repeated when it is lost. */
export class Sender {
  /** First byte not acknowledged. */
  una: number;
  /** Next byte to send. */
  private nxt: number;
  /** After the last byte ever sent. */
  private max: number;
  /** Bytes the guest has room for, from {@link una} on. */
  private window = 0;
  private largestWindow = 0;
  private mss = 1;
  private readonly queue = new SendQueue();
  private readonly limit: BufferLimit;
  private congestion = new Congestion(1);
  private readonly time = new RetransmissionTime();
  /** When the timer runs out. */
  timer = Infinity;
  private paused = false;
  private ended = false;
  private finAcknowledged = false;
  private repeat = false;
  /** Send a byte although there is no room for it, or little although more is to come. */
  private probe = false;
  /** End of what was sent when the last loss was found. */
  private recover: number;
  /** A segment whose round trip is measured: what acknowledges it, and when it was sent. */
  private measure: { readonly seq: number; readonly at: number } | undefined;
  /** Of the last window update: RFC 9293's SND.WL1 and SND.WL2. */
  private updateSeq = 0;
  private updateAck = 0;

  /** @param first sequence number after the SYN */
  constructor(first: number, budget: BufferBudget) {
    this.una = first;
    this.nxt = first;
    this.max = first;
    this.recover = first;
    this.limit = new BufferLimit(budget);
  }

  /** Next byte to send. */
  get next(): number {
    return this.nxt;
  }

  /** All was acknowledged, the FIN too. */
  get finished(): boolean {
    return this.finAcknowledged;
  }

  /** Whether something was sent that was not acknowledged. */
  get outstanding(): boolean {
    return this.una !== this.max;
  }

  /** How often in a row the timer ran out without any answer of the guest's. */
  unanswered = 0;

  /** Bytes from the host. */
  push(bytes: Uint8Array, stream: HostStream): void {
    this.queue.push(bytes);
    if (this.queue.length < this.limit.value || this.paused) return;
    this.limit.grow();
    if (this.queue.length < this.limit.value) return;
    this.paused = true;
    stream.pause();
  }

  /** The host has nothing more to send. */
  end(): void {
    this.ended = true;
  }

  /** The handshake is complete. @param mss payload of a segment @param window what the guest has room for */
  open(mss: number, window: number, seq: number, ack: number): void {
    this.mss = mss;
    this.congestion = new Congestion(mss);
    this.window = window;
    this.largestWindow = window;
    this.updateSeq = seq;
    this.updateAck = ack;
  }

  /** What an acknowledgement says. @param pure the segment had nothing but the acknowledgement @returns false when it is of what was never sent */
  acknowledge(
    segment: { readonly seq: number; readonly ack: number; readonly window: number; readonly pure: boolean },
    stream: HostStream,
    now: number,
  ): boolean {
    const { seq, ack, window } = segment;
    if (seqDiff(ack, this.max) > 0) return false;
    const news = seqDiff(ack, this.una);
    if (news < 0) return true;
    this.unanswered = 0;
    if (news > 0) this.advance(ack, news, stream, now);
    else if (segment.pure && window === this.window && window > 0 && this.outstanding) {
      if (this.congestion.duplicate(seqDiff(this.max, this.una))) this.lost();
    }
    const newer = seqDiff(seq, this.updateSeq);
    if (newer > 0 || (newer === 0 && seqDiff(ack, this.updateAck) >= 0)) {
      if (this.window === 0 && window > 0) {
        // What asked for room has not been taken.
        this.nxt = this.una;
        this.time.progressed();
      }
      this.window = window;
      this.largestWindow = Math.max(this.largestWindow, window);
      this.updateSeq = seq;
      this.updateAck = ack;
    }
    return true;
  }

  /** The next piece to send, which counts as sent. */
  take(now: number): Piece | undefined {
    if (this.finAcknowledged) return undefined;
    if (this.repeat) {
      this.repeat = false;
      const length = Math.min(this.mss, this.queue.length);
      if (length > 0 || this.ended) return this.sent(this.una, length, now, true);
    }
    const flight = seqDiff(this.nxt, this.una);
    const waiting = this.queue.length - flight;
    if (waiting <= 0) {
      const finDue = this.ended && waiting === 0;
      return finDue ? this.sent(this.nxt, 0, now, false) : undefined;
    }
    let length = Math.min(waiting, Math.min(this.window, this.congestion.window) - flight, LARGEST_BURST);
    if (length > this.mss && length < waiting) length -= length % this.mss;
    const small = length < this.mss && length < waiting && length < this.largestWindow / 2;
    if (length <= 0 || small) {
      if (this.probe && flight === 0) length = Math.max(1, length);
      else {
        // Nothing is on its way whose acknowledgement would bring news: the timer asks.
        if (flight === 0 && this.timer === Infinity) this.timer = now + this.time.timeout;
        return undefined;
      }
    }
    return this.sent(this.nxt, length, now, false);
  }

  /** Copies the data of a piece. */
  copy(seq: number, target: Uint8Array): void {
    this.queue.copy(seqDiff(seq, this.una), target);
  }

  /** The timer ran out: begins again from what was acknowledged, or asks for room. */
  expired(): void {
    this.timer = Infinity;
    this.probe = true;
    this.time.expired();
    this.unanswered++;
    this.measure = undefined;
    if (!this.outstanding) return;
    this.congestion.expired(seqDiff(this.max, this.una));
    this.nxt = this.una;
    this.recover = this.max;
  }

  /** The connection is over. */
  close(): void {
    this.timer = Infinity;
    this.limit.release();
  }

  private advance(ack: number, news: number, stream: HostStream, now: number): void {
    const finAcked = news > this.queue.length;
    if (finAcked) this.finAcknowledged = true;
    this.queue.drop(finAcked ? news - 1 : news);
    this.una = ack;
    if (seqDiff(this.nxt, ack) < 0) this.nxt = ack;
    if (this.measure !== undefined && seqDiff(ack, this.measure.seq) >= 0) {
      this.time.measured(now - this.measure.at);
      this.measure = undefined;
    }
    this.time.progressed();
    this.probe = false;
    if (this.congestion.acknowledged(news, seqDiff(ack, this.recover) >= 0)) this.repeat = true;
    this.timer = this.outstanding ? now + this.time.timeout : Infinity;
    if (this.paused && this.queue.length <= this.limit.value / 2) {
      this.paused = false;
      stream.resume();
    }
  }

  private lost(): void {
    this.repeat = true;
    this.recover = this.max;
    this.measure = undefined;
  }

  private sent(seq: number, length: number, now: number, again: boolean): Piece {
    const end = seqAdd(seq, length);
    const last = seqDiff(end, this.una) === this.queue.length;
    const fin = this.ended && last;
    const after = seqAdd(end, Number(fin));
    this.probe = false;
    if (seqDiff(after, this.nxt) > 0) this.nxt = after;
    if (seqDiff(after, this.max) > 0) {
      this.max = after;
      if (!again) this.measure ??= { seq: after, at: now };
    } else this.measure = undefined; // which of the two was acknowledged nobody could say (Karn's algorithm)
    if (this.timer === Infinity || again) this.timer = now + this.time.timeout;
    return { seq, length, fin, push: last };
  }
}
