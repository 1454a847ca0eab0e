import type { HostStream, StreamFailure, StreamHandler } from '../host.ts';
import type { BufferBudget } from './budget.ts';
import { Receiver, WINDOW_SHIFT } from './receiver.ts';
import { RetransmissionTime } from './retransmission.ts';
import { type Path, TCP_FLAG, type TcpSegment, tcpFrame, tcpOverhead } from './segment.ts';
import { Sender } from './sender.ts';
import { seqAdd, seqDiff } from './sequence.ts';

/** MSS of a guest that names none (RFC 9293, 3.7.1). */
const DEFAULT_MSS = 536;
const SMALLEST_MSS = 64;
/** Times in milliseconds: until a silent guest is asked whether it is there, between such questions, and after the end. */
const KEEP_ALIVE = 600_000;
const KEEP_ALIVE_INTERVAL = 75_000;
const TIME_WAIT = 1000;
/** After how many repetitions without an answer a guest is given up. */
const MAX_HANDSHAKES = 6;
/** Milliseconds between SYNs to a guest that does not answer, at most, and for how long they are repeated: it may be booting. */
const SYN_INTERVAL = 1000;
const SYN_PATIENCE = 60_000;
const MAX_REPETITIONS = 12;
const MAX_KEEP_ALIVES = 5;
/**
 * Milliseconds for which an acknowledgement may wait for another segment (RFC 9293, 3.8.6.3): long enough for a guest that writes little at a time to
 * gather it into full segments (RFC 896), too short to be noticed.
 */
const ACK_DELAY = 1;
/** Duplicate acknowledgements that may wait to be sent. */
const MAX_DUPLICATES = 8;

/** What a connection needs of its network. */
export interface ConnectionOwner {
  /** There may be something to send: {@link Connection.next}. */
  ready(connection: Connection): void;
  /** The connection is over: nothing more comes of it. */
  closed(connection: Connection): void;
  /** The host could not make the connection that the guest asked for; the guest has not been answered. */
  refused(connection: Connection, why: StreamFailure): void;
  readonly budget: BufferBudget;
  /** Guest time in milliseconds. */
  now(): number;
}

export interface ConnectionOptions {
  readonly path: Path;
  /** Initial sequence number. */
  readonly iss: number;
  /** Of the wire, in bytes. */
  readonly mtu: number;
}

type State =
  /** The guest's SYN waits for the host's connection. */
  | 'connecting'
  /** Our SYN, or SYN and ACK, is on its way. */
  | 'handshake'
  | 'open'
  /** Both sides are done; the guest's last FIN may be repeated. */
  | 'time-wait'
  | 'closed';

/** One TCP connection with the guest (RFC 9293), whose other end is a stream of the host's. */
export class Connection implements StreamHandler {
  readonly path: Path;
  private readonly owner: ConnectionOwner;
  private readonly iss: number;
  private readonly ownMss: number;
  private state: State;
  private stream!: HostStream;
  private readonly sender: Sender;
  private receiver: Receiver | undefined;
  /** TcpSegment size towards the guest. */
  private mss = DEFAULT_MSS;
  /** Shift of the guest's windows, when both sides scale. */
  private guestShift: number | undefined;
  private synDue = false;
  /** When a guest that never answered our SYN is given up. */
  private readonly synUntil: number;
  private acksDue = 0;
  /** When what has come must be acknowledged, and up to where it was. */
  private ackAt = Infinity;
  private acknowledgedTo = 0;
  private probeDue = false;
  private readonly handshakeTime = new RetransmissionTime();
  /** When the handshake is repeated, or time-wait ends. */
  private stateTimer = Infinity;
  private keepAliveAt: number;
  private keepAlives = 0;
  private resetDue = false;
  /** What an older connection of the guest's acknowledged in answer to our SYN: to be reset. */
  private strayAck: number | undefined;

