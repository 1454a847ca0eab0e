import { keyOf } from './address.ts';
import { ETHERNET_SIZE, ethernetOf } from './frame.ts';
import { ETHERTYPE, PROTOCOL, parseIpv4, parseIpv6 } from './ip.ts';
import { type Path, parseTcp, TCP_FLAG, tcpFrame } from './tcp/segment.ts';
import { seqAdd, seqDiff } from './tcp/sequence.ts';

/** Connections remembered; those that were silent for longest are forgotten. */
const MAX_CONNECTIONS = 8192;

interface Seen {
  readonly path: Path;
  /** After the last byte that was sent to the guest. */
  next: number;
}

/**
 * Which connections a guest has, by the frames that came to it: so that a machine that goes on from its past without the hosts it talked
 * to finds its connections reset instead of waiting for ever.
 */
export class OpenConnections {
  private readonly seen = new Map<string, Seen>();

  /** A frame that came to the guest. */
  note(frame: Uint8Array): void {
    const ethernet = ethernetOf(frame);
    if (ethernet.length < ETHERNET_SIZE) return;
    const type = (ethernet[12] << 8) | ethernet[13];
    if (type !== ETHERTYPE.ipv4 && type !== ETHERTYPE.ipv6) return;
    const body = ethernet.subarray(ETHERNET_SIZE);
    const packet = type === ETHERTYPE.ipv4 ? parseIpv4(body) : parseIpv6(body);
    if (packet === undefined || packet.protocol !== PROTOCOL.tcp || packet.fragment !== undefined) return;
    const segment = parseTcp(packet, true);
    if (segment === undefined) return;
    const key = `${keyOf(packet.source)}${segment.sourcePort}>${keyOf(packet.destination)}${segment.destinationPort}`;
    const known = this.seen.get(key);
    this.seen.delete(key);
    if ((segment.flags & TCP_FLAG.rst) !== 0) return;
    const { flags, data } = segment;
    const length = data.length + Number((flags & TCP_FLAG.syn) !== 0) + Number((flags & TCP_FLAG.fin) !== 0);
    const end = seqAdd(segment.seq, length);
    const next = known === undefined || (flags & TCP_FLAG.syn) !== 0 || seqDiff(end, known.next) > 0 ? end : known.next;
    this.seen.set(key, {
      path: known?.path ?? {
        sourceMac: ethernet.slice(6, 12),
        destinationMac: ethernet.slice(0, 6),
        source: { address: packet.source.slice(), port: segment.sourcePort },
        destination: { address: packet.destination.slice(), port: segment.destinationPort },
      },
      next,
    });
    if (this.seen.size <= MAX_CONNECTIONS) return;
    const [oldest] = this.seen.keys();
    this.seen.delete(oldest);
  }

  /** Resets for all of them. A guest whose connection had ended already ignores one. */
  resets(): Uint8Array[] {
    return [...this.seen.values()].map(({ path, next }) =>
      tcpFrame(path, { seq: next, ack: 0, flags: TCP_FLAG.rst, window: 0 }),
    );
  }
}
