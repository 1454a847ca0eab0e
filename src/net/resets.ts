import { StateReader, StateWriter } from '../bytes/state-stream.ts';
import { type Endpoint, keyOf } from './address.ts';
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
    const key = keyFor(
      { address: packet.source, port: segment.sourcePort },
      { address: packet.destination, port: segment.destinationPort },
    );
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

  /** How many there are, those included that have ended in order. */
  get size(): number {
    return this.seen.size;
  }

  /** Writes them: count u32; each next u32, two Ethernet addresses, then for both ends length of the address u8, the address, port u16. */
  save(w: StateWriter): void {
    w.u32(this.seen.size);
    for (const { path, next } of this.seen.values()) {
      w.u32(next);
      w.raw(path.sourceMac);
      w.raw(path.destinationMac);
      for (const { address, port } of [path.source, path.destination]) {
        w.u8(address.length);
        w.raw(address);
        w.u16(port);
      }
    }
  }

  /** Reads what {@link save} wrote. @throws StateError when it is cut */
  restore(r: StateReader): void {
    this.seen.clear();
    for (let left = r.u32(); left > 0; left--) {
      const next = r.u32();
      const [sourceMac, destinationMac] = [r.raw(6).slice(), r.raw(6).slice()];
      const end = (): Endpoint => ({ address: r.raw(r.u8()).slice(), port: r.u16() });
      const path = { sourceMac, destinationMac, source: end(), destination: end() };
      this.seen.set(keyFor(path.source, path.destination), { path, next });
    }
  }

  /** Resets for all of them. A guest whose connection had ended already ignores one. */
  resets(): Uint8Array[] {
    return [...this.seen.values()].map(({ path, next }) =>
      tcpFrame(path, { seq: next, ack: 0, flags: TCP_FLAG.rst, window: 0 }),
    );
  }
}

const keyFor = (source: Endpoint, destination: Endpoint): string =>
  `${keyOf(source.address)}${source.port}>${keyOf(destination.address)}${destination.port}`;

/** The connections of a machine's network devices, by port: no part of its state, but a snapshot tells them to whoever goes on from it. */
export class GuestConnections {
  /** What was open where the machine's past begins, as {@link save} wrote it. */
  private atStart: Uint8Array | undefined;
  private readonly ports = new Map<number, OpenConnections>();

  /** Connections of one device. */
  of(port: number): OpenConnections {
    let open = this.ports.get(port);
    if (open === undefined) this.ports.set(port, (open = new OpenConnections()));
    return open;
  }

  /** Whether any device has one. */
  get any(): boolean {
    for (const { size } of this.ports.values()) if (size > 0) return true;
    return false;
  }

  /** The machine's past begins with those that were saved. @throws StateError when they are cut */
  begin(saved: Uint8Array | undefined): void {
    this.atStart = saved;
    this.ports.clear();
    if (saved === undefined) return;
    const r = new StateReader(saved);
    while (r.remaining > 0) this.of(r.u32()).restore(r);
  }

  /** Back to where the past begins, from where events are noted again. */
  restart(): void {
    this.begin(this.atStart);
  }

  /** Takes over those of a machine that this one goes on from. */
  copy(other: GuestConnections): void {
    this.begin(other.save());
    this.atStart = other.atStart;
  }

  /** All of them, for {@link begin}; undefined when there are none. */
  save(): Uint8Array | undefined {
    if (!this.any) return undefined;
    const w = new StateWriter();
    for (const [port, open] of this.ports) {
      w.u32(port);
      open.save(w);
    }
    return w.finish();
  }
}