  /** @param syn the guest's SYN; without it the connection is made to the guest */
  constructor(owner: ConnectionOwner, options: ConnectionOptions, syn?: TcpSegment) {
    this.owner = owner;
    this.path = options.path;
    this.iss = options.iss;
    this.ownMss = options.mtu - tcpOverhead(options.path.source.address);
    this.keepAliveAt = owner.now() + KEEP_ALIVE;
    this.synUntil = owner.now() + SYN_PATIENCE;
    if (syn === undefined) {
      this.state = 'handshake';
      this.synDue = true;
    } else {
      this.state = 'connecting';
      this.greeted(syn);
    }
    this.sender = new Sender(seqAdd(this.iss, 1), owner.budget);
  }

  /** Gives the connection its host's end; before anything else. */
  attach(stream: HostStream): void {
    this.stream = stream;
    if (this.synDue) this.owner.ready(this);
  }

  /** When {@link expired} is due. */
  get deadline(): number {
    return Math.min(this.sender.timer, this.stateTimer, this.keepAliveAt, this.ackAt);
  }

  /** Sequence number of the guest's SYN; 0 while there is none. */
  get guestSeq(): number {
    return this.receiver === undefined ? 0 : seqAdd(this.receiver.next, -1);
  }

  /** Whether both sides are done. */
  get over(): boolean {
    return this.state === 'time-wait' || this.state === 'closed';
  }

  /** Whether the guest's SYN is the one that began this connection. */
  isSyn(segment: TcpSegment): boolean {
    return this.receiver !== undefined && segment.seq === seqAdd(this.receiver.next, -1);
  }

  // What the host's stream reports.

  opened(): void {
    if (this.state !== 'connecting') return;
    this.state = 'handshake';
    this.synDue = true;
    this.owner.ready(this);
  }

  data(bytes: Uint8Array): void {
    if (this.state === 'closed') return;
    this.sender.push(bytes, this.stream);
    this.owner.ready(this);
  }

  drained(bytes: number): void {
    if (this.state === 'closed' || this.receiver?.drained(bytes) !== true || this.receiver.finished) return;
    this.acksDue = Math.max(1, this.acksDue);
    this.owner.ready(this);
  }

  ended(): void {
    if (this.state === 'closed') return;
    this.sender.end();
    this.owner.ready(this);
  }

  failed(why: StreamFailure): void {
    if (this.state === 'connecting') {
      this.close();
      this.owner.refused(this, why);
    } else if (this.state !== 'closed' && this.state !== 'time-wait') {
      this.resetDue = true;
      this.owner.ready(this);
    }
  }

  // What the guest sends.

  /** Takes a segment of this connection. */
  receive(segment: TcpSegment): void {
    const now = this.owner.now();
    this.keepAliveAt = now + KEEP_ALIVE;
    this.keepAlives = 0;
    if (this.state === 'connecting') {
      if ((segment.flags & TCP_FLAG.rst) !== 0) this.abort();
      return;
    }
    if (this.state === 'closed') return;
    if (this.state === 'handshake' && !this.shakeHands(segment)) return;
    this.process(segment, now);
    this.owner.ready(this);
  }

  /** Breaks the connection off without a word to the guest: it has forgotten it. */
  abort(): void {
    if (this.state === 'closed') return;
    this.stream.reset();
    this.close();
  }

  /** Time has come to {@link deadline}. */
  expired(now: number): void {
    if (this.stateTimer <= now) {
      this.stateTimer = Infinity;
      if (this.state === 'time-wait') return this.close();
      this.handshakeTime.expired();
      const isOver = this.receiver === undefined ? now >= this.synUntil : this.handshakeTime.failures >= MAX_HANDSHAKES;
      if (isOver) return this.abort();
      this.synDue = true;
    }
    if (this.sender.timer <= now) {
      this.sender.expired();
      // A guest that has no room may have none for as long as it likes, but it has to answer.
      if (this.sender.unanswered > MAX_REPETITIONS) return this.giveUp();
    }
    if (this.ackAt <= now) this.answer();
    if (this.keepAliveAt <= now) {
      this.keepAliveAt = now + KEEP_ALIVE_INTERVAL;
      if (++this.keepAlives > MAX_KEEP_ALIVES) return this.giveUp();
      this.probeDue = this.state === 'open';
    }
    this.owner.ready(this);
  }

