import { type Endpoint, formatEndpoint, type IpAddress, keyOf } from './address.ts';
import type { HostDatagrams } from './host.ts';

/** Flows at a time; the one silent for longest makes room. */
const MAX_FLOWS = 1024;
/** Milliseconds without a datagram after which a flow ends (RFC 4787, REQ-5, asks for two minutes). */
const IDLE = 120_000;
/** Milliseconds for which an answer is expected. */
const ANSWER = 5000;
/** Peers of one flow from which datagrams are let in (RFC 4787, REQ-8: address-dependent filtering). */
const MAX_PEERS = 256;
/** Ports that clients of a published port have towards the guest. */
const FIRST_PORT = 49_152;

/** A port of the guest's and the host's socket for it. */
interface OutgoingFlow {
  readonly socket: HostDatagrams;
  readonly peers: Set<string>;
  used: number;
  asked: number;
}

/** A client of a published port. */
interface IncomingFlow {
  readonly reply: (data: Uint8Array) => void;
  readonly port: number;
  used: number;
}

/** Datagrams in both directions: each port of the guest's has one socket of the host's, from which it is seen. */
export class UdpFlows {
  private readonly outgoing = new Map<string, OutgoingFlow>();
  private readonly incoming = new Map<string, IncomingFlow>();
  private readonly byPort = new Map<number, string>();
  private nextPort = 0;

  get size(): number {
    return this.outgoing.size + this.incoming.size;
  }

  /** Whether an answer may be on its way. */
  awaiting(now: number): boolean {
    for (const flow of this.outgoing.values()) if (now - flow.asked < ANSWER) return true;
    return false;
  }

  /** Sends a datagram of the guest's. @param open makes the flow's socket; `admits` says which datagrams are answers */
  send(
    from: Endpoint,
    to: Endpoint,
    data: Uint8Array,
    now: number,
    open: (admits: (peer: IpAddress) => boolean) => HostDatagrams,
  ): void {
    const key = `${keyOf(from.address)}${from.port}>${to.address.length}`;
    let flow = this.outgoing.get(key);
    if (flow === undefined) {
      if (this.outgoing.size >= MAX_FLOWS) this.end([...this.outgoing.keys()][0]);
      const peers = new Set<string>();
      flow = { socket: open((peer) => peers.has(keyOf(peer))), peers, used: now, asked: now };
    } else this.outgoing.delete(key);
    this.outgoing.set(key, flow);
    flow.used = now;
    flow.asked = now;
    if (flow.peers.size < MAX_PEERS) flow.peers.add(keyOf(to.address));
    flow.socket.send(to, data);
  }

  /** A client's datagram for a published port. @returns the port that stands for the client, or undefined when there are too many */
  clientPort(client: Endpoint, guestPort: number, now: number, reply: (data: Uint8Array) => void): number | undefined {
    const key = `${formatEndpoint(client)}>${guestPort}`;
    let flow = this.incoming.get(key);
    if (flow === undefined) {
      if (this.incoming.size >= MAX_FLOWS) return undefined;
      do this.nextPort = (this.nextPort + 1) % 16_384;
      while (this.byPort.has(FIRST_PORT + this.nextPort));
      flow = { reply, port: FIRST_PORT + this.nextPort, used: now };
      this.incoming.set(key, flow);
      this.byPort.set(flow.port, key);
    }
    flow.used = now;
    return flow.port;
  }

  /** The guest's datagram to a client of a published port. @returns whether there is such a client */
  answerClient(port: number, data: Uint8Array, now: number): boolean {
    const flow = this.incoming.get(this.byPort.get(port) ?? '');
    if (flow === undefined) return false;
    flow.used = now;
    flow.reply(data);
    return true;
  }

  /** When {@link tick} is due. */
  get deadline(): number {
    let earliest = Infinity;
    for (const { used } of this.outgoing.values()) earliest = Math.min(earliest, used + IDLE);
    for (const { used } of this.incoming.values()) earliest = Math.min(earliest, used + IDLE);
    return earliest;
  }

  /** Ends flows that were silent for long. */
  tick(now: number): void {
    for (const [key, { used }] of this.outgoing) if (now - used >= IDLE) this.end(key);
    for (const [key, { used, port }] of this.incoming) {
      if (now - used < IDLE) continue;
      this.incoming.delete(key);
      this.byPort.delete(port);
    }
  }

  close(): void {
    for (const key of [...this.outgoing.keys()]) this.end(key);
    this.incoming.clear();
    this.byPort.clear();
  }

  private end(key: string): void {
    this.outgoing.get(key)?.socket.close();
    this.outgoing.delete(key);
  }
}
