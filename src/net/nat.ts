import { type Endpoint, type IpAddress, inPrefix, keyOf, sameBytes } from './address.ts';
import { ARP_OPERATION, arpFrame, parseArp } from './arp.ts';
import { DHCP_PORT, DhcpServer } from './dhcp.ts';
import { DnsProxy } from './dns-proxy.ts';
import { fragmentPacket, Reassembly } from './fragments.ts';
import { ETHERNET_SIZE, ethernetOf, GSO, OFFLOAD_SIZE, readOffload } from './frame.ts';
import type { HostNetwork, HostStream, StreamFailure, StreamHandler } from './host.ts';
import { echoReply, ICMP, ICMPV6, icmpFrame, soundIcmp, type Unreachable, unreachableMessage } from './icmp.ts';
import { ETHERTYPE, type IpPacket, type PacketHead, PROTOCOL, parseIpv4, parseIpv6 } from './ip.ts';
import { FrameQueue, type Link } from './link.ts';
import { ALL_NODES, multicastMac, neighbourAdvertisement, routerAdvertisement, solicitedTarget } from './ndp.ts';
import { loopback, Policy, type PolicyOptions } from './policy.ts';
import { LEASE, SUBNET } from './subnet.ts';
import { TcpFlows } from './tcp/flows.ts';
import { type Path, parseTcp, TCP_FLAG, tcpFrame } from './tcp/segment.ts';
import { parseUdp, udpFrame } from './udp.ts';
import { UdpFlows } from './udp-flows.ts';

const DNS_PORT = 53;
/** Bytes of frames that belong to no connection and wait for the guest; more are dropped. */
const QUEUE_LIMIT = 1024 * 1024;
/** Guests whose Ethernet addresses are remembered. */
const MAX_NEIGHBOURS = 256;
/** Milliseconds between router advertisements that nobody asked for: before the last one has run out. */
const ADVERTISE_EVERY = 6 * 3600 * 1000;

export const DEFAULT_MTU = 1500;

export interface NatOptions extends PolicyOptions {
  readonly host: HostNetwork;
  /** A random u32. */
  readonly random: () => number;
  /** Ethernet address of the guest, for connections to it before it has sent anything. */
  readonly guestMac: Uint8Array;
  /** Bytes of an IP packet on the wire, 1280 to 65535; default 1500. */
  readonly mtu?: number;
}

/** What the network did with frames it could not use. */
export interface NatCounters {
  /** Cut, inconsistent, or with a wrong checksum. */
  malformed: number;
  /** For somebody else, or of a protocol that is not spoken here. */
  ignored: number;
  /** Dropped because too much was waiting for the guest. */
  dropped: number;
  /** Refused by the rules of what may be reached. */
  prohibited: number;
}

/**
 * A network of one guest or a few, with a router to the host's network that needs no rights: connections and datagrams of the guest
 * become the host's own (as libslirp has it). DHCP, router advertisements and a resolver make the guest find its way by itself.
 */
export class Nat implements Link {
  onReady: (() => void) | undefined;
  readonly counters: NatCounters = { malformed: 0, ignored: 0, dropped: 0, prohibited: 0 };
  private readonly host: HostNetwork;
  private readonly guestMac: Uint8Array;
  private readonly mtu: number;
  private readonly random: () => number;
  private readonly policy: Policy;
  private readonly dns: DnsProxy;
  private readonly dhcp: DhcpServer;
  private readonly tcp: TcpFlows;
  private readonly udp = new UdpFlows();
  private readonly reassembly = new Reassembly();
  private readonly queue = new FrameQueue(QUEUE_LIMIT);
  private readonly neighbours = new Map<string, Uint8Array>();
  private time = 0;
  private advertiseAt = Infinity;
  private udpDeadline = Infinity;
  private readonly listeners: { close(): void }[] = [];

  /** @throws NetworkOptionError for a pattern of `allow` that is none */
  constructor(options: NatOptions) {
    this.host = options.host;
    this.guestMac = options.guestMac;
    this.mtu = options.mtu ?? DEFAULT_MTU;
    this.random = options.random;
    this.policy = new Policy(options);
    this.dns = new DnsProxy(options.host, this.policy);
    this.dhcp = new DhcpServer({
      server: SUBNET.gateway,
      mask: SUBNET.mask,
      router: SUBNET.gateway,
      dns: SUBNET.resolver,
      mtu: this.mtu,
      first: SUBNET.guest,
      count: SUBNET.guests,
      lease: LEASE,
    });
    this.tcp = new TcpFlows({
      mtu: this.mtu,
      random: options.random,
      now: () => this.time,
      connect: (to, handler) => this.connect(to, handler),
      send: (frame) => this.send(frame),
      ready: () => this.onReady?.(),
      unreachable: (path, syn, why) => this.unreachable(path, syn, why),
    });
  }

