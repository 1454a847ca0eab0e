import type { HostStream } from '../host.ts';
import type { BufferBudget } from './budget.ts';
import { BufferLimit } from './budget.ts';
import { OutOfOrder } from './reassembly.ts';
import { TCP_FLAG, type TcpSegment } from './segment.ts';
import { seqAdd, seqDiff } from './sequence.ts';

/** Shift of the windows that are offered: up to 8 MiB in steps of 128 bytes. */
export const WINDOW_SHIFT = 7;

/** What is received from the guest: in order to the host's stream, which bounds the window (RFC 9293, 3.8.6). */
export class Receiver {
  /** First byte not received. */
  next: number;
  /** The guest has nothing more to send, and all it sent is there. */
  finished = false;
  private readonly outOfOrder = new OutOfOrder();
  private readonly limit: BufferLimit;
  /** End of the window as it was offered. */
  private edge: number;
  /** Bytes given to the stream that have not left yet. */
  private pending = 0;
  /** Sequence number of the guest's FIN, once seen. */
  private fin: number | undefined;
  private readonly mss: number;

  /** @param next sequence number after the guest's SYN */
  constructor(next: number, mss: number, budget: BufferBudget) {
    this.next = next;
    this.mss = mss;
    this.limit = new BufferLimit(budget);
    this.edge = seqAdd(next, this.limit.value);
  }

  /** Where a segment lies: what it asks to be answered with, if it can't be taken. */
  position(segment: TcpSegment): 'inside' | 'outside' {
    const offset = seqDiff(segment.seq, this.next);
    const length = segment.data.length + Number((segment.flags & TCP_FLAG.fin) !== 0);
    const window = seqDiff(this.edge, this.next);
    if (length === 0) return offset >= 0 && offset <= window ? 'inside' : 'outside';
    return offset + length > 0 && offset < window ? 'inside' : 'outside';
  }

  /** Whether something came of which what precedes it is missing. */
  get hasGap(): boolean {
    return this.outOfOrder.length > 0;
  }

  /** Takes the data of a segment inside the window. @returns whether it came in order */
  receive(segment: TcpSegment, stream: HostStream): boolean {
    if ((segment.flags & TCP_FLAG.fin) !== 0) this.fin ??= seqAdd(segment.seq, segment.data.length);
    if (this.finished) return true;
    const before = this.next;
    const offset = seqDiff(segment.seq, before);
    const window = seqDiff(this.edge, before);
    const data = segment.data.subarray(Math.max(0, -offset), Math.max(0, window - offset));
    const inOrder = offset <= 0;
    if (!inOrder) {
      if (data.length > 0) this.outOfOrder.add(segment.seq, data, before);
    } else {
      if (this.pending === 0 && data.length > 0) this.limit.grow();
      this.deliver(data, stream);
      for (let more = this.outOfOrder.take(this.next); more !== undefined; more = this.outOfOrder.take(this.next))
        this.deliver(more, stream);
    }
    if (this.fin !== undefined && this.next === this.fin) {
      this.next = seqAdd(this.next, 1);
      this.finished = true;
      stream.end();
    }
    return inOrder;
  }

  /** The stream has sent so many bytes. @returns whether the guest should hear that the window has grown */
  drained(bytes: number): boolean {
    this.pending = Math.max(0, this.pending - bytes);
    const offered = seqDiff(this.edge, this.next);
    return this.free - offered >= Math.min(this.limit.value / 2, Math.max(this.mss, this.limit.value / 4));
  }

  /** The window to offer, in bytes, from {@link next} on; moves the edge, which never moves back. */
  offer(shift: number): number {
    const most = Math.min(this.free, 0xffff * 2 ** shift);
    const offered = seqDiff(this.edge, this.next);
    // No silly windows: the edge moves by a segment or half the buffer at least (RFC 9293, 3.8.6.2.2).
    if (most - offered >= Math.min(this.limit.value / 2, this.mss)) this.edge = seqAdd(this.next, most);
    return Math.max(0, seqDiff(this.edge, this.next));
  }

  /** The connection is over. */
  close(): void {
    this.limit.release();
  }

  private get free(): number {
    return Math.max(0, this.limit.value - this.pending - this.outOfOrder.length);
  }

  private deliver(data: Uint8Array, stream: HostStream): void {
    if (data.length === 0) return;
    this.next = seqAdd(this.next, data.length);
    this.pending += data.length;
    stream.write(data);
  }
}
