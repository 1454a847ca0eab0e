import { keyOf } from './address.ts';
import { ETHERNET_SIZE, OFFLOAD_SIZE } from './frame.ts';
import { FrameQueue, type Link } from './link.ts';
import { TurnClock } from './turns.ts';

/** Ethernet addresses remembered. */
const MAX_ADDRESSES = 4096;
/** Bytes that may wait for one machine; what comes on top is dropped. */
const QUEUE_LIMIT = 8 * 1024 * 1024;

/** What a switch sends frames to. */
interface Port {
  deliver(frame: Uint8Array): void;
}

/** A learning switch (IEEE 802.1D, 7.8): a frame goes to where its destination was last heard of, or to everybody else. */
export class Switch {
  /** Of the machines that are connected. */
  readonly turns = new TurnClock();
  private readonly ports = new Set<Port>();
  private readonly table = new Map<string, Port>();

  /** How many are connected. */
  get size(): number {
    return this.ports.size;
  }

  /** A wire for one machine. @param closed called when the machine is closed */
  connect(closed?: () => void): Link {
    const link = new SwitchLink(this.turns, {
      send: (frame) => this.forward(link, frame),
      leave: () => {
        if (this.disconnect(link)) closed?.();
      },
    });
    this.ports.add(link);
    return link;
  }

  /** A wire to somewhere else, e.g. another process's switch. @returns how it sends here, and how it ends */
  attach(deliver: (frame: Uint8Array) => void): {
    readonly send: (frame: Uint8Array) => void;
    readonly leave: () => void;
  } {
    const port: Port = { deliver };
    this.ports.add(port);
    return { send: (frame) => this.forward(port, frame), leave: () => void this.disconnect(port) };
  }

  private forward(from: Port, frame: Uint8Array): void {
    if (frame.length < OFFLOAD_SIZE + ETHERNET_SIZE) return;
    const destination = frame.subarray(OFFLOAD_SIZE, OFFLOAD_SIZE + 6);
    const source = frame.subarray(OFFLOAD_SIZE + 6, OFFLOAD_SIZE + 12);
    if ((source[0] & 1) === 0) this.learn(keyOf(source), from);
    const known = (destination[0] & 1) === 0 ? this.table.get(keyOf(destination)) : undefined;
    if (known !== undefined) {
      if (known !== from) known.deliver(frame);
      return;
    }
    for (const port of this.ports) if (port !== from) port.deliver(frame);
  }

  private learn(address: string, port: Port): void {
    if (this.table.get(address) === port) return;
    this.table.delete(address);
    this.table.set(address, port);
    if (this.table.size <= MAX_ADDRESSES) return;
    const [oldest] = this.table.keys();
    this.table.delete(oldest);
  }

  /** @returns whether it was connected */
  private disconnect(port: Port): boolean {
    for (const [address, at] of this.table) if (at === port) this.table.delete(address);
    return this.ports.delete(port);
  }
}

/** A machine's wire to a switch. */
class SwitchLink implements Link, Port {
  readonly deadline = Infinity;
  readonly awaiting = true;
  readonly turns: TurnClock;
  onReady: (() => void) | undefined;
  private readonly waiting = new FrameQueue(QUEUE_LIMIT);
  private readonly ends: { send(frame: Uint8Array): void; leave(): void };

  constructor(turns: TurnClock, ends: { send(frame: Uint8Array): void; leave(): void }) {
    this.turns = turns;
    this.ends = ends;
  }

  receive(frame: Uint8Array): void {
    this.ends.send(frame);
  }

  pull(): Uint8Array | undefined {
    return this.waiting.shift();
  }

  deliver(frame: Uint8Array): void {
    if (this.waiting.push(frame)) this.onReady?.();
  }

  restart(): void {
    while (this.waiting.shift() !== undefined);
  }

  close(): void {
    this.ends.leave();
  }
}