  /** Connections at present. */
  get connections(): number {
    return this.tcp.size;
  }

  get deadline(): number {
    return Math.min(this.tcp.deadline, this.udpDeadline, this.advertiseAt);
  }

  get awaiting(): boolean {
    return this.listeners.length > 0 || this.tcp.size > 0 || this.dns.pending > 0 || this.udp.awaiting(this.time);
  }

  receive(frame: Uint8Array, now: number): void {
    this.time = now;
    const bytes = ethernetOf(frame);
    const offload = readOffload(frame);
    if (
      bytes.length < ETHERNET_SIZE ||
      (offload.segmentation !== GSO.none && offload.segmentation !== GSO.tcpv4 && offload.segmentation !== GSO.tcpv6)
    ) {
      this.counters.malformed++;
      return;
    }
    const destination = bytes.subarray(0, 6);
    const source = bytes.subarray(6, 12);
    if ((destination[0] & 1) === 0 && !sameBytes(destination, SUBNET.gatewayMac)) {
      this.counters.ignored++;
      return;
    }
    const type = (bytes[12] << 8) | bytes[13];
    const body = bytes.subarray(ETHERNET_SIZE);
    if (type === ETHERTYPE.arp) return this.arp(body);
    if (type !== ETHERTYPE.ipv4 && type !== ETHERTYPE.ipv6) {
      this.counters.ignored++;
      return;
    }
    const packet = type === ETHERTYPE.ipv4 ? parseIpv4(body) : parseIpv6(body);
    if (packet === undefined) {
      this.counters.malformed++;
      return;
    }
    this.learn(packet.source, source);
    if (packet.fragment === undefined) return this.packet(packet, source, offload.needsChecksum);
    const whole = this.reassembly.add(packet, now);
    if (whole !== undefined) this.packet(whole, source.slice(), false);
  }

  pull(now: number): Uint8Array | undefined {
    this.time = now;
    if (now >= this.tcp.deadline) this.tcp.tick(now);
    if (now >= this.udpDeadline) {
      this.udp.tick(now);
      this.udpDeadline = this.udp.deadline;
    }
    if (now >= this.advertiseAt) this.advertise();
    return this.queue.shift() ?? this.tcp.next(now);
  }

  /** A port of the guest's was made reachable from outside: from now on something may come at any time. @param listener ends with the network */
  publish(listener: { close(): void }): void {
    this.listeners.push(listener);
  }

  /** A connection from outside to a published port of the guest's. @returns false when there are too many */
  accept(guestPort: number, stream: (handler: StreamHandler) => HostStream): boolean {
    const destination = { address: SUBNET.guest, port: guestPort };
    return this.tcp.connectTo(this.pathTo(destination, SUBNET.gateway), stream);
  }

  /** A datagram from outside to a published port of the guest's. @param reply sends what the guest answers */
  acceptDatagram(guestPort: number, client: Endpoint, data: Uint8Array, reply: (data: Uint8Array) => void): void {
    const port = this.udp.clientPort(client, guestPort, this.time, reply);
    if (port === undefined) return;
    this.udpDeadline = Math.min(this.udpDeadline, this.udp.deadline);
    this.datagram({ address: SUBNET.gateway, port }, { address: SUBNET.guest, port: guestPort }, data);
  }

  restart(): void {
    this.tcp.forget(() => true);
    this.udp.close();
    while (this.queue.shift() !== undefined);
  }

  close(): void {
    for (const listener of this.listeners.splice(0)) listener.close();
    this.tcp.forget(() => true);
    this.udp.close();
  }

  private packet(packet: IpPacket, mac: Uint8Array, trusted: boolean): void {
    switch (packet.protocol) {
      case PROTOCOL.tcp:
        return this.segment(packet, mac, trusted);
      case PROTOCOL.udp:
        return this.userDatagram(packet, trusted);
      case PROTOCOL.icmp:
      case PROTOCOL.icmpv6:
        return this.control(packet);
    }
    this.counters.ignored++;
  }

  private arp(body: Uint8Array): void {
    const packet = parseArp(body);
    if (packet === undefined) {
      this.counters.malformed++;
      return;
    }
    this.learn(packet.senderAddress, packet.senderMac);
    const ours = sameBytes(packet.targetAddress, SUBNET.gateway) || sameBytes(packet.targetAddress, SUBNET.resolver);
    if (packet.operation !== ARP_OPERATION.request || !ours) return;
    const sender = { mac: SUBNET.gatewayMac, address: packet.targetAddress };
    this.send(arpFrame(ARP_OPERATION.reply, sender, { mac: packet.senderMac, address: packet.senderAddress }));
  }