  /** The next frame for the guest, if there is something to say. */
  next(now: number): Uint8Array | undefined {
    if (this.state === 'closed' || this.state === 'connecting') return undefined;
    if (this.resetDue) {
      const frame = this.frame(TCP_FLAG.rst | TCP_FLAG.ack, this.sender.next);
      this.close();
      return frame;
    }
    if (this.strayAck !== undefined) {
      const seq = this.strayAck;
      this.strayAck = undefined;
      return tcpFrame(this.path, { seq, ack: 0, flags: TCP_FLAG.rst, window: 0 });
    }
    if (this.state === 'handshake') return this.synDue ? this.syn(now) : undefined;
    if (this.acksDue > 1) {
      this.acksDue--;
      return this.frame(TCP_FLAG.ack, this.sender.next);
    }
    const piece = this.state === 'open' ? this.sender.take(now) : undefined;
    if (piece !== undefined) {
      this.acksDue = 0;
      const flags = TCP_FLAG.ack | (piece.fin ? TCP_FLAG.fin : 0) | (piece.push ? TCP_FLAG.psh : 0);
      return this.frame(flags, piece.seq, piece.length, (target) => this.sender.copy(piece.seq, target));
    }
    if (this.probeDue) {
      this.probeDue = false;
      return this.frame(TCP_FLAG.ack, seqAdd(this.sender.una, -1));
    }
    if (this.acksDue === 0) return undefined;
    this.acksDue = 0;
    return this.frame(TCP_FLAG.ack, this.sender.next);
  }

  /** The guest's SYN: what it says of segments, windows and numbers. */
  private greeted(syn: TcpSegment): void {
    this.mss = Math.max(SMALLEST_MSS, Math.min(syn.mss ?? DEFAULT_MSS, this.ownMss));
    this.guestShift = syn.scale;
    this.receiver = new Receiver(seqAdd(syn.seq, 1), this.ownMss, this.owner.budget);
  }

  /** @returns whether the handshake is complete and the segment is to be looked at further */
  private shakeHands(segment: TcpSegment): boolean {
    const { flags } = segment;
    const acknowledges = (flags & TCP_FLAG.ack) !== 0 && segment.ack === seqAdd(this.iss, 1);
    if (this.receiver === undefined) {
      // Our SYN (RFC 9293, 3.10.7.3).
      if ((flags & TCP_FLAG.ack) !== 0 && !acknowledges) {
        // The guest still has an older connection with these ports: ends that, and asks again.
        if ((flags & TCP_FLAG.rst) === 0) {
          this.strayAck = segment.ack;
          this.synDue = true;
          this.owner.ready(this);
        }
        return false;
      }
      if ((flags & TCP_FLAG.rst) !== 0) {
        if (acknowledges) this.abort();
        return false;
      }
      if ((flags & TCP_FLAG.syn) === 0 || !acknowledges) return false;
      this.greeted(segment);
      this.open(segment, 0);
      this.acksDue = 1;
      this.owner.ready(this);
      return false;
    }
    if ((flags & TCP_FLAG.syn) !== 0) {
      if (this.isSyn(segment)) {
        this.synDue = true;
        this.owner.ready(this);
      }
      return false;
    }
    if ((flags & TCP_FLAG.rst) !== 0) {
      if (segment.seq === this.receiver.next) this.abort();
      return false;
    }
    if (!acknowledges) return false;
    this.open(segment, this.guestShift ?? 0);
    return true;
  }

  private open(segment: TcpSegment, shift: number): void {
    this.state = 'open';
    this.stateTimer = Infinity;
    this.sender.open(this.mss, segment.window << shift, segment.seq, segment.ack);
  }