  private control(packet: IpPacket): void {
    if (!soundIcmp(packet)) {
      this.counters.malformed++;
      return;
    }
    const { payload, source, destination } = packet;
    const v4 = packet.protocol === PROTOCOL.icmp;
    if (payload[0] === (v4 ? ICMP.echoRequest : ICMPV6.echoRequest)) {
      if (!isRouter(destination)) return this.cannotReach(packet, 'prohibited');
      this.sendMessage(destination, source, echoReply(packet));
    } else if (!v4 && payload[0] === ICMPV6.neighbourSolicitation) {
      const target = solicitedTarget(payload);
      if (target === undefined || !isRouter(target)) return;
      const hasAddress = source.some((byte) => byte !== 0);
      const message = neighbourAdvertisement(target, SUBNET.gatewayMac, hasAddress);
      this.sendMessage(target, hasAddress ? source : ALL_NODES, message, 255);
    } else if (!v4 && payload[0] === ICMPV6.routerSolicitation) this.advertise();
  }

  private advertise(): void {
    this.advertiseAt = this.time + ADVERTISE_EVERY;
    const message = routerAdvertisement(SUBNET.gatewayMac, SUBNET.v6, SUBNET.resolver6, this.mtu);
    this.sendMessage(SUBNET.linkLocal, ALL_NODES, message, 255);
  }

  private segment(packet: IpPacket, mac: Uint8Array, trusted: boolean): void {
    const segment = parseTcp(packet, trusted);
    if (segment === undefined) {
      this.counters.malformed++;
      return;
    }
    this.tcp.receive(
      {
        sourceMac: SUBNET.gatewayMac,
        destinationMac: mac,
        source: { address: packet.destination, port: segment.destinationPort },
        destination: { address: packet.source, port: segment.sourcePort },
      },
      segment,
    );
  }

  private userDatagram(packet: IpPacket, trusted: boolean): void {
    const datagram = parseUdp(packet, trusted);
    if (datagram === undefined) {
      this.counters.malformed++;
      return;
    }
    const { data } = datagram;
    const from = { address: packet.source.slice(), port: datagram.sourcePort };
    const to = { address: packet.destination, port: datagram.destinationPort };
    if (to.port === DHCP_PORT.server && to.address.length === 4) return this.dhcpMessage(data);
    if (isRouter(to.address)) {
      if (to.port === DNS_PORT) {
        const resolver = { address: to.address.slice(), port: to.port };
        return this.dns.datagram(data, (answer) => this.datagram(resolver, from, answer));
      }
      if (sameBytes(to.address, SUBNET.gateway) && this.udp.answerClient(to.port, data, this.time)) return;
    }
    const target = this.target(to);
    if (typeof target === 'string') {
      this.counters.prohibited++;
      if ((to.address[0] & 0xf0) !== 0xe0 && to.address[0] !== 0xff)
        this.cannotReach(packet, target === 'refused' ? 'port' : 'prohibited');
      return;
    }
    const version = target.address.length === 4 ? 4 : 6;
    const translated = target !== to;
    this.udp.send(from, target, data.slice(), this.time, (admits) =>
      this.host.datagrams(version, (peer, answer) => {
        if (!admits(peer.address)) return;
        const seen = translated ? { address: routerOf(from.address), port: peer.port } : peer;
        this.datagram(seen, from, answer);
      }),
    );
    this.udpDeadline = Math.min(this.udpDeadline, this.udp.deadline);
  }

  private dhcpMessage(message: Uint8Array): void {
    const reply = this.dhcp.answer(message);
    if (reply === undefined) return;
    // A guest that asks for the first time has just started: what it had is gone without a word.
    if (reply.fresh) this.tcp.forget((address) => inPrefix(address, SUBNET.v4));
    const everybody = { address: Uint8Array.of(255, 255, 255, 255), port: DHCP_PORT.client };
    const to = reply.to === undefined ? everybody : { address: reply.to, port: DHCP_PORT.client };
    this.datagram({ address: SUBNET.gateway, port: DHCP_PORT.server }, to, reply.message);
  }

  /** The host's end of a connection of the guest's. */
  private connect(to: Endpoint, handler: StreamHandler): HostStream | StreamFailure {
    if (isRouter(to.address) && to.port === DNS_PORT) return this.dns.stream(handler);
    const target = this.target(to);
    if (typeof target !== 'string') return this.host.connect(target, handler);
    this.counters.prohibited++;
    return target;
  }