  private process(segment: TcpSegment, now: number): void {
    const receiver = this.receiver!;
    const { flags } = segment;
    const inside = receiver.position(segment) === 'inside';
    if ((flags & TCP_FLAG.rst) !== 0) {
      // Only the exact number resets; others may be someone's guess (RFC 5961, 3.2).
      if (segment.seq === receiver.next) this.abort();
      else if (inside) this.answer();
      return;
    }
    if (!inside) {
      // Old data, a question whether we are there, or a SYN: says where we are.
      if ((flags & TCP_FLAG.ack) !== 0) this.acknowledged(segment, now, false);
      return this.answer();
    }
    if ((flags & TCP_FLAG.syn) !== 0) return this.answer();
    if ((flags & TCP_FLAG.ack) === 0) return;
    const silent = segment.data.length === 0 && (flags & TCP_FLAG.fin) === 0;
    if (!this.acknowledged(segment, now, silent)) return this.answer();
    if (!silent) {
      const { hasGap } = receiver;
      const inOrder = receiver.receive(segment, this.stream);
      // Each segment out of order is answered, so that the guest finds what is missing (RFC 5681, 4.2).
      if (!inOrder) this.acksDue = Math.min(this.acksDue + 1, MAX_DUPLICATES);
      // Every second full segment is acknowledged at once, and what fills a gap.
      else if (hasGap || receiver.finished || seqDiff(receiver.next, this.acknowledgedTo) >= 2 * this.ownMss)
        this.answer();
      else this.ackAt = Math.min(this.ackAt, now + ACK_DELAY);
    }
    if (this.state === 'open' && this.sender.finished && receiver.finished) {
      this.state = 'time-wait';
      this.stateTimer = now + TIME_WAIT;
    }
  }

  private acknowledged(segment: TcpSegment, now: number, pure: boolean): boolean {
    const { seq, ack } = segment;
    const window = segment.window << (this.guestShift ?? 0);
    return this.sender.acknowledge({ seq, ack, window, pure }, this.stream, now);
  }

  private answer(): void {
    this.ackAt = Infinity;
    this.acksDue = Math.max(1, this.acksDue);
  }

  private giveUp(): void {
    this.stream.reset();
    this.resetDue = true;
    this.owner.ready(this);
  }

  private close(): void {
    if (this.state === 'closed') return;
    this.state = 'closed';
    this.stateTimer = Infinity;
    this.keepAliveAt = Infinity;
    this.ackAt = Infinity;
    this.sender.close();
    this.receiver?.close();
    this.owner.closed(this);
  }

  private syn(now: number): Uint8Array {
    this.synDue = false;
    const { receiver } = this;
    const answering = receiver !== undefined;
    this.stateTimer = now + Math.min(this.handshakeTime.timeout, answering ? Infinity : SYN_INTERVAL);
    // The option may answer only one (RFC 7323, 2.2).
    const scales = !answering || this.guestShift !== undefined;
    return tcpFrame(this.path, {
      seq: this.iss,
      ack: receiver?.next ?? 0,
      flags: TCP_FLAG.syn | (answering ? TCP_FLAG.ack : 0),
      window: Math.min(receiver?.offer(0) ?? 0xffff, 0xffff),
      mss: this.ownMss,
      ...(scales && { scale: WINDOW_SHIFT }),
    });
  }

  private frame(flags: number, seq: number, length = 0, fill?: (target: Uint8Array) => void): Uint8Array {
    const { receiver } = this;
    const shift = this.guestShift === undefined ? 0 : WINDOW_SHIFT;
    const window = receiver === undefined ? 0 : Math.ceil(receiver.offer(shift) / 2 ** shift);
    const head = { seq, ack: receiver?.next ?? 0, flags, window: Math.min(window, 0xffff) };
    this.ackAt = Infinity;
    this.acknowledgedTo = head.ack;
    return tcpFrame(this.path, head, length, this.mss, fill);
  }
}

/** Whether the segment begins a connection. */
export const beginsConnection = ({ flags }: TcpSegment): boolean =>
  (flags & (TCP_FLAG.syn | TCP_FLAG.ack | TCP_FLAG.rst)) === TCP_FLAG.syn;