  /** Where a destination of the guest's lies in the host's network, or why it can't be reached. */
  private target(to: Endpoint): Endpoint | StreamFailure {
    if (inPrefix(to.address, to.address.length === 4 ? SUBNET.v4 : SUBNET.v6) || isRouter(to.address)) {
      const isHost = sameBytes(to.address, SUBNET.gateway) || sameBytes(to.address, SUBNET.gateway6);
      if (!isHost) return 'unreachable';
      if (!this.policy.allowHost) return 'refused';
      return { address: loopback(to.address.length === 4 ? 4 : 6), port: to.port };
    }
    return this.policy.allows(to, (address) => this.host.isOwn(address)) ? to : 'prohibited';
  }

  private unreachable(path: Path, { seq }: { readonly seq: number }, why: StreamFailure): void {
    // The packet that can't be delivered is quoted by its headers, which are those of the guest's SYN.
    const syn = tcpFrame(
      { ...path, source: path.destination, destination: path.source },
      { seq, ack: 0, flags: TCP_FLAG.syn, window: 0 },
    ).subarray(OFFLOAD_SIZE + ETHERNET_SIZE);
    const packet = path.source.address.length === 4 ? parseIpv4(syn) : parseIpv6(syn);
    if (packet !== undefined) this.cannotReach(packet, why === 'prohibited' ? 'prohibited' : 'host');
  }

  private cannotReach(packet: IpPacket, why: Unreachable): void {
    const v4 = packet.source.length === 4;
    const unicast = v4
      ? packet.source.some((byte) => byte !== 0)
      : packet.source[0] !== 0xff && packet.source.some((b) => b !== 0);
    if (unicast) this.sendMessage(routerOf(packet.source), packet.source, unreachableMessage(packet, why));
  }

  private datagram(from: Endpoint, to: Endpoint, data: Uint8Array): void {
    const macs = { sourceMac: SUBNET.gatewayMac, destinationMac: this.macOf(to.address) };
    const head: PacketHead = { ...macs, source: from.address, destination: to.address, protocol: PROTOCOL.udp };
    const frames = fragmentPacket(udpFrame(macs, from, to, data), head, this.mtu, this.random());
    for (const frame of frames) this.send(frame);
  }

  private sendMessage(source: IpAddress, destination: IpAddress, message: Uint8Array, hopLimit = 64): void {
    const protocol = source.length === 4 ? PROTOCOL.icmp : PROTOCOL.icmpv6;
    const destinationMac = this.macOf(destination);
    const head: PacketHead = {
      sourceMac: SUBNET.gatewayMac,
      destinationMac,
      source: source.slice(),
      destination: destination.slice(),
      protocol,
      hopLimit,
    };
    const frames = fragmentPacket(icmpFrame(head, message), head, this.mtu, this.random());
    for (const frame of frames) this.send(frame);
  }

  private send(frame: Uint8Array): void {
    if (this.queue.push(frame)) this.onReady?.();
    else this.counters.dropped++;
  }

  private pathTo(destination: Endpoint, source: IpAddress): Omit<Path, 'source'> & { readonly source: IpAddress } {
    const macOf = (address: IpAddress): Uint8Array => this.macOf(address);
    return {
      sourceMac: SUBNET.gatewayMac,
      /** Looked up for each frame: the guest may not have sent any yet. */
      get destinationMac() {
        return macOf(destination.address);
      },
      source,
      destination,
    };
  }

  private macOf(address: IpAddress): Uint8Array {
    if (address.length === 16 && address[0] === 0xff) return multicastMac(address);
    if (address.length === 4 && address[0] === 255) return Uint8Array.of(255, 255, 255, 255, 255, 255);
    return this.neighbours.get(keyOf(address)) ?? this.guestMac;
  }

  private learn(address: IpAddress, mac: Uint8Array): void {
    const local =
      address.length === 4 ? inPrefix(address, SUBNET.v4) : inPrefix(address, SUBNET.v6) || address[0] === 0xfe;
    if (!local || isRouter(address) || (mac[0] & 1) !== 0) return;
    const key = keyOf(address);
    const known = this.neighbours.get(key);
    if (known !== undefined && sameBytes(known, mac)) return;
    if (known === undefined && this.neighbours.size >= MAX_NEIGHBOURS) {
      const [oldest] = this.neighbours.keys();
      this.neighbours.delete(oldest);
    }
    this.neighbours.set(key, mac.slice());
  }
}

const ROUTER = [SUBNET.gateway, SUBNET.resolver, SUBNET.gateway6, SUBNET.resolver6, SUBNET.linkLocal];
const isRouter = (address: IpAddress): boolean => ROUTER.some((own) => sameBytes(own, address));
const routerOf = (peer: IpAddress): IpAddress =>
  peer.length === 4 ? SUBNET.gateway : peer[0] === 0xfe ? SUBNET.linkLocal : SUBNET.gateway6;
